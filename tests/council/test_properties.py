"""A property of every council stream: it ends, and its events match its result."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval import (
    Council,
    CouncilEvent,
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


class NotBad(Requirement):
    """Fails a chunk with the word `bad` after a delay in seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__()
        self.delay = delay

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.delay:
            await asyncio.sleep(self.delay)
        return PartialValidationResult("fail" if "bad" in chunk else "pass")


async def read(council: Council, pauses: list[float | None], leave_after: int | None) -> list[CouncilEvent]:
    """Read events with pauses in between, and leave after a number of events."""
    events: list[CouncilEvent] = []
    async with council.ask_stream("Go") as stream:
        async for event in stream:
            events.append(event)
            if len(events) == leave_after:
                break
            pause = pauses[len(events) % len(pauses)] if pauses else None
            if pause is not None:
                await asyncio.sleep(pause)
    return events


@settings(deadline=None, max_examples=60)
@given(
    scripts=st.lists(SCRIPTS, min_size=1, max_size=4),
    delays=st.lists(st.sampled_from([0, 0.25, 30]), max_size=2),
    chunking=st.sampled_from(["sentence", "word", None]),
    pauses=st.lists(st.sampled_from([None, 0, 0.1, 7]), max_size=5),
    leave_after=st.none() | st.integers(1, 30),
    repeats=st.sampled_from([1, 9]),
)
def test_a_council_stream_ends_and_matches_its_result(scripts, delays, chunking, pauses, leave_after, repeats) -> None:
    scripts = [Script(script.steps * repeats) for script in scripts]
    backends = [StreamingMockBackend(script) for script in scripts]
    requirements = [NotBad(delay) for delay in delays]
    synthesizer = StreamingMockBackend("So.")
    council = Council(backends, synthesizer=synthesizer, requirements=requirements, chunking=chunking, timeout=5)

    async def run() -> list[CouncilEvent]:
        events = await read(council, pauses, leave_after)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return events

    with VirtualClock() as clock:
        events = clock.run(run())
    if leave_after is not None and len(events) == leave_after:
        return
    result = events[-1].result
    assert [event.type for event in events].count("member_done") == len(scripts)
    for answer, backend, script in zip(result.answers, backends, scripts, strict=True):
        deltas = [event.text for event in events if event.type == "member_delta" and event.member == answer.name]
        assert "".join(deltas) == answer.text
        assert script.text.startswith(answer.text)
        assert not (answer.ok and answer.text != script.text)
        assert backend.calls[0].finished or not answer.ok
    assert (result.synthesis == "So.") == bool(result.usable_answers)
