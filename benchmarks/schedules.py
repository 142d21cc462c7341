"""Search for schedules that break the contract of a run: `python -m benchmarks.schedules [SCHEDULES] [SEED]`.

One schedule is one run of a scenario on an event loop of its own, into which an action falls after the n-th callback of
the loop: a cancellation of the caller, of the run, or of the output, the closing or dropping of the result, a timeout.
Time is virtual, so nothing waits, and a loop on which nothing is left to happen while a task still waits is a hang.

The contract is in `Schedule.violations`, and nowhere else.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import logging
import random
import sys
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_streamval import (
    Backend,
    ChunkEvent,
    CompletedEvent,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    SimpleContext,
    observing,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from pytest_streamval import StreamChunkingResult

TEXT = ("One. ", "Two. ", "Thr", "ee. ", "Four. ")
LIMIT = 5.0  # seconds of every timeout, so that they fire in one turn

PRODUCERS = ("plain", "slow", "silent", "slow clean-up", "bad clean-up", "works on after close", "works on after fail")
VALIDATORS = (
    "none",
    "quick",
    "suspends",
    "limited judge",
    "fails",
    "raises",
    "bad clean-up",
    "stubborn",
    "two",
    "two bad",
)
CALLERS = ("acomplete", "aexception", "astream", "events", "async with", "two callers", "holds")
ACTIONS = (
    "nothing",
    "cancel caller",
    "cancel run",
    "close result",
    "drop result",
    "close output",
    "fail output",
    "cancel output",
    "time out",
)


class HangError(Exception):
    """Nothing is left that could happen, while something waits."""


class _Selector:
    """A selector on which no time passes: waiting moves the clock of the loop."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.now = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise HangError
        self.now += timeout
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Handle(asyncio.Handle):
    def _run(self) -> None:
        super()._run()
        self._loop.ran()  # type: ignore[attr-defined]


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time that does something after its n-th callback."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self._clock = _Selector(self._selector)
        self.count = 0
        self.at: tuple[int, Callable[[], None]] | None = None
        self.faults: list[str] = []
        self.set_exception_handler(lambda _, context: self.faults.append(f"loop: {context['message']}"))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock.now

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def ran(self) -> None:
        """Count a callback, and act if its turn has come."""
        self.count += 1
        if self.at is not None and self.count == self.at[0]:
            self.at[1]()


@dataclass
class Schedule:
    """One scenario, one action, one moment; and what came of it."""

    producer: str
    validators: str
    caller: str
    action: str
    moment: int
    result: StreamChunkingResult | None = None
    thunk: ModelOutputThunk | None = None
    callers: list[asyncio.Task[Any]] = field(default_factory=list)
    others: list[asyncio.Task[Any]] = field(default_factory=list)
    limit: asyncio.Timeout | None = None
    active: int = 0
    judged: dict[str, set[str]] = field(default_factory=dict)
    history: list[object] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    acted_on: bool = False  # whether the caller was still waiting when the action came

    def __str__(self) -> str:
        return f"{self.producer} | {self.validators} | {self.caller} | {self.action} after {self.moment} callbacks"

    # The application

    async def produce(self, thunk: ModelOutputThunk) -> None:
        """Send the text, in the manner of the scenario."""
        self.active += 1
        try:
            for piece in TEXT:
                if self.producer == "slow":
                    await asyncio.sleep(1)
                await thunk.put(piece)
            if self.producer == "silent":
                await asyncio.sleep(200)
            if self.producer.startswith("works on"):
                thunk.close() if self.producer.endswith("close") else thunk.fail(OSError("lost"))
                await asyncio.sleep(100)
        finally:
            try:
                if self.producer == "slow clean-up":
                    await asyncio.sleep(1)
                elif self.producer == "bad clean-up":
                    await asyncio.sleep(0)
                    raise OSError("clean-up of the producer")
            finally:
                self.active -= 1

    async def judge(self, name: str, chunk: str) -> PartialValidationResult:
        """Give a verdict, in the manner of the scenario."""
        self.active += 1
        try:
            verdict = await self._verdict(chunk)
        except asyncio.CancelledError:
            if "bad" in self.validators:
                raise ValueError("clean-up of the validator") from None
            if self.validators != "stubborn":
                raise
            verdict = PartialValidationResult("pass")
        finally:
            self.active -= 1
        if verdict.success != "fail":
            self.judged.setdefault(chunk, set()).add(name)
        return verdict

    async def _verdict(self, chunk: str) -> PartialValidationResult:
        if self.validators == "fails" and chunk == "Two.":
            return PartialValidationResult("fail")
        if self.validators == "raises" and chunk == "Two.":
            raise LookupError("no verdict")
        if self.validators == "limited judge":
            with suppress(TimeoutError):
                async with asyncio.timeout(LIMIT):
                    await asyncio.Event().wait()
        elif self.validators != "quick":
            await asyncio.sleep(0.5 if self.validators in {"two", "two bad", "stubborn"} else 0)
        return PartialValidationResult("pass")

    async def start(self) -> StreamChunkingResult:
        """Start the run."""
        names = {"none": [], "two": ["a", "b"], "two bad": ["a", "b"]}.get(self.validators, ["a"])
        requirements = [_Judge(self, name) for name in names]
        self.result = await stream_with_chunking("Go", _Producer(self), SimpleContext(), requirements=requirements)
        return self.result

    async def call(self) -> object:
        """Use the result as the caller of the scenario does."""
        async with asyncio.timeout(None) as self.limit:
            return await self._call()

    async def _call(self) -> object:
        if self.caller == "async with":
            async with await self.start() as run:
                return [chunk async for chunk in run.astream()]
        await self.start()
        assert self.result is not None
        if self.caller == "two callers":
            self.callers.append(asyncio.get_running_loop().create_task(self.result.acomplete(), name="second caller"))
        match self.caller:
            case "aexception":
                return await self.result.aexception()
            case "astream":
                return [chunk async for chunk in self.result.astream()]
            case "events":
                return [event async for event in self.result.events()]
            case "holds":
                await asyncio.sleep(30)
                if self.result is not None:
                    await self.result.aclose()
                return None
        return await self.result.acomplete()

    # The action

    def act(self) -> None:
        """Do at the moment what the schedule says."""
        self.acted_on = not self.callers[0].done()
        match self.action:
            case "cancel caller":
                self.callers[0].cancel()
            case "cancel run" if self.result is not None:
                self.result.task.cancel()
            case "close result" if self.result is not None:
                self._spawn(self.result.aclose())
            case "drop result":
                self.result = None
            case "close output" if self.thunk is not None:
                self.thunk.close()
            case "fail output" if self.thunk is not None:
                self.thunk.fail(OSError("lost"))
            case "cancel output" if self.thunk is not None:
                self._spawn(self.thunk.cancel_generation())
            case "time out" if self.limit is not None and not self.limit.expired():
                with suppress(RuntimeError):
                    self.limit.reschedule(asyncio.get_running_loop().time() + LIMIT)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.others.append(asyncio.get_running_loop().create_task(coroutine, name="another task"))

    # The contract

    def violations(self) -> Iterator[str]:
        """Yield in which ways the contract was broken."""
        yield from self.faults
        if self.active:
            yield f"{self.active} producers or validators still run"
        yield from self._of_caller(self.callers[0])
        if self.thunk is None:
            return
        producer = self.thunk.producer
        if producer is None or not producer.done():
            yield "the producer still runs"
        ends = [event for event in self.history if isinstance(event, CompletedEvent)]
        if len(ends) != 1 or self.history[-1] is not ends[0]:
            yield f"the last event is not the one CompletedEvent: {[type(event).__name__ for event in self.history]}"
            return
        yield from self._of_text(ends[0])
        if self.result is not None:
            yield from self._of_result(self.result, self.callers[1:])

    def _of_caller(self, caller: asyncio.Task[Any]) -> Iterator[str]:
        """A cancelled caller ends cancelled, one whose time is over ends with TimeoutError, whatever else happens."""
        if self.acted_on and self.action == "cancel caller" and not caller.cancelled():
            yield f"the cancelled caller did not end cancelled: {_end(caller)!r}"
        if self.limit is not None and self.limit.expired() and not isinstance(_end(caller), TimeoutError):
            yield f"the caller's timeout did not end as a TimeoutError: {_end(caller)!r}"

    def _of_text(self, end: CompletedEvent) -> Iterator[str]:
        """Nothing is released that not every requirement has let pass; `full_text` has nothing else either."""
        chunks = [event for event in self.history if isinstance(event, ChunkEvent)]
        text = "".join(TEXT)
        released = text[: chunks[-1].end] if chunks else ""
        expected = text if end.success else released
        if end.full_text != expected and not (end.success and self.cuts_output and text.startswith(end.full_text)):
            yield f"full_text is neither the text nor what was released: {end.full_text!r}"
        wanted = {"none": 0, "two": 2, "two bad": 2}.get(self.validators, 1)
        for chunk in chunks:
            if len(self.judged.get(chunk.text, ())) < wanted:
                yield f"{chunk.text!r} was released without all verdicts"

    @property
    def cuts_output(self) -> bool:
        """Whether the output may end before its text does."""
        return self.action == "close output"

    def _of_result(self, result: StreamChunkingResult, others: list[asyncio.Task[Any]]) -> Iterator[str]:
        """A run that is over has ended in one of four ways, and all who waited for it receive its error."""
        if not result.task.done() or not result.finished:
            yield "the run's task still runs"
        if result.outcome not in {"done", "stopped", "failed", "left"}:
            yield f"the outcome is {result.outcome!r}"
        for other in others:  # the second of two that wait for one run, the first may have been cancelled itself
            mine, its = _end(self.callers[0]), _end(other)
            first_left = self.acted_on and self.action in {"cancel caller", "time out"}
            if type(mine) is not type(its) and not first_left and not isinstance(mine, TimeoutError):
                yield f"one caller ended with {mine!r}, the other with {its!r}"


def _end(task: asyncio.Task[Any]) -> object:
    return asyncio.CancelledError() if task.cancelled() else task.exception() if task.done() else "not at all"


class _Producer(Backend):
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def generate_from_context(self, action: Any, ctx: Any, **options: Any) -> Any:  # type: ignore[override]
        self._schedule.thunk = thunk = ModelOutputThunk(action=action)
        thunk.start(self._schedule.produce)
        return thunk, ctx.add(action).add(thunk)


class _Judge(Requirement):
    def __init__(self, schedule: Schedule, name: str) -> None:
        super().__init__(name, validation_fn=lambda _: True)
        self._schedule, self._name = schedule, name

    def __copy__(self) -> _Judge:
        return self

    async def stream_validate(self, chunk: str, *, backend: Any, ctx: Any) -> PartialValidationResult:
        return await self._schedule.judge(self._name, chunk)


class _Watch:
    """An observer: at the last event nothing of the run may go on."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def event(self, event: object) -> None:
        self._schedule.history.append(event)
        if isinstance(event, CompletedEvent):
            producer = self._schedule.thunk.producer if self._schedule.thunk is not None else None
            if producer is not None and not producer.done():
                self._schedule.faults.append("CompletedEvent came before the producer had ended")


def play(schedule: Schedule) -> tuple[int, list[str]]:
    """Play a schedule, and return how many callbacks the loop ran, and how the contract was broken."""
    loop = CountingLoop()
    asyncio.set_event_loop(loop)
    loop.at = (schedule.moment, schedule.act)
    logger = logging.getLogger("pytest_streamval")
    level = logger.level
    logger.setLevel(logging.CRITICAL)  # failing clean-ups are a part of the scenarios
    try:
        with observing(lambda: _Watch(schedule)), warnings.catch_warnings():  # type: ignore[arg-type,return-value]
            warnings.simplefilter("ignore", ResourceWarning)
            schedule.callers.append(loop.create_task(schedule.call(), name="caller"))
            try:
                loop.run_until_complete(_all_done())
                loop.run_until_complete(_all_done())  # the last callback may have been the moment
            except HangError:
                waiting = ", ".join(sorted(task.get_name() for task in asyncio.all_tasks(loop)))
                schedule.faults.append(f"nothing can happen any more, while these wait: {waiting}")
            found = list(schedule.violations())
            count = loop.count
            for task in [*schedule.callers, *schedule.others]:
                _ = task.done() and not task.cancelled() and task.exception()
            schedule.callers.clear()
            schedule.others.clear()
            schedule.result = schedule.thunk = schedule.limit = None
        return count, [*found, *loop.faults]
    finally:
        logger.setLevel(level)
        loop.at = None
        for task in asyncio.all_tasks(loop):
            task.cancel()
        with suppress(HangError):
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        asyncio.set_event_loop(None)


async def _all_done() -> None:
    """Wait until no other task is left."""
    while tasks := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(tasks)


def scenarios() -> Iterator[tuple[str, str, str, str]]:
    """Yield all combinations."""
    return itertools.product(PRODUCERS, VALIDATORS, CALLERS, ACTIONS)


def search(limit: int, seed: int) -> tuple[int, list[str]]:
    """Play schedules: every scenario after every callback, in an order drawn by `seed`, up to `limit` of them.

    Returns:
        How many were played, and a line for each violation.
    """
    order = list(scenarios())
    random.Random(seed).shuffle(order)
    played, found = 0, []
    gc.collect()
    for names in order:
        moment, count = 0, 1
        while moment <= count:
            moment += 1
            schedule = Schedule(*names, moment)
            count, broken = play(schedule)
            found += [f"{schedule}: {each}" for each in broken]
            played += 1
            if played == limit:
                return played, found
    return played, found


def main() -> int:
    """Search, and print what was found."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.perf_counter()
    played, found = search(limit, seed)
    for line in found[:50]:
        print(line)
    print(f"{played:,} schedules in {time.perf_counter() - began:.0f} s, seed {seed}: {len(found):,} violations")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
