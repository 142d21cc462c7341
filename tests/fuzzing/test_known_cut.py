"""`assert_boundary_invariant` tries the cut first that failed before, and has an awaitable twin."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
from hypothesis import settings
from hypothesis.database import InMemoryExampleDatabase

from pytest_streamval import aassert_boundary_invariant, assert_boundary_invariant
from pytest_streamval.errors import BoundaryVarianceError, EventLoopError, InvalidArgumentError
from pytest_streamval.fuzzing import known_cut
from pytest_streamval.fuzzing.loop_calls import CallsInLoop

TEXT = "One two three four five six seven. Eight."


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> InMemoryExampleDatabase:
    found = InMemoryExampleDatabase()
    monkeypatch.setattr(known_cut, "currently_in_test_context", lambda: False)
    monkeypatch.setattr(known_cut, "settings", lambda: settings(database=found))
    return found


class Words:
    """A subject with a bug at one place, which can be mended."""

    def __init__(self, broken: bool = True) -> None:
        self.broken = broken
        self.tried: list[list[str]] = []

    def __call__(self, pieces: list[str]) -> int:
        self.tried.append(pieces)
        return int(self.broken and any(piece.startswith("Eight") for piece in pieces))


def test_the_failing_cut_is_tried_first_until_it_passes(database) -> None:
    subject = Words()
    for _ in range(2):
        subject.tried.clear()
        with pytest.raises(BoundaryVarianceError) as failure:
            assert_boundary_invariant(subject, TEXT)
        assert failure.value.pieces == (TEXT[:-6], "Eight.")
    assert subject.tried[:2] == [[TEXT], [TEXT[:-6], "Eight."]]
    assert sum(map(len, database.data.values())) == 1
    subject.broken = False
    assert_boundary_invariant(subject, TEXT)
    assert sum(map(len, database.data.values())) == 0
    assert_boundary_invariant(Words(broken=False), TEXT)


def test_a_known_cut_that_is_no_cut_of_the_text_is_ignored(database) -> None:
    with pytest.raises(BoundaryVarianceError):
        assert_boundary_invariant(Words(), TEXT)
    (key,) = database.data
    for value in (b"no json", b"{}", b"[]", b"[1000]", b'["a"]', b"[null]"):
        database.save(key, value)
    assert_boundary_invariant(Words(broken=False), TEXT)


def test_a_profile_without_a_database_keeps_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_cut, "currently_in_test_context", lambda: False)
    monkeypatch.setattr(known_cut, "settings", lambda: settings(database=None))
    for _ in range(2):
        with pytest.raises(BoundaryVarianceError):
            assert_boundary_invariant(Words(), TEXT)


# The awaitable twin

variable = contextvars.ContextVar("variable", default="")


async def test_aassert_boundary_invariant_calls_the_subject_in_the_event_loop_and_context_of_the_caller() -> None:
    loop, thread = asyncio.get_running_loop(), threading.current_thread()
    variable.set("of the test")
    calls = []

    async def subject(pieces: list[str]) -> str:
        assert asyncio.get_running_loop() is loop
        assert threading.current_thread() is thread
        assert variable.get() == "of the test"
        await asyncio.sleep(0)
        calls.append(pieces)
        return "".join(pieces)

    await aassert_boundary_invariant(subject, TEXT, examples=5)
    assert len(calls) > 40
    await aassert_boundary_invariant("".join, TEXT, examples=5)
    await aassert_boundary_invariant("sentence", TEXT, examples=5)


async def test_aassert_boundary_invariant_raises_like_its_twin() -> None:
    async def words(pieces: list[str]) -> int:
        return any(piece.startswith("Eight") for piece in pieces)

    with pytest.raises(BoundaryVarianceError) as failure:
        await aassert_boundary_invariant(words, TEXT)
    assert failure.value.pieces == (TEXT[:-6], "Eight.")
    with pytest.raises(InvalidArgumentError, match="Invalid text"):
        await aassert_boundary_invariant(words, b"x")
    with pytest.raises(InvalidArgumentError, match="Invalid examples"):
        await aassert_boundary_invariant(words, TEXT, examples=-1)
    with pytest.raises(EventLoopError, match=r"use `await aassert_boundary_invariant\(\.\.\.\)`"):
        assert_boundary_invariant(words, TEXT)

    async def broken(pieces: list[str]) -> None:
        raise LookupError("of the subject")

    with pytest.raises(LookupError, match="of the subject"):
        await aassert_boundary_invariant(broken, TEXT)


async def test_aassert_boundary_invariant_cancels_the_subject_when_its_caller_is_cancelled() -> None:
    began, ended = asyncio.Event(), []

    async def endless(pieces: list[str]) -> None:
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(pieces)

    task = asyncio.create_task(aassert_boundary_invariant(endless, TEXT))
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == [[TEXT]]


async def test_a_search_that_is_cancelled_before_its_first_call_ends_with_that_call() -> None:
    calls, began, may_call, called = CallsInLoop(), threading.Event(), threading.Event(), []

    def search() -> None:
        began.set()
        assert may_call.wait(60)
        calls.call(called.append, ["One."])

    task = asyncio.create_task(calls.run_in_thread(search))
    assert await asyncio.to_thread(began.wait, 60)
    task.cancel()
    await asyncio.sleep(0)
    may_call.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert called == []


async def test_aassert_boundary_invariant_in_virtual_time(virtual_clock) -> None:
    async def slow(pieces: list[str]) -> str:
        await asyncio.sleep(60)
        return "".join(pieces)

    await aassert_boundary_invariant(slow, "One.", examples=0)
    assert virtual_clock.elapsed == 8 * 60  # the text, and its seven cuts


def test_aassert_boundary_invariant_needs_an_event_loop_of_asyncio() -> None:
    coroutine = aassert_boundary_invariant("sentence", TEXT)
    with pytest.raises(RuntimeError, match="no running event loop"):
        coroutine.send(None)
