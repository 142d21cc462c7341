"""`ModelOutputThunk`: an output that is still being generated, with one producer and one reader."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from copy import copy, deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from pytest_streamval.engine.component import CBlock, Parsed_co
from pytest_streamval.engine.tasks import OwnedTask, note_cleanup, settle, start_task
from pytest_streamval.errors import (
    ConcurrentReadError,
    InvalidArgumentError,
    ThunkClosedError,
    detached_thunk_error,
    different_loops_error,
    excerpt,
    invalid_delta_error,
    raisable,
)
from pytest_streamval.model import Delta, Usage, merge_tool_calls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine
    from types import TracebackType

    from pytest_streamval.engine.component import Action
    from pytest_streamval.model import ToolCall, ToolCallDelta

logger = logging.getLogger("pytest_streamval")

on_drop: list[Callable[[asyncio.Task[None]], None]] = []
"""Functions that are given the producer of each output that was dropped while it was generated, for guards."""


@dataclass(slots=True)
class GenerationMetadata:
    """What is known about a generation besides its text."""

    usage: Usage | None = None
    """The provider's final token count; None after an early exit."""
    model: str | None = None
    """The model's name."""
    provider: str | None = None
    """The provider's name."""
    ttfb_ms: float | None = None
    """Milliseconds from the creation of the output to its first delta."""
    streaming: bool = False
    """Whether the output came as a stream."""
    finish_reason: str | None = None
    """Why generation ended, in the provider's own word; None after an early exit."""


class ModelOutputThunk(Generic[Parsed_co]):
    """An output that resolves as it is generated.

    A producer puts deltas, and waits while `capacity` of them are unread; one reader takes what is there. A delta
    counts as unread until the reader comes back for more, so that a reader who stops is never more than `capacity`
    deltas behind its producer.

    The output is computed once its producer has ended *and* its reader has taken everything, or when it is cancelled.
    An error of the producer is raised to the reader behind the last delta, and to every later read.
    """

    # One attribute is this object's alone. All others are shared with the producer's side of the output, which keeps
    # them while the output itself can be dropped.
    __slots__ = ("__dict__", "__weakref__", "_started")

    capacity: ClassVar[int] = 20

    def __init__(self, value: str | None = None, *, action: Action | None = None) -> None:
        """Make an output: computed where `value` is given, else waiting for a producer.

        Args:
            value: the whole text.
            action: what was asked; a component's `parse` makes the `parsed_repr`.
        """
        self._started = False
        self.generation = GenerationMetadata()
        self.deltas_read = 0
        """How many deltas the reader has taken."""
        self.deltas_refused = 0
        """How many deltas the producer tried to put after the end of the output."""
        self.has_owner = False
        """Whether something else than its holder ends it, as a session does: dropping it is then no mistake."""
        self._action = action
        self._value = value
        self._computed = self._closed = value is not None
        self._cancelled = False
        self._failure: BaseException | None = None  # raised to the reader after the last delta
        self._failure_traceback: TracebackType | None = None  # where it was raised; each read adds to its own copy
        self._loop: asyncio.AbstractEventLoop | None = None  # in which it is generated, once that is known
        self._owner: Callable[[], str] | None = None  # says which run reads it, and who else has asked
        self._reason: BaseException | None = None  # why it was cancelled
        self._created = time.perf_counter()
        self._producer: OwnedTask[None] | None = None
        self._buffer: list[str | Delta] = []
        self._room = 0  # deltas that fit into the buffer now; 0 sends the first put, and any after the end, to _admit
        self._begun = False
        self._only_text = True  # every delta in the buffer is a str
        self._putters: list[asyncio.Future[None]] = []
        self._reading = False
        self._waiter: asyncio.Future[None] | None = None  # the reader's, while it waits
        self.pieces: list[str] = []
        """The text read so far, in the pieces in which it was read; empty once computed."""
        self._thinking: list[str] = []
        self._tool_calls: list[ToolCallDelta] = []

    # What is known

    def is_computed(self) -> bool:
        """Return whether the output is final and `value` is set."""
        return self._computed

    @property
    def value(self) -> str | None:
        """The text, once computed; what the reader had read, where the generation was cancelled or failed."""
        return self._value

    @property
    def cancelled(self) -> bool:
        """Whether the generation was stopped before its end."""
        return self._cancelled

    @property
    def deltas_unread(self) -> int:
        """How many deltas the producer has put that the reader has not taken."""
        return len(self._buffer)

    @property
    def age(self) -> float:
        """Seconds since the output was made, which is when it was asked for."""
        return time.perf_counter() - self._created

    @property
    def producer(self) -> OwnedTask[None] | None:
        """The task that generates it, None before `start`."""
        return self._producer

    @property
    def error(self) -> BaseException | None:
        """What the producer failed with, or the reason that `cancel_generation` was given."""
        return self._failure or self._reason

    @property
    def thinking(self) -> str:
        """The reasoning text read so far."""
        return "".join(self._thinking)

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tool calls read so far, put together."""
        return merge_tool_calls(self._tool_calls)

    @property
    def parsed_repr(self) -> Any:  # noqa: ANN401  # whatever the action's parse returns
        """The output as its action parses it, the text itself without one; None until computed."""
        if not self._computed or self._action is None or isinstance(self._action, CBlock):
            return self._value
        return self._action.parse(self)

    def __str__(self) -> str:
        return self._value or ""

    def __repr__(self) -> str:
        state = "cancelled" if self._cancelled else "computed" if self._computed else "generating"
        return f"<ModelOutputThunk {state}{'' if self._value is None else ' ' + excerpt(self._value)}>"

    # The producer's side

    def start(self, produce: Callable[[ModelOutputThunk], Coroutine[Any, Any, None]]) -> None:
        """Run `produce(thunk)` in a task that this output owns.

        Its return closes the output, its exception fails it, and `cancel_generation` cancels and awaits it.

        Raises:
            RuntimeError: the output has a producer already or is computed.
        """
        if self._producer is not None or self._closed:
            state = "has a producer already" if self._producer is not None else "is computed"
            msg = f"This output {state}; a producer is started once, on an output made with ModelOutputThunk()."
            raise RuntimeError(msg)
        if not callable(produce):
            raise InvalidArgumentError("produce", excerpt(produce), "Pass the coroutine function itself, not its call.")
        name = getattr(produce, "__qualname__", type(produce).__name__)
        side = self.producers_side()
        self._producer = start_task(produce(side), f"streamval producer {name}")
        self._loop = self._producer.get_loop()
        self._producer.add_done_callback(side._producer_ended)
        self._started = True

    async def put(self, delta: Delta | str) -> None:
        """Hand over one delta, waiting while the reader is `capacity` deltas behind.

        Raises:
            ThunkClosedError: the output takes no more.
            InvalidArgumentError: a `TypeError`; the delta is neither `str` nor `Delta`.
        """
        if delta.__class__ is str and len(self._buffer) < self._room and self._waiter is None:
            self._buffer.append(delta)  # what most calls come to
            return
        while not self.try_put(delta):
            putter = asyncio.get_running_loop().create_future()
            self._putters.append(putter)
            await putter

    def try_put(self, delta: Delta | str) -> bool:
        """Hand over one delta if there is room, and return whether there was; raises like `put`."""
        if delta.__class__ is not str:
            delta = self._plain(delta)
        if len(self._buffer) >= self._room and not self._admit():
            return False
        self._buffer.append(delta)
        if self._waiter is not None:
            self._wake()
        return True

    def close(self) -> None:
        """End the stream: nothing more comes. A second call changes nothing."""
        self._end(None)

    def fail(self, exc: BaseException) -> None:
        """End the stream with an error, which the reader gets behind the last delta."""
        self._end(raisable(exc))

    async def cancel_generation(self, error: BaseException | None = None) -> None:
        """Stop the producer and wait until it has ended; nothing happens to a computed output.

        The output is computed and `cancelled` at once; text that was not read is dropped. A cancellation of the
        caller passes through, once the producer has ended.

        Args:
            error: why, kept as `error`.

        Raises:
            Exception: what the producer's own clean-up raised.
        """
        self.abandon(error)
        if self._cancelled:
            await self.end_producer()

    async def end_producer(self) -> None:
        """Stop the producer if it still runs, even after the end of its output, and wait until it has ended.

        Raises:
            Exception: what its clean-up raised.
            CancelledError: the caller was cancelled meanwhile; a note says what the clean-up raised.
        """
        producer = self._producer
        if producer is None or producer.done() or producer is asyncio.current_task():
            return
        interrupted: asyncio.CancelledError | None = None
        try:
            await settle([producer])
        except asyncio.CancelledError as error:
            interrupted = error
        failure = None if producer.cancelled() else producer.exception()
        if interrupted is not None:
            if failure is not None:
                note_cleanup(interrupted, failure)
            raise interrupted
        if failure is not None:
            raise failure

    def abandon(self, error: BaseException | None = None) -> None:
        """Do at once what `cancel_generation` does, but for waiting until the producer has ended."""
        if self._computed:
            return
        self._cancelled = True
        self._closed = False  # a stream that ended unread can still be cancelled
        self._failure = None
        self._reason = error
        self._buffer.clear()
        producer = self._producer
        if producer is not None and producer is not _running_task():
            producer.stop()  # before the reader wakes, which waits until the producer has ended
        self._end(None)

    def _plain(self, delta: Delta | str) -> str | Delta:
        """Return a delta as the buffer holds it: a `str` where it is nothing but text."""
        if isinstance(delta, Delta):
            for part in (delta.text, delta.thinking):
                if not isinstance(part, str):
                    raise invalid_delta_error(f"Delta({excerpt(part)})", type(part).__name__)
            if not (delta.thinking or delta.tool_calls or delta.usage or delta.finish_reason):
                return delta.text
            self._only_text = False
            return delta
        if isinstance(delta, str):
            return str.__str__(delta)  # its characters, whatever its class makes of str()
        raise invalid_delta_error(excerpt(delta), type(delta).__name__)

    def _admit(self) -> bool:
        """Return whether a delta may be put, where `_room` alone does not say so."""
        if self._closed:
            self.deltas_refused += 1
            raise ThunkClosedError("cancelled" if self._cancelled else "closed")
        if self._begun:
            return False
        self._begun = True
        if self._loop is None:
            self._loop = _running_loop()
        self._room = self.capacity
        self.generation.ttfb_ms = (time.perf_counter() - self._created) * 1000
        return True

    def _end(self, failure: BaseException | None) -> None:
        if self._closed:
            return
        self._closed = True
        self._failure = failure
        self._failure_traceback = None if failure is None else failure.__traceback__
        self._room = 0
        if failure is None and not self._buffer:
            self._compute()
        self._wake()
        self._release_putters()

    def _producer_ended(self, task: asyncio.Task[None]) -> None:
        """Take over how the producer ended; as a callback it is there even if the task never took a step."""
        if task.cancelled():
            if not self._closed:
                self.abandon()
        elif (failure := task.exception()) is None:
            self.close()
        elif not self._closed:
            self.fail(failure)
        elif not self._cancelled:
            logger.error("%s raised behind the end of its output.", task.get_name(), exc_info=failure)

    def _release_putters(self) -> None:
        for putter in self._putters:
            if not putter.done():
                putter.set_result(None)
        self._putters.clear()

    # The reader's side

    def astream(self) -> Coroutine[Any, Any, str]:
        """Return the text that is new since the last call, waiting for at least one delta.

        The calls made until `is_computed()` join to `value`. On a computed output it is the whole value.

        Raises:
            ConcurrentReadError: another task is reading.
            EventLoopError: a `RuntimeError`; the output is generated in another event loop.
            BaseException: what the producer failed with, behind the last delta.
        """
        self._check_owner()
        # Decided by the call, not by its first step: asyncio.wait_for (3.11) takes that in a task, one turn later.
        return self._text(whole=self._computed and self._failure is None)

    async def _text(self, *, whole: bool) -> str:
        return str(self) if whole else "".join(await self.read_deltas())

    async def read_deltas(self) -> list[str]:
        """Return the texts of all deltas that are there, as they were put, waiting for at least one.

        An empty list means that the output is computed. Raises like `astream`.
        """
        self._check_owner()
        return await self.take_deltas()

    def _check_owner(self) -> None:
        if self._owner is not None:
            raise ConcurrentReadError("This output", self._owner())

    def own(self, owner: Callable[[], str] | None) -> None:
        """Make the caller the one reader, by `take_deltas()`.

        Args:
            owner: says, for the error of any other reader, who reads this output and what to do instead; None gives
                it back.

        Raises:
            ConcurrentReadError: it has an owner already, another task is reading it, or a part of it has been read.
        """
        if owner is None:
            self._owner = None
            return
        self._check_owner()
        if self._reading:
            raise ConcurrentReadError("This output")
        if self.deltas_read:
            raise ConcurrentReadError("This output", "and a part of it was read before the run that checks it began.")
        self._owner = owner

    async def take_deltas(self) -> list[str]:
        """Read as `read_deltas` does, as the owner."""
        if self._reading:
            raise ConcurrentReadError("This output")
        if not self._closed:
            loop = asyncio.get_running_loop()
            if self._loop is None:
                self._loop = loop
            elif self._loop is not loop:
                raise different_loops_error(repr(self))
        self._reading = True
        try:
            self._return_room()
            while not self._buffer and not self._closed:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            return self._take()
        finally:
            self._waiter = None
            self._reading = False

    async def avalue(self) -> str:
        """Wait for the whole text and return it; raises like `astream`."""
        while not self._computed:
            await self.read_deltas()
        return await self.astream()

    def __aiter__(self) -> AsyncIterator[str]:
        return _TextReader(self)

    def _return_room(self) -> None:
        """Count the deltas of the last read as read, and let waiting producers go on."""
        if self._begun and not self._closed:
            self._room = self.capacity
            if self._putters:
                self._release_putters()

    def _take(self) -> list[str]:
        """Empty the buffer; at the end of the stream resolve the output or raise what it failed with."""
        taken, self._buffer = self._buffer, []
        count = len(taken)
        self.deltas_read += count
        texts = taken if self._only_text else [self._absorb(delta) for delta in taken]
        self._only_text = True
        self.pieces.append("".join(texts))  # type: ignore[arg-type]  # _only_text says that all are str
        if not self._closed:
            self._room = self.capacity - count
        elif self._failure is None:
            self._compute()
        elif not count:
            self._compute()
            raise self._failure.with_traceback(self._failure_traceback)
        return texts  # type: ignore[return-value]

    def _absorb(self, delta: str | Delta) -> str:
        """Keep what a delta brings besides text, and return its text."""
        if isinstance(delta, str):
            return delta
        self._thinking.append(delta.thinking)
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
                self.generation.usage = None
                self.generation.finish_reason = None

    @property
    def text_read(self) -> str:
        """The text that the reader has taken so far."""
        return "".join(self.pieces) if self._value is None else self._value

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # Its end, where it is dropped

    def producers_side(self) -> ModelOutputThunk:
        """Return the same output as another object, which its producer may refer to without keeping this one."""
        side = type(self).__new__(type(self))
        side.__dict__ = self.__dict__
        side._started = False
        return side

    def __del__(self) -> None:
        """Stop the producer of an output that was dropped while it was generated, and say so."""
        producer = self._producer if self._started else None
        if producer is None or producer.done() or self._closed:
            return
        try:
            producer.get_loop().call_soon_threadsafe(self.producers_side().abandon)
        except RuntimeError:  # the loop is closed: nothing is generated
            return
        if self.has_owner:
            return
        for told in on_drop:
            told(producer)
        warnings.warn(
            f"{self!r} was dropped while it was generated, which stops its producer. Read it to its end, or await "
            "cancel_generation().",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ModelOutputThunk) and self.__dict__ is other.__dict__

    def __hash__(self) -> int:
        return id(self.__dict__)

    # Copies

    def with_text(self, text: str | None) -> ModelOutputThunk:
        """Return an output with another text, readable whatever happened, and all that is known of the generation."""
        twin = type(self)(text, action=self._action)
        twin.generation = copy(self.generation)
        twin.deltas_read = self.deltas_read
        twin._cancelled = self._cancelled
        twin._reason = self.error
        twin._thinking = list(self._thinking)
        twin._tool_calls = list(self._tool_calls)
        return twin

    def __copy__(self) -> ModelOutputThunk:
        """Return the output and what is known of it, without producer, reader or buffer."""
        twin = self.with_text(self._value)
        twin._failure, twin._failure_traceback = self._failure, self._failure_traceback
        if not self._computed:
            twin.pieces = list(self.pieces)
            twin.fail(detached_thunk_error())
        return twin

    def __deepcopy__(self, memo: dict[int, Any]) -> ModelOutputThunk:
        """Return a copy whose action is copied too."""
        twin = copy(self)
        memo[id(self)] = twin
        twin._action = deepcopy(self._action, memo)
        return twin

    def __getstate__(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the output and what is known of it, without the plumbing.

        Raises:
            TypeError: it is still being generated.
        """
        if not self._computed:
            msg = f"{self!r} cannot be pickled: it is still being generated. Await its avalue() first."
            raise TypeError(msg)
        return {**vars(copy(self)), "_failure_traceback": None}, {"_started": False}


class _TextReader:
    """Iterates over an output: what comes, or the whole text at once where it is computed already."""

    def __init__(self, thunk: ModelOutputThunk) -> None:
        self._thunk = thunk
        self._begun = False

    def __aiter__(self) -> _TextReader:
        return self

    async def __anext__(self) -> str:
        if not self._begun:
            self._begun = True
            if text := await self._thunk.astream():
                return text
        # From here on only what is new: astream() would give the whole text again once the output is computed.
        while not (text := "".join(await self._thunk.read_deltas())):
            if self._thunk.is_computed():
                raise StopAsyncIteration
        return text


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _running_task() -> asyncio.Task[Any] | None:
    """Return the current task, None also outside of an event loop, where a garbage collection may call."""
    return None if _running_loop() is None else asyncio.current_task()
