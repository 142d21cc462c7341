"""`ModelOutputThunk`: an output during its generation, with one producer and one reader."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, ClassVar, Generic

from pytest_streamval.engine.output import OutputState, Parsed_co
from pytest_streamval.engine.output_iterator import TextIterator
from pytest_streamval.engine.tasks import check_loop_of, note_cleanup, settle, start_task
from pytest_streamval.errors import (
    ConcurrentReadError,
    InvalidArgumentError,
    ThunkClosedError,
    different_loops_error,
    excerpt,
    invalid_delta_error,
    raisable,
)
from pytest_streamval.model import Delta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from pytest_streamval.engine.output import GenerationReport

logger = logging.getLogger("pytest_streamval")

on_drop: list[Callable[[asyncio.Task[None]], None]] = []
"""Functions that are called with the producer of each output that was dropped during its generation, for guards."""

on_start: list[Callable[[ModelOutputThunk], GenerationReport | None]] = []
"""Functions that are called with each output whose generation begins, and may return a report about it."""


class ModelOutputThunk(OutputState, Generic[Parsed_co]):
    """An output that resolves as it is generated.

    A producer puts deltas, and waits while `capacity` of them are unread. One reader takes them. A delta counts as
    unread until the reader comes back for more, so that a reader who stops is never more than `capacity` deltas
    behind the producer.

    The output is computed when its producer has ended *and* its reader has taken everything, or when it is cancelled.
    An error of the producer is raised to the reader after the last delta, and again by every later read.
    """

    __slots__ = ()

    capacity: ClassVar[int] = 20

    # The producer's side

    def start(self, produce: Callable[[ModelOutputThunk], Coroutine[Any, Any, None]]) -> None:
        """Run `produce(thunk)` in a task that belongs to this output.

        The output closes when the function returns and fails when it raises. `cancel_generation` cancels the task and
        waits for it.

        Raises:
            RuntimeError: If the output already has a producer or is computed.
            InvalidArgumentError: A `TypeError`. If `produce` cannot be called.
        """
        if self._producer is not None or self._closed:
            state = "already has a producer" if self._producer is not None else "is computed"
            msg = f"This output {state}. Start a producer once, on an output made with ModelOutputThunk()."
            raise RuntimeError(msg)
        if not callable(produce):
            rule = "It must be a coroutine function. Pass the function itself, not its call."
            raise InvalidArgumentError("produce", excerpt(produce), rule)
        name = getattr(produce, "__qualname__", type(produce).__name__)
        twin = self._shared_twin()
        report = self._report = None if self.hands_on else self._new_report()
        try:
            with nullcontext() if report is None else report.current():
                self._producer = start_task(produce(twin), f"streamval producer {name}")
        except BaseException as error:
            self.end_report(error)
            raise
        self._loop = self._producer.get_loop()
        self._producer.add_done_callback(twin._finish_producer)
        self._started = True

    async def put(self, delta: Delta | str) -> None:
        """Add one delta, and wait while the reader is `capacity` deltas behind.

        Raises:
            ThunkClosedError: If the output accepts no more deltas.
            InvalidArgumentError: A `TypeError`. If the delta is neither a `str` nor a `Delta`.
        """
        if delta.__class__ is str and len(self._buffer) < self._room and self._read_waiter is None:
            self._buffer.append(delta)  # the path of most calls
            return
        while not self.try_put(delta):
            putter = asyncio.get_running_loop().create_future()
            self._putters.append(putter)
            await putter

    def try_put(self, delta: Delta | str) -> bool:
        """Add one delta if there is room for it, and return whether there was. Raises like `put`."""
        if delta.__class__ is not str:
            delta = self._checked(delta)
        if len(self._buffer) >= self._room and not self._admit():
            return False
        self._buffer.append(delta)
        if self._read_waiter is not None:
            self._wake_reader()
        return True

    def close(self) -> None:
        """End the stream. A second call has no effect."""
        self._end(None)

    def fail(self, exc: BaseException) -> None:
        """End the stream with an error, which is raised to the reader after the last delta."""
        self._end(raisable(exc))

    async def cancel_generation(self, error: BaseException | None = None) -> None:
        """Stop the producer and wait until it has ended. This has no effect on a computed output.

        The output becomes computed and `cancelled` immediately, and unread text is dropped. If the caller is cancelled,
        that cancellation is raised after the producer has ended.

        Args:
            error: The reason, which is kept as `error`.

        Raises:
            EventLoopError: A `RuntimeError`. If the output is generated in another event loop.
            Exception: If the producer's clean-up raised it.
        """
        check_loop_of(self._producer, repr(self))
        self.abandon(error)
        if self._cancelled:
            await self.end_producer()

    async def end_producer(self) -> None:
        """Stop the producer if it still runs, even after the end of its output, and wait until it has ended.

        Raises:
            Exception: If the producer's clean-up raised it.
            CancelledError: If the caller was cancelled meanwhile. A note contains the error of the clean-up, if any.
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
        """Cancel the generation as `cancel_generation` does, but do not wait for the producer."""
        if self._computed:
            return
        self._cancelled = True
        self._closed = False  # a stream that ended unread can still be cancelled
        self._failure = None
        self._cancel_reason = error
        self._usage_of_cut = self.latest_usage
        self._buffer.clear()
        producer = self._producer
        if producer is not None and producer is not _running_task():
            producer.stop()  # before the reader wakes, because the reader waits for the end of the producer
        self._end(None)

    def _new_report(self) -> GenerationReport | None:
        return next(filter(None, (report_of(self) for report_of in on_start)), None)

    def _checked(self, delta: Delta | str) -> str | Delta:
        """Return a valid delta, as a `str` if it contains only text."""
        if isinstance(delta, Delta):
            for part in (delta.text, delta.thinking, delta.refusal, delta.signature, delta.redacted):
                if not isinstance(part, str):
                    raise invalid_delta_error(f"Delta({excerpt(part)})", type(part).__name__)
            if not _has_more_than_text(delta):
                return delta.text
            self._only_text = False
            return delta
        if isinstance(delta, str):
            return str.__str__(delta)  # its characters, even if a subclass redefines __str__
        raise invalid_delta_error(excerpt(delta), type(delta).__name__)

    def _admit(self) -> bool:
        """Return whether a delta fits, if `_room` alone does not decide that."""
        if self._closed:
            self.deltas_refused += 1
            raise ThunkClosedError("cancelled" if self._cancelled else "closed")
        if self._has_first:
            return False
        self._has_first = True
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
        if failure is not None:
            self.end_report(failure)
        elif not self._buffer:
            self._compute()
        elif self._report is not None:
            self._report.received(self)
        self._wake_reader()
        self._release_putters()

    def _finish_producer(self, task: asyncio.Task[None]) -> None:
        """End the output as its producer ended. As a callback, this runs even if the task never took a step."""
        if task.cancelled():
            if not self._closed:
                self.abandon()
        elif (failure := task.exception()) is None:
            self.close()
        elif not self._closed:
            self.fail(failure)
        elif not self._cancelled:
            logger.error("%s raised after the end of its output.", task.get_name(), exc_info=failure)

    def _release_putters(self) -> None:
        for putter in self._putters:
            if not putter.done():
                putter.set_result(None)
        self._putters.clear()

    # The reader's side

    def astream(self) -> Coroutine[Any, Any, str]:
        """Return the text that is new since the last call, and wait for at least one delta.

        The results of all calls until `is_computed()` join to `value`. On a computed output, return the complete value.

        Raises:
            ConcurrentReadError: If another task is reading.
            EventLoopError: A `RuntimeError`. If the output is generated in another event loop.
            BaseException: If the producer failed with it. It is raised after the last delta.
        """
        self._check_reservation()
        # Decided by the call, not by its first step: asyncio.wait_for (3.11) takes that in a task, one turn later.
        return self._text(complete=self._computed and self._failure is None)

    async def _text(self, *, complete: bool) -> str:
        return str(self) if complete else "".join(await self.read_deltas())

    async def read_deltas(self) -> list[str]:
        """Return the texts of all deltas in the buffer, one by one, and wait for at least one delta.

        An empty list means that the output is computed. Raises like `astream`.
        """
        self._check_reservation()
        return await self.take_deltas()

    def reserve_reads(self, explain: Callable[[], str], text_so_far: Callable[[], str]) -> None:
        """Reserve the output for the caller, who reads it with `take_deltas()`, until `release_reads()`.

        Args:
            explain: Returns the rest of the message of the `ConcurrentReadError` that is raised to other readers.
            text_so_far: Returns the text that `str()` of the output is meanwhile.

        Raises:
            ConcurrentReadError: If it is reserved already, another task is reading it, or a part of it has been read.
        """
        self._check_reservation()
        if self._reading:
            raise ConcurrentReadError("This output")
        if self.deltas_read:
            raise ConcurrentReadError("This output", "and a part of it was read before the run that checks it began.")
        self._explain_reservation = explain
        self._text_so_far = text_so_far

    def release_reads(self) -> None:
        """Allow all readers again."""
        self._explain_reservation = self._text_so_far = None

    def _check_reservation(self) -> None:
        if self._explain_reservation is not None:
            raise ConcurrentReadError("This output", self._explain_reservation())

    async def take_deltas(self) -> list[str]:
        """Return the new deltas as `read_deltas` does, also if the output is reserved."""
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
            if self._has_first and not self._closed:  # the deltas of the last read no longer count as unread
                self._room = self.capacity
                if self._putters:
                    self._release_putters()
            while not self._buffer and not self._closed:
                self._read_waiter = asyncio.get_running_loop().create_future()
                await self._read_waiter
            return self._empty_buffer()
        finally:
            self._read_waiter = None
            self._reading = False

    async def avalue(self) -> str:
        """Wait for the complete text and return it. Raises like `astream`."""
        while not self._computed:
            await self.read_deltas()
        return await self.astream()

    def __aiter__(self) -> AsyncIterator[str]:
        return TextIterator(self)

    def _empty_buffer(self) -> list[str]:
        """Return the texts in the buffer. At the end of the stream, compute the output or raise its failure."""
        deltas, self._buffer = self._buffer, []
        count = len(deltas)
        self.deltas_read += count
        texts = deltas if self._only_text else [self._absorb(delta) for delta in deltas]
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

    def _wake_reader(self) -> None:
        waiter, self._read_waiter = self._read_waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # Its end if it is dropped

    def _shared_twin(self) -> ModelOutputThunk:
        """Return another object with the same state, so that the producer does not keep this one alive."""
        twin = type(self).__new__(type(self))
        twin.__dict__ = self.__dict__
        twin._started = False
        return twin

    def __del__(self) -> None:
        """Stop the producer and warn if the output is dropped during its generation."""
        producer = self._producer if self._started else None
        if producer is None or (self._closed and self._report is None):
            return
        twin = self._shared_twin()
        try:  # in a turn of the loop, because the garbage collector may hold a lock that the end needs
            producer.get_loop().call_soon_threadsafe(*((twin.end_report, None) if self._closed else (twin.abandon,)))
        except RuntimeError:  # the loop is closed, so the producer has stopped
            twin.end_report(asyncio.CancelledError())
            return
        if self.has_owner or producer.done() or self._closed:
            return
        for listener in on_drop:
            listener(producer)
        warnings.warn(
            f"{self!r} was dropped while it was generated, which stops its producer. Read it to its end, or await "
            "cancel_generation().",
            ResourceWarning,
            source=self,
            stacklevel=2,
        )


def _has_more_than_text(delta: Delta) -> bool:
    is_thought = delta.thinking or delta.signature or delta.redacted
    return bool(is_thought or delta.tool_calls or delta.usage or delta.finish_reason or delta.refusal)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _running_task() -> asyncio.Task[Any] | None:
    """Return the current task, and None outside of an event loop, where the garbage collector may call this."""
    return None if _running_loop() is None else asyncio.current_task()
