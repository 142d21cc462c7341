"""`SessionRequests`: sends requests to the backend of a session, and records the exchanges in its context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from pytest_streamval.engine.attempt_starter import checked_answer
from pytest_streamval.engine.backend import Backend, checked_options
from pytest_streamval.engine.context import ChatContext, Context, SimpleContext
from pytest_streamval.errors import GenerationCancelledError, InvalidArgumentError, closed_session_error, excerpt
from pytest_streamval.session.arguments import as_output
from pytest_streamval.session.history import History
from pytest_streamval.session.instruct_attempts import validate_all
from pytest_streamval.session.lifecycle import SessionLifecycle
from pytest_streamval.session.outputs import check_loop, resolve, stop_output

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from typing_extensions import TypeVar

    from pytest_streamval.engine.component import CBlock, Component
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

    # on Python 3.11, `typing` has no TypeVar with a default
    Backend_co = TypeVar("Backend_co", bound=Backend, default=Backend, covariant=True)
else:
    from typing import TypeVar

    Backend_co = TypeVar("Backend_co", covariant=True)


class SessionRequests(SessionLifecycle, Generic[Backend_co]):
    """The backend, the model options and the contexts of a session, with the steps that its methods share."""

    def __init__(
        self, backend: Backend_co, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
    ) -> None:
        """Make a session.

        Args:
            backend: The backend for outputs, and for requirements that ask a model.
            ctx: The first context. None makes a `SimpleContext`.
            model_options: The options of every request. The options of a call override them.

        Raises:
            InvalidArgumentError: If an argument is invalid.
        """
        if not isinstance(backend, Backend):
            raise InvalidArgumentError("backend", excerpt(backend), "It must be an instance of a subclass of Backend.")
        if ctx is not None and not isinstance(ctx, Context):
            raise InvalidArgumentError("ctx", excerpt(ctx), "It must be a context, for instance ChatContext().")
        self.backend: Backend_co = backend
        self.owns_backend = False
        """Whether the connections of the backend are closed with the session, which has made it."""
        self.model_options = checked_options(model_options)
        self._history = History(SimpleContext() if ctx is None else ctx)
        self._chat = self._history if isinstance(ctx, ChatContext) else History(ChatContext())
        self._newest = self._history  # the history with the newest request
        super().__init__()

    @property
    def ctx(self) -> Context:
        """The context after all requests so far, without exchanges that failed or were cancelled.

        A `SimpleContext` contains the newest exchange only.
        """
        return self._history.ctx

    def __repr__(self) -> str:
        return f"<Session {'closed' if self._closed else 'open'} over {self.backend!r}>"

    def _check_open(self, method: str) -> None:
        if self._closed:
            raise closed_session_error(method)

    def _merged(self, model_options: Mapping[str, object] | None) -> dict[str, object]:
        return {**self.model_options, **checked_options(model_options)}

    async def _begin(
        self, method: str, history: History, action: Component | CBlock, *, form: object, options: dict[str, object]
    ) -> tuple[ModelOutputThunk, Context]:
        """Ask the backend, and return an output that is stopped with the session."""
        # a backend may not have the argument `format`
        extra: dict[str, Any] = {} if form is None else {"format": form}
        with history.request(method) as before, self._open.starting():
            answer = await self.backend.generate_from_context(action, before, model_options=options, **extra)
        thunk, ctx = await checked_answer(answer, type(self.backend).__name__)
        if self._closed:
            await stop_output(thunk)
            raise closed_session_error(method)
        self._open.add_output(thunk)
        return thunk, ctx

    async def _ask(
        self, method: str, history: History, action: Component | CBlock, form: object, options: dict[str, object]
    ) -> ModelOutputThunk:
        """Ask the backend, and record the exchange in a history."""
        before = history.next_ctx
        thunk, after = await self._begin(method, history, action, form=form, options=options)
        history.record(before, thunk, after)
        self._newest = history
        return thunk

    async def _resolve(self, method: str, output: ModelOutputThunk) -> ModelOutputThunk:
        try:
            return await resolve(output)
        except GenerationCancelledError:
            self._check_open(method)
            raise

    def _compute(self, method: str, begin: Callable[[], Coroutine[Any, Any, ModelOutputThunk]]) -> ModelOutputThunk:
        """Call an asynchronous method in the session's event loop, and return its computed output."""

        async def computed() -> ModelOutputThunk:
            return await self._resolve(method, await begin())

        return self._background.call(method, computed)

    async def _validate(
        self, requirements: Sequence[Requirement], ctx: Context, options: Mapping[str, object] | None = None
    ) -> list[ValidationResult]:
        options = self.model_options if options is None else options
        # a requirement's own `validate` may not have the argument `model_options`
        return await validate_all(requirements, self.backend, ctx, **({"model_options": options} if options else {}))

    async def _ctx_of(self, output: ModelOutputThunk | CBlock | str | None) -> Context:
        """Return a context that ends with an output, which is computed."""
        ctx: Context
        if output is None:
            ctx = self._newest.ctx
            thunk = ctx.last_output()
        else:
            thunk = as_output(output)
            ctx = SimpleContext().add(thunk)
        if thunk is None:
            rule = "The session must have an output. Ask the model first, or pass an output."
            raise InvalidArgumentError("output", "None", rule)
        check_loop(thunk, "The output")
        await thunk.avalue()
        return ctx

    async def _close_backend(self) -> None:
        close = getattr(self.backend, "aclose", None)
        if self.owns_backend and close is not None:
            await close()

    def _after_fork(self) -> None:
        super()._after_fork()
        self._history.reset_lock()
        self._chat.reset_lock()
