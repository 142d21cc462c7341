"""`Schedule`: a scenario, and an action after the n-th callback of its event loop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_streamval import (
    Backend,
    CompletedEvent,
    ModelOutputThunk,
    PartialValidationResult,
    Requirement,
    SimpleContext,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from pytest_streamval import StreamChunkingResult

TEXT = ("One. ", "Two. ", "Thr", "ee. ", "Four. ")
LIMIT = 5.0  # seconds of every timeout, so that they fire in one turn

PRODUCERS = ("plain", "slow", "silent", "slow clean-up", "bad clean-up", "works on after close", "works on after fail")
VALIDATORS = (
    "none",
    "quick",
    "suspends",
    "limited",
    "fails",
    "raises",
    "bad clean-up",
    "stubborn",
    "two",
    "two bad",
    "retries",
    "retries held",
    "continues",
    "rejects",
    "held back",
    "replaces",
    "own words",
)
OPTIONS: dict[str, dict[str, Any]] = {
    "retries": {"max_attempts": 2},
    "retries held": {"max_attempts": 2, "on_retry": "hold"},
    "continues": {"max_attempts": 2, "on_retry": "continue", "holdback": 1},
    "rejects": {"max_attempts": 2},
    "held back": {"holdback": 2},
}
"""The options of the run for some validators."""
FAILING = {"retries": "Two.", "retries held": "Two.", "continues": "Three."}
"""The chunk that fails in the first attempt."""
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


@dataclass
class Schedule:
    """One scenario with one action at one moment, and its result."""

    producer: str
    validators: str
    caller: str
    action: str
    moment: int
    result: StreamChunkingResult | None = None
    thunk: ModelOutputThunk | None = None
    thunks: list[ModelOutputThunk] = field(default_factory=list)
    callers: list[asyncio.Task[Any]] = field(default_factory=list)
    others: list[asyncio.Task[Any]] = field(default_factory=list)
    limit: asyncio.Timeout | None = None
    active: int = 0
    passed_by: dict[str, set[str]] = field(default_factory=dict)
    history: list[object] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    acted_on: bool = False  # whether the caller was still waiting at the time of the action

    def __str__(self) -> str:
        return f"{self.producer} | {self.validators} | {self.caller} | {self.action} after {self.moment} callbacks"

    # The application

    async def produce(self, thunk: ModelOutputThunk) -> None:
        """Send the text as the scenario defines."""
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

    async def validate(self, name: str, chunk: str) -> PartialValidationResult:
        """Return a result as the scenario defines."""
        self.active += 1
        try:
            result = await self._result_of(chunk)
        except asyncio.CancelledError:
            if "bad" in self.validators:
                raise ValueError("clean-up of the validator") from None
            if self.validators != "stubborn":
                raise
            result = PartialValidationResult("pass")
        finally:
            self.active -= 1
        if result.success != "fail":
            self.passed_by.setdefault(chunk, set()).add(name)
        return result

    async def _result_of(self, chunk: str) -> PartialValidationResult:
        if self.validators == "fails" and chunk == "Two.":
            return PartialValidationResult("fail")
        if self.validators == "raises" and chunk == "Two.":
            raise LookupError("no result")
        if self.validators == "replaces" and chunk == "Two.":
            self.passed_by["2!"] = {"a"}
            return PartialValidationResult("fail", replacement="2!")
        if len(self.thunks) == 1 and FAILING.get(self.validators) == chunk:
            return PartialValidationResult("fail")
        if self.validators == "limited":
            with suppress(TimeoutError):
                async with asyncio.timeout(LIMIT):
                    await asyncio.Event().wait()
        elif self.validators != "quick":
            await asyncio.sleep(0.5 if self.validators in {"two", "two bad", "stubborn"} else 0)
        return PartialValidationResult("pass")

    async def start(self) -> StreamChunkingResult:
        """Start the run."""
        names = {"none": [], "two": ["a", "b"], "two bad": ["a", "b"], "own words": ["a", "words"]}.get(
            self.validators, ["a"]
        )
        requirements = [_Requirement(self, name) for name in names]
        options = OPTIONS.get(self.validators, {})
        self.result = await stream_with_chunking(
            "Go", _Producer(self), SimpleContext(), requirements=requirements, **options
        )
        return self.result

    async def call(self) -> object:
        """Use the result as the caller of the scenario."""
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
        """Perform the action of the schedule."""
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


class _Producer(Backend):
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    async def generate_from_context(self, action: Any, ctx: Any, **options: Any) -> Any:  # type: ignore[override]
        for earlier in self._schedule.thunks:
            if earlier.producer is None or not earlier.producer.done():
                self._schedule.errors.append("an attempt began before the producer of another had ended")
        self._schedule.thunk = thunk = ModelOutputThunk(action=action)
        self._schedule.thunks.append(thunk)
        thunk.start(self._schedule.produce)
        return thunk, ctx.add(action).add(thunk)


class _Requirement(Requirement):
    def __init__(self, schedule: Schedule, name: str) -> None:
        super().__init__(
            name,
            validation_fn=lambda _: schedule.validators != "rejects" or len(schedule.thunks) > 1,
            chunking="word" if name == "words" else None,
        )
        self._schedule, self._name = schedule, name

    def __copy__(self) -> _Requirement:
        return self

    async def stream_validate(self, chunk: str, *, backend: Any, ctx: Any) -> PartialValidationResult:
        return await self._schedule.validate(self._name, chunk)


class Recorder:
    """An observer that records the history, and checks that the producer has ended before the last event."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def event(self, event: object) -> None:
        """Record an event."""
        self._schedule.history.append(event)
        if isinstance(event, CompletedEvent):
            producer = self._schedule.thunk.producer if self._schedule.thunk is not None else None
            if producer is not None and not producer.done():
                self._schedule.errors.append("CompletedEvent came before the producer had ended")
