"""`StreamingMockBackend`: a backend that plays scripts, and records the deltas that it sent."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, overload

from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.component import as_action, text_of
from pytest_streamval.engine.run import asking_requirement
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, ScriptExhaustedError, excerpt
from pytest_streamval.model import Delta
from pytest_streamval.scripting.playback import note_taken
from pytest_streamval.scripting.script import Script, as_script
from pytest_streamval.scripting.sent_deltas import note_sent
from pytest_streamval.scripting.steps import perform, text_of_step

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context


on_backend: list[Callable[[StreamingMockBackend], None]] = []
"""Functions that are called with each new mock backend."""


class MockCall:
    """One call of a mock backend, with the producer's own record of it."""

    def __init__(
        self,
        script: Script,
        action: Action,
        ctx: Context,
        format: object | None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object],
    ) -> None:
        self.script = script
        """The script that was played."""
        self.action = action
        """The action of the call."""
        self.ctx = ctx
        """The context of the call."""
        self.format = format
        """The format of the call."""
        self.model_options = model_options
        """The options of the call."""
        self.began = time.time()
        """When the call began, by the clock of the test."""
        self.thunk = ModelOutputThunk(action=action)
        """The output."""
        self.deltas_sent = 0
        """The number of deltas that were sent."""
        self.finished = False
        """Whether the script was played to its end."""

    @property
    def cancelled(self) -> bool:
        """Whether the producer was stopped before the end of its script."""
        return self.thunk.cancelled and not self.finished

    @property
    def sent_text(self) -> str:
        """The text that was sent, whether or not it was read."""
        sent = [step for step in self.script.steps if isinstance(step, (str, Delta))][: self.deltas_sent]
        return "".join(text_of_step(step) for step in sent)

    async def play(self, thunk: ModelOutputThunk) -> None:
        """Play the script into an output."""
        counted = 0
        try:
            for step in self.script.steps:
                if isinstance(step, (str, Delta)):
                    if not thunk.try_put(step):
                        counted = self._note_sent(counted)
                        await thunk.put(step)
                    self.deltas_sent += 1
                else:
                    counted = self._note_sent(counted)
                    await perform(step, self.script.steps)
            self.finished = True
        finally:
            self._note_sent(counted)

    def _note_sent(self, counted: int) -> int:
        """Count the deltas that were sent since the last call, which is before other code of the event loop runs."""
        note_sent(self.deltas_sent - counted)
        return self.deltas_sent

    @property
    def unstopped(self) -> str:
        """The activity of the producer after its reader had left, in a few words, or an empty string if it stopped."""
        producer = self.thunk.producer
        if producer is not None and not producer.done():
            return "is being stopped, but has not ended" if producer.stopping else "still runs"
        if late := self.thunk.deltas_refused:
            return f"tried to send {late} more after the end of its output"
        return ""

    def __repr__(self) -> str:
        state = "finished" if self.finished else "cancelled" if self.cancelled else "playing"
        return f"<MockCall {state}, {self.deltas_sent} of {len(self.script.deltas)} deltas sent>"


on_call: list[Callable[[MockCall], None]] = []
"""Functions that are called with each call of a mock backend."""


class StreamingMockBackend(Backend):
    """A backend that plays scripts instead of a model: one for each call, in order.

    `calls` has the arguments of each call, and the deltas that the producer really sent.
    """

    __test__ = False  # a double, not a test class

    def __init__(self, *scripts: Script | str, token_size: int = 1) -> None:
        """Create a backend.

        Args:
            scripts: The script of each call. A text is sent in deltas of `token_size` characters.
            token_size: The number of characters in each delta of a text.
        """
        for index, script in enumerate(scripts):
            if not isinstance(script, Script | str):
                raise InvalidArgumentError(f"scripts[{index}]", excerpt(script), "It must be a Script or a str.")
        self.scripts = tuple(as_script(script, token_size=token_size) for script in scripts)
        for script in self.scripts:
            note_taken(script)
        self.calls: list[MockCall] = []
        """The calls, in order."""
        self.refused: list[ScriptExhaustedError] = []
        """The errors of the calls without a script."""
        for listener in tuple(on_backend):
            listener(self)

    @property
    def identity(self) -> str | None:
        """The class of the backend and a hash of its scripts."""
        digest = hashlib.sha256(repr(self.scripts).encode(errors="surrogatepass")).hexdigest()
        return f"{type(self).__module__}.{type(self).__qualname__} of {digest}"

    async def generate_from_context(
        self,
        action: Action | str,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # as in Backend
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Start to play the next script.

        Raises:
            ScriptExhaustedError: If there is no script left. It names the action, and the requirement that called, if
                one did.
        """
        action = as_action(action)
        if len(self.calls) == len(self.scripts):
            earlier = [_summary(call.action) for call in self.calls]
            requirement = asking_requirement()
            caller = _summary(action) + (f", a call of {requirement.name}" if requirement is not None else "")
            self.refused.append(ScriptExhaustedError(len(self.calls) + 1, len(self.scripts), caller, earlier))
            raise self.refused[-1]
        options = dict(model_options or {})
        call = MockCall(self.scripts[len(self.calls)], action, ctx, format, options)
        self.calls.append(call)
        for listener in tuple(on_call):
            listener(call)
        call.thunk.generation.provider = "mock"
        call.thunk.generation.streaming = bool(options.get(ModelOption.STREAM))
        call.thunk.start(call.play)
        return call.thunk, ctx.add(action).add(call.thunk)

    def unstopped(self, within: float) -> Iterator[str]:
        """Yield a line for each call whose producer still runs, or sent a delta after its reader had left.

        Args:
            within: Ignored, as a producer in the test's own event loop makes no progress while the test waits.
        """
        del within
        for call in self.calls:
            if call.unstopped:
                yield f"{_summary(call.action)}: the producer {call.unstopped}: {call!r}"

    def __repr__(self) -> str:
        return f"<StreamingMockBackend, {len(self.calls)} of {len(self.scripts)} scripts played>"


MockT = TypeVar("MockT", bound=StreamingMockBackend)


class StreamingMockBackendFactory(Protocol):
    """The type of the fixture `streaming_mock_backend`, a function that returns mock backends.

    The arguments are those of `StreamingMockBackend`, and `cls`, a subclass of it.
    """

    @overload
    def __call__(self, *scripts: Script | str, token_size: int = 1) -> StreamingMockBackend: ...

    @overload
    def __call__(self, *scripts: Script | str, token_size: int = 1, cls: type[MockT]) -> MockT: ...


def make_mock(*scripts: Script | str, token_size: int = 1, cls: type[Any] = StreamingMockBackend) -> Any:  # noqa: ANN401  # a `cls`
    """Return a backend that plays scripts. The arguments are those of `StreamingMockBackendFactory`.

    Raises:
        InvalidArgumentError: A `TypeError`. If an argument is invalid.
    """
    __tracebackhide__ = True
    kind: object = cls
    if not (isinstance(kind, type) and issubclass(kind, StreamingMockBackend)):
        raise InvalidArgumentError("cls", excerpt(cls), "It must be StreamingMockBackend or a subclass of it.")
    return kind(*scripts, token_size=token_size)


def _summary(action: Action) -> str:
    return f"{type(action).__name__} {excerpt(text_of(action))}"
