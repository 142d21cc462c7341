"""`SessionCore`: what the methods of a session share, and how a session ends."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self

from pytest_streamval.engine.backend import Backend, checked_options
from pytest_streamval.engine.context import ChatContext, Context, SimpleContext
from pytest_streamval.engine.orchestrator import checked_answer
from pytest_streamval.engine.owners import dropped, opened
from pytest_streamval.engine.tasks import start_task
from pytest_streamval.engine.weak import WeakObjects
from pytest_streamval.errors import ClosedSessionError, GenerationCancelledError, InvalidArgumentError, excerpt
from pytest_streamval.session.arguments import output_of
from pytest_streamval.session.attempts import judged
from pytest_streamval.session.background import BackgroundLoop
from pytest_streamval.session.history import History
from pytest_streamval.session.open_generations import Opened, ended
from pytest_streamval.session.outputs import check_loop, resolved, stop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from types import TracebackType

    from typing_extensions import TypeVar

    from pytest_streamval.engine.component import CBlock, Component
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

    Backend_co = TypeVar("Backend_co", bound=Backend, default=Backend, covariant=True)
else:
    from typing import TypeVar

    Backend_co = TypeVar("Backend_co", covariant=True)

logger = logging.getLogger("pytest_streamval")


class SessionCore(Generic[Backend_co]):
    """A backend, a context, an event loop for synchronous callers, and all that is being generated."""

    _closed = True  # until it is made

    def __init__(
        self, backend: Backend_co, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
    ) -> None:
        """Make a session over a backend.

        Args:
            backend: what generates, and what judges.
            ctx: where the first request begins; None for a new `SimpleContext`.
            model_options: for every request, unless it has others.
        """
        if not isinstance(backend, Backend):
            raise InvalidArgumentError("backend", excerpt(backend), "It must be an instance of a subclass of Backend.")
        if ctx is not None and not isinstance(ctx, Context):
            raise InvalidArgumentError("ctx", excerpt(ctx), "It must be a context, for instance ChatContext().")
        self.backend: Backend_co = backend
        self.model_options = checked_options(model_options)
        self._history = History(SimpleContext() if ctx is None else ctx)
        self._talk = self._history if isinstance(ctx, ChatContext) else History(ChatContext())
        self._newest = self._history  # the one that the newest request belongs to
        self._opened = Opened()
        self._background = BackgroundLoop()
        self._closed = False
        _sessions.add(self)
        opened(self)

    @property
    def ctx(self) -> Context:
        """The context that the requests so far have led to.

        A `SimpleContext` has the newest exchange only. An exchange that failed or was cancelled is no part of it.
        """
        return self._history.ctx

    @property
    def closed(self) -> bool:
        """Whether the session is closed."""
        return self._closed

    @property
    def at_work(self) -> bool:
        """Whether the session keeps an event loop or a generation that is not over."""
        return not self._closed and (self._background.running or len(self._opened) > 0)

    # Its end

    def close(self) -> None:
        """Stop whatever is being generated, and the session's own event loop; nothing happens the second time.

        What is being generated in an event loop that runs now has begun to stop, and does so in its next turns.
        """
        self._closed = True
        self._opened.stop()
        self._background.close()

    async def aclose(self) -> None:
        """Do what `close` does, and wait until all that is generated in this event loop has stopped.

        Raises:
            Exception: what the clean-up of a generation raised.
        """
        self._closed = True
        try:
            await self._opened.aclose()
        finally:
            self._background.stop()
            if self._background.started and not self._background.is_current:
                await ended([start_task(asyncio.to_thread(self._background.close), "streamval close session")])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception:
            if exc is None:
                raise
            logger.exception("A clean-up raised while a session was left by an error; the error goes on.")

    def __del__(self) -> None:
        """End a session that was dropped without being closed, and say so if it was still at work."""
        if self._closed:
            return
        loop, count = self._background.running, len(self._opened)
        self._background.stop()  # without waiting: the garbage collector may hold what the loop needs to end
        if loop or count:
            dropped(self)
            left = [f"{count} of its generations running"] * (count > 0) + ["its event loop running"] * loop
            warnings.warn(
                f"{self!r} was dropped with {' and '.join(left)}. Use 'with start_session(...)' or 'async with', or "
                "call close() or aclose().",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __reduce__(self) -> NoReturn:
        msg = (
            f"{self!r} cannot be copied or pickled: it owns an event loop and the generations that it has started. "
            "Start another session in the same context: start_session(session.backend, ctx=session.ctx)."
        )
        raise TypeError(msg)

    def _forked(self) -> None:
        """Begin anew in a child process, where nothing of the parent's generations runs."""
        self._opened = Opened()
        self._background.forked()
        self._history.forked()
        self._talk.forked()

    def __repr__(self) -> str:
        return f"<Session {'closed' if self._closed else 'open'} over {self.backend!r}>"

    # What the methods share

    def _check_open(self, method: str) -> None:
        if self._closed:
            raise ClosedSessionError(method)

    def _options(self, model_options: Mapping[str, object] | None) -> dict[str, object]:
        return {**self.model_options, **checked_options(model_options)}

    async def _begin(
        self, method: str, history: History, action: Component | CBlock, *, form: object, options: dict[str, object]
    ) -> tuple[ModelOutputThunk, Context]:
        """Have the backend begin; the output ends with the session."""
        with history.request(method) as before, self._opened.starting():
            answer = await self.backend.generate_from_context(action, before, model_options=options, **_given(form))
        thunk, ctx = await checked_answer(answer, type(self.backend).__name__)
        if self._closed:
            await stop(thunk)
            raise ClosedSessionError(method)
        self._opened.add_output(thunk)
        return thunk, ctx

    async def _ask(
        self, method: str, history: History, action: Component | CBlock, form: object, options: dict[str, object]
    ) -> ModelOutputThunk:
        """Have the backend begin, and continue the context with it."""
        before = history.start()
        thunk, after = await self._begin(method, history, action, form=form, options=options)
        history.note(before, thunk, after)
        self._newest = history
        return thunk

    async def _resolved(self, method: str, output: ModelOutputThunk) -> ModelOutputThunk:
        try:
            return await resolved(output)
        except GenerationCancelledError:
            self._check_open(method)
            raise

    def _wait(self, method: str, begin: Callable[[], Coroutine[Any, Any, ModelOutputThunk]]) -> ModelOutputThunk:
        """Return an output once it is computed."""

        async def computed() -> ModelOutputThunk:
            return await self._resolved(method, await begin())

        return self._background.call(method, computed)

    async def _judge(
        self, requirements: Sequence[Requirement], ctx: Context, options: Mapping[str, object] | None = None
    ) -> list[ValidationResult]:
        """Have an output judged; whoever overrides `validate` without taking options need not, where there are none."""
        options = self.model_options if options is None else options
        return await judged(requirements, self.backend, ctx, **({"model_options": options} if options else {}))

    async def _judged_in(self, output: ModelOutputThunk | CBlock | str | None) -> Context:
        """Return the context that ends with an output, computed."""
        ctx: Context
        if output is None:
            ctx = self._newest.ctx
            thunk = ctx.last_output()
        else:
            thunk = output_of(output)
            ctx = SimpleContext().add(thunk)
        if thunk is None:
            raise InvalidArgumentError("output", "None", "The session has no output yet; ask something, or pass one.")
        check_loop(thunk, "The output")
        await thunk.avalue()
        return ctx


_sessions: WeakObjects[SessionCore[Any]] = WeakObjects()


def _forked() -> None:
    for session in _sessions:
        session._forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def _given(form: object | None) -> dict[str, Any]:
    """Return a format as an argument only where there is one: a backend may have been written without it."""
    return {} if form is None else {"format": form}
