"""Whatever members do, and however their reader takes it, a run ends, and tells the same as its result."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval import (
    Council,
    Delay,
    PartialValidationResult,
    Raise,
    Requirement,
    Script,
    Stall,
    StreamingMockBackend,
    VirtualClock,
)

STEPS = st.one_of(
    st.sampled_from(["One. ", "Two", ". ", "three. Four. ", "bad. ", "", "word " * 30, "x"]),
    st.sampled_from([0, 0.5, 3, 20]).map(Delay),
    st.sampled_from([ValueError("gone"), asyncio.CancelledError()]).map(Raise),
    st.just(Stall()),
)
SCRIPTS = st.lists(STEPS, max_size=12).map(lambda steps: Script(tuple(steps)))


class Judge(Requirement):
    """Fails what is bad, after a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.seconds:
            await asyncio.sleep(self.seconds)
        return PartialValidationResult("fail" if "bad" in chunk else "pass")


async def taken(asked: Council, pauses: list[float], leave_after: int | None) -> list:
    events = []
    async with asked.ask_stream("Go") as stream:
        async for event in stream:
            events.append(event)
            if len(events) == leave_after:
                break
            pause = pauses[len(events) % len(pauses)] if pauses else None
            if pause is not None:
                await asyncio.sleep(pause)
    return events


@settings(deadline=None, max_examples=150)
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=4),
    judges=st.lists(st.sampled_from([0, 0.25, 30]), max_size=2),
    chunking=st.sampled_from(["sentence", "word", None]),
    pauses=st.lists(st.sampled_from([None, 0, 0.1, 7]), max_size=5),
    leave_after=st.none() | st.integers(1, 30),
    repeats=st.sampled_from([1, 9]),
)
def test_a_run_ends_and_tells_what_its_result_holds(scripts, judges, chunking, pauses, leave_after, repeats) -> None:
    backends = [StreamingMockBackend(Script(script.steps * repeats)) for script in scripts]
    merging = StreamingMockBackend("So.")
    requirements = [Judge(seconds) for seconds in judges]
    asked = Council(backends, synthesizer=merging, requirements=requirements, chunking=chunking, timeout=5)

    async def run():
        events = await taken(asked, pauses, leave_after)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return events

    with VirtualClock() as clock:
        events = clock.run(run())
    if leave_after is not None and len(events) == leave_after:
        return
    result = events[-1].result
    assert [event.type for event in events].count("member_done") == len(scripts)
    for answer, backend, script in zip(result.answers, backends, scripts, strict=True):
        told = [event.text for event in events if event.type == "member_delta" and event.member == answer.name]
        assert "".join(told) == answer.text
        assert (script.text * repeats).startswith(answer.text)
        assert not (answer.ok and answer.text != script.text * repeats)
        assert backend.calls[0].finished or not answer.ok
    assert (result.synthesis == "So.") == bool(result.usable_answers)
