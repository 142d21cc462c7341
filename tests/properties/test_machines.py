"""The state machines of Hypothesis find bugs of chunkers and runs, and pass what is right."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from pytest_streamval import (
    Chunk,
    Chunker,
    ChunkerMachine,
    ChunkingStrategy,
    InvalidArgumentError,
    LineChunker,
    PartialValidationResult,
    ProseChunker,
    Requirement,
    RunMachine,
)

FEW = settings(max_examples=20, stateful_step_count=12, deadline=None, database=None)


@pytest.mark.parametrize("strategy", ["sentence", "word", LineChunker(), ProseChunker()], ids=str)
def test_a_chunker_machine_passes_the_chunkers_of_the_package(strategy) -> None:
    machine = type("Machine", (ChunkerMachine,), {"chunking": strategy})
    run_state_machine_as_test(machine, settings=FEW)


class EachFeed(ChunkingStrategy):
    """A strategy with the bug that each feed is a chunk."""

    def split(self, accumulated_text):
        return []

    def chunker(self):
        return EachFeedChunker()


class EachFeedChunker(Chunker):
    def __init__(self):
        self.end = 0

    def feed(self, text):
        start, self.end = self.end, self.end + len(text)
        return [Chunk(text, start, self.end)] if text else []

    def flush(self):
        return []


def test_a_chunker_machine_finds_a_chunker_with_a_bug() -> None:
    machine = type("Machine", (ChunkerMachine,), {"chunking": EachFeed()})
    with pytest.raises(AssertionError, match="the chunks depend on the cuts of the text"):
        run_state_machine_as_test(machine, settings=settings(FEW, max_examples=1000, derandomize=True))


def test_a_chunker_machine_needs_a_strategy() -> None:
    machine = type("Machine", (ChunkerMachine,), {"chunking": None})
    with pytest.raises(InvalidArgumentError, match="chunking"):
        machine()


class NoPoints(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "." in chunk else "pass")


@pytest.mark.parametrize("requirements", [[], [NoPoints()]], ids=["none", "one"])
@pytest.mark.parametrize("chunking", ["sentence", "word", None])
def test_a_run_machine_passes_the_runs_of_the_package(requirements, chunking) -> None:
    outcomes = set()

    class Machine(RunMachine):
        @invariant()
        def collect(self):
            outcomes.add(self.run.outcome)
            if requirements:
                assert "." not in "".join(self.received)

    Machine.requirements, Machine.chunking = requirements, chunking
    run_state_machine_as_test(Machine, settings=settings(FEW, max_examples=60))
    assert {None, "done", "failed", "left"} <= outcomes
    assert bool(requirements) is ("stopped" in outcomes)


def test_a_run_machine_shows_the_steps_to_a_failure() -> None:
    class Machine(RunMachine):
        @invariant()
        def never_receives_an_a(self):
            assert "a" not in "".join(self.received)

    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(Machine, settings=settings(FEW, max_examples=300))
    assert "state.release(text=" in "\n".join(failure.value.__notes__)
