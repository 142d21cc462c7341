"""The context managers of a client, which say so if they are awaited."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import wraps
from typing import TYPE_CHECKING, NoReturn, ParamSpec, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from types import TracebackType

P = ParamSpec("P")
T_co = TypeVar("T_co", covariant=True)


class RequestContext(AbstractAsyncContextManager[T_co]):
    """A request that is sent when its context begins, and whose client leaves when it ends."""

    def __init__(self, context: AbstractAsyncContextManager[T_co], usage: str) -> None:
        self._context = context
        self._usage = usage

    async def __aenter__(self) -> T_co:
        return await self._context.__aenter__()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> bool | None:
        return await self._context.__aexit__(exc_type, exc, tb)

    def __await__(self) -> NoReturn:
        msg = f"This is a context manager, because its client leaves at its end. Write `{self._usage}`."
        raise TypeError(msg)


def request_context(usage: str) -> Callable[[Callable[P, AsyncIterator[T_co]]], Callable[P, RequestContext[T_co]]]:
    """Return a decorator like `asynccontextmanager`.

    Args:
        usage: The right call, for the error of a context that is awaited.
    """

    def decorate(function: Callable[P, AsyncIterator[T_co]]) -> Callable[P, RequestContext[T_co]]:
        make = asynccontextmanager(function)

        @wraps(function)
        def new_context(*args: P.args, **kwargs: P.kwargs) -> RequestContext[T_co]:
            return RequestContext(make(*args, **kwargs), usage)

        return new_context

    return decorate
