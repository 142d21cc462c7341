"""`OutputState`: the text and the other data of one output, during its generation and afterwards."""

from __future__ import annotations

import time
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

from pytest_streamval.errors import detached_thunk_error, excerpt
from pytest_streamval.model import Delta, Usage, merge_tool_calls, thoughts_in

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from types import TracebackType

    from typing_extensions import TypeVar

    from pytest_streamval.engine.tasks import OwnedTask
    from pytest_streamval.model import Deviation, ResponseInfo, ToolCall, ToolCallDelta

    Parsed_co = TypeVar("Parsed_co", default=Any, covariant=True)
else:
    from typing import TypeVar

    Parsed_co = TypeVar("Parsed_co", covariant=True)


class Parser(Protocol):
    """The part of an action that an output uses."""

    def parse(self, computed: Any) -> Any:  # noqa: ANN401  # the output, and a result of any type
        """Return the result that a computed output stands for."""


class GenerationReport(Protocol):
    """A report about one generation, as telemetry makes it."""

    def current(self) -> AbstractContextManager[None]:
        """Return a context in which a task that starts belongs to the generation."""

    def received(self, output: OutputState) -> None:
        """Note that the response has ended, although the reader has not taken all of it."""

    def end(self, output: OutputState, error: BaseException | None) -> None:
        """End the report. The error is the one that ended the generation, or the reason of its cancellation."""


@dataclass(slots=True)
class GenerationMetadata:
    """The data about a generation besides its text."""

    usage: Usage | None = None
    """The provider's final token count, or None after an early exit."""
    model: str | None = None
    """The model's name."""
    provider: str | None = None
    """The provider's name."""
    ttfb_ms: float | None = None
    """The milliseconds from the creation of the output to its first delta."""
    streaming: bool = False
    """Whether the output was streamed."""
    finish_reason: str | None = None
    """The reason why generation ended, in the provider's own word, or None after an early exit."""
    deviations: tuple[Deviation, ...] = ()
    """The differences of the stream from its protocol that lost nothing, at most ten of each kind."""
    response: ResponseInfo | None = None
    """The provider's last answer over HTTP, also a refusal. None before it and for scripts, which have none."""


class OutputState:
    """The state of one output. A subclass adds its producer and its reader."""

    # The attribute `_started` belongs to one object. The producer shares all others through another object, which
    # keeps them while the output itself can be dropped.
    __slots__ = ("__dict__", "__weakref__", "_started")

    def __init__(self, value: str | None = None, *, action: Parser | None = None) -> None:
        """Create an output: computed if `value` is given, otherwise without a producer yet.

        Args:
            value: The complete text.
            action: The request. Its `parse` method makes the `parsed_repr`.
        """
        self._started = False
        self.generation = GenerationMetadata()
        self.deltas_read = 0
        """The number of deltas that the reader has taken."""
        self.deltas_refused = 0
        """The number of deltas that the producer tried to put after the end of the output."""
        self.has_owner = False
        """Whether another object ends the generation, as a session does. Then it is no mistake to drop the output."""
        self.pieces: list[str] = []
        """The text of each read so far. The list is empty once the output is computed."""
        self.hands_on = False
        """Whether its text is that of another output, so that telemetry does not report it as a generation."""
        self._action = action
        self._value = value
        self._computed = self._closed = value is not None
        self._cancelled = False
        self._cancel_reason: BaseException | None = None
        self._failure: BaseException | None = None  # raised to the reader after the last delta
        self._failure_traceback: TracebackType | None = None  # as it was raised, because each read extends its own copy
        self._usage_of_cut: Usage | None = None  # the newest count at a cancellation
        self._thinking: list[Delta] = []  # the deltas that have thinking, a signature or redacted thinking
        self._refusal: list[str] = []
        self._tool_calls: list[ToolCallDelta] = []
        # the plumbing
        self._created = time.perf_counter()
        self._loop: asyncio.AbstractEventLoop | None = None  # the loop of the generation, once it is known
        self._producer: OwnedTask[None] | None = None
        self._buffer: list[str | Delta] = []
        self._only_text = True  # whether every delta in the buffer is a str
        self._room = 0  # deltas that fit into the buffer; 0 sends the first put, and any after the end, to _admit
        self._has_first = False  # whether a delta was ever put
        self._putters: list[asyncio.Future[None]] = []
        self._reading = False
        self._read_waiter: asyncio.Future[None] | None = None
        self._explain_reservation: Callable[[], str] | None = None  # for the error of any reader but the run
        self._text_so_far: Callable[[], str] | None = None  # the text that the run has checked, while it reads
        self._report: GenerationReport | None = None  # until the end of the generation

    def is_computed(self) -> bool:
        """Return whether the output is final, so that `value` is set."""
        return self._computed

    @property
    def value(self) -> str | None:
        """The text once computed. After a cancellation or a failure, this is the text that the reader had read."""
        return self._value

    @property
    def text_read(self) -> str:
        """The text that the reader has taken so far."""
        return "".join(self.pieces) if self._value is None else self._value

    @property
    def cancelled(self) -> bool:
        """Whether the generation was stopped before its end."""
        return self._cancelled

    @property
    def deltas_unread(self) -> int:
        """The number of deltas that the producer has put and the reader has not taken."""
        return len(self._buffer)

    @property
    def age(self) -> float:
        """The seconds since the output was created."""
        return time.perf_counter() - self._created

    @property
    def producer(self) -> OwnedTask[None] | None:
        """The task that generates the output, or None before `start`."""
        return self._producer

    @property
    def error(self) -> BaseException | None:
        """The error of the producer, or the reason that was passed to `cancel_generation`."""
        return self._failure or self._cancel_reason

    @property
    def latest_usage(self) -> Usage | None:
        """The provider's newest token count so far, also after an early exit and in a delta that was never read."""
        unread = (each.usage for each in reversed(self._buffer) if isinstance(each, Delta) and each.usage is not None)
        return next(unread, self.generation.usage or self._usage_of_cut)

    @property
    def thinking(self) -> str:
        """The reasoning text read so far."""
        return "".join(delta.thinking for delta in self._thinking)

    @property
    def refusal(self) -> str:
        """The words of a refusal read so far, if the provider separates them from the text."""
        return "".join(self._refusal)

    @property
    def signature(self) -> str:
        """The provider's signatures of the thinking read so far."""
        return "".join(delta.signature for delta in self._thinking)

    @property
    def thoughts(self) -> tuple[Delta, ...]:
        """The thoughts read so far: each one its thinking with its signature, or redacted thinking."""
        return thoughts_in(self._thinking)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls read so far, joined from their fragments."""
        return merge_tool_calls(self._tool_calls)

    @property
    def parsed_repr(self) -> Any:  # noqa: ANN401  # the result of the action's parse
        """The result of the action's `parse`, or the text if there is no action. It is None until computed."""
        return self._action.parse(self) if self._computed and self._action is not None else self._value

    def __str__(self) -> str:
        """Return the text once computed, and before that nothing. In `stream_validate`, return the text so far.

        The text so far ends with the chunk that is checked.
        """
        return self._value or "" if self._text_so_far is None else self._text_so_far()

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "computed" if self._computed else "generating"
        return f"<{type(self).__name__} {state}{'' if self._value is None else ' ' + excerpt(self._value)}>"

    def _absorb(self, delta: str | Delta) -> str:
        """Keep the data of a delta besides its text, and return the text."""
        if isinstance(delta, str):
            return delta
        if delta.thinking or delta.signature or delta.redacted:
            self._thinking.append(delta)
        self._refusal.append(delta.refusal)
        self._tool_calls.extend(delta.tool_calls)
        self.generation.usage = delta.usage or self.generation.usage
        self.generation.finish_reason = delta.finish_reason or self.generation.finish_reason
        return delta.text

    def _compute(self) -> None:
        if not self._computed:
            self._computed = True
            self._value = self.text_read
            self.pieces.clear()
            if self._cancelled:
                self.generation.usage = self.generation.finish_reason = None
            self.end_report(self._cancel_reason)

    def end_report(self, error: BaseException | None) -> None:
        """Report the end of the generation, once.

        Args:
            error: The error that ended it, or the reason of its cancellation.
        """
        report, self._report = self._report, None
        if report is not None:
            report.end(self, error)

    def __eq__(self, other: object) -> bool:
        return self.__dict__ is other.__dict__ if isinstance(other, OutputState) else NotImplemented

    def __hash__(self) -> int:
        return id(self.__dict__)

    def as_delta(self) -> Delta:
        """Return the output so far as one delta, with the data about its generation."""
        known = self.generation
        return Delta.of_output(
            self.text_read,
            self.thinking,
            self.tool_calls,
            known.usage,
            known.finish_reason,
            refusal=self.refusal,
            signature=self.signature,
            redacted="".join(delta.redacted for delta in self._thinking),
        )

    # Copies

    def with_text(self, text: str | None) -> Self:
        """Return an output with another text and the same data about the generation. It can always be read."""
        copied = type(self)(text, action=self._action)
        copied.generation = copy(self.generation)
        copied.deltas_read = self.deltas_read
        copied._cancelled = self._cancelled
        copied._cancel_reason = self.error
        copied._usage_of_cut = self.latest_usage
        copied._thinking = list(self._thinking)
        copied._refusal = list(self._refusal)
        copied._tool_calls = list(self._tool_calls)
        return copied

    def __copy__(self) -> Self:
        """Return a copy without producer, reader and buffer."""
        copied = self.with_text(self._value)
        copied._failure, copied._failure_traceback = self._failure, self._failure_traceback
        if not self._computed:
            copied.pieces = list(self.pieces)
            copied._closed, copied._failure = True, detached_thunk_error()
            copied._failure_traceback = None
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """Return a copy whose action is copied too."""
        copied = memo[id(self)] = copy(self)
        copied._action = deepcopy(self._action, memo)
        return copied

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the state of a copy, for `pickle`.

        Raises:
            TypeError: If the output is still being generated.
        """
        if not self._computed:
            msg = f"{self!r} cannot be pickled: it is still being generated. Await its avalue() first."
            raise TypeError(msg)
        return {**vars(copy(self)), "_failure_traceback": None}, {"_started": False}
