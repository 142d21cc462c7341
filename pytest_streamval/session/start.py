"""`start_session`: makes a session over a backend, a model's spec or scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, overload

from pytest_streamval.engine.backend import Backend
from pytest_streamval.session.arguments import make_backend
from pytest_streamval.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.context import Context
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.scripting.mock import StreamingMockBackend
    from pytest_streamval.scripting.script import Script

B = TypeVar("B", bound=Backend)


@overload
def start_session(  # type: ignore[overload-overlap]  # a str is also a sequence of str, but means a spec
    backend: str | None = None, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
) -> Session[LiveBackend]: ...


@overload
def start_session(
    backend: Script | Sequence[Script | str],
    *,
    ctx: Context | None = None,
    model_options: Mapping[str, object] | None = None,
) -> Session[StreamingMockBackend]: ...


@overload
def start_session(
    backend: B, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
) -> Session[B]: ...


def start_session(
    backend: Backend | str | Script | Sequence[Script | str] | None = None,
    *,
    ctx: Context | None = None,
    model_options: Mapping[str, object] | None = None,
) -> Session:
    """Start a session. A `with` or `async with` block closes it at the end.

    Args:
        backend: A backend, a spec such as `"ollama:granite4:micro"`, a `Script` for the mock, or a list of scripts and
            texts, one for each call. None takes the spec in `STREAMVAL_BACKEND` at the address in `STREAMVAL_URL`, or
            `"ollama:granite4:micro"`.
        ctx: The first context. None makes a `SimpleContext`, on which each request is independent.
        model_options: The options of every request. The options of a call override them.

    Raises:
        UnknownNameError: If the provider of a spec is unknown (a `ValueError`).
        InvalidArgumentError: If an argument is invalid, or the name of an option is misspelt (a `TypeError` and a
            `ValueError`).
    """
    session = Session(make_backend(backend, model_options), ctx=ctx, model_options=model_options)
    session.owns_backend = backend is None or isinstance(backend, str)
    return session
