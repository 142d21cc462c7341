"""Observers see everything in order, and never disturb a run."""

import asyncio
import logging
from contextlib import suppress

import pytest

from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking
from pytest_streamval.engine import observer as observer_module
from pytest_streamval.engine.chunking_strategy import Chunk
from pytest_streamval.engine.observer import Observer, ObserverGroup, observing
from pytest_streamval.model import Delta


class Watching:
    """Notes every call, with the task in which it came."""

    def __init__(self, raising=None):
        self.raising = raising
        self.calls = []
        self.tasks = {}

    def note(self, what, fact):
        self.calls.append((what, fact))
        self.tasks[what] = asyncio.current_task()
        if what == self.raising:
            raise LookupError("blind")

    def started(self, run):
        self.note("started", run)

    def delta(self, text):
        self.note("delta", text)

    def event(self, event):
        self.note("event", event)

    def received(self, chunk):
        self.note("received", chunk)

    def cancelled(self, reason):
        self.note("cancelled", reason)

    def ended(self, run):
        self.note("ended", run)

    def words(self, shape):
        return [shape([fact])[0] if what == "event" else what for what, fact in self.calls]

    def facts(self, wanted):
        return [fact for what, fact in self.calls if what == wanted]


@pytest.fixture
def watched(start):
    """Start a run with an observer."""

    async def start_watched(*args, raising=None, **options):
        observer = Watching(raising)
        with observing(lambda: observer):
            result, backend = await start(*args, **options)
        return result, backend, observer

    return start_watched


async def test_an_observer_sees_a_run_from_beginning_to_end(watched, judge, shape, assert_over):
    result, backend, observer = await watched(["One. ", "Two"], judge())
    await result.acomplete()
    assert observer.words(shape) == [
        *("started", "delta", "delta", "check 0 passed", "chunk 0 One.", "check 1 passed", "chunk 1 Two"),
        *("done", "validation passed", "completed True", "ended"),
    ]
    assert tuple(observer.facts("event")) == result.history
    [run] = observer.facts("started")
    assert observer.facts("ended") == [run]
    assert (run.thunk, run.ctx, str(run.action)) == (backend.thunk, backend.answer_ctx, "Tell.")
    assert set(observer.tasks.values()) == {result.task}
    assert_over(result, backend)


async def test_an_observer_sees_each_delta_as_it_was_put(watched):
    result, _, observer = await watched(["a", Delta("b"), "", "c. d"])
    await result.acomplete()
    assert observer.facts("delta") == ["a", "b", "", "c. d"]


async def test_an_observer_with_deltas_is_not_called_with_single_deltas(start):
    class Together(Watching):
        def deltas(self, texts):
            self.note("deltas", list(texts))

    together, alone = Together(), Watching()
    with observing(lambda: together), observing(lambda: alone):
        result, _ = await start(["a", Delta("b"), lambda: asyncio.sleep(0), "c. d"])
    await result.acomplete()
    assert together.facts("delta") == []
    assert together.facts("deltas") == [["a", "b"], ["c. d"], []]
    assert alone.facts("delta") == ["a", "b", "c. d"]


def test_a_factory_that_returns_none_attaches_no_observer(monkeypatch):
    monkeypatch.setattr(observer_module, "_factories", (lambda: None,))
    assert ObserverGroup.for_new_run() is None


async def test_an_observer_sees_what_the_consumer_receives_in_the_consumers_task(watched):
    result, _, observer = await watched([" One. Two. "])
    reader = result.astream(lossless=True)
    await anext(reader)
    assert observer.facts("received") == [Chunk("One.", 1, 5)]
    assert observer.tasks["received"] is asyncio.current_task()
    assert [piece async for piece in reader] == [" Two.", " "]
    assert observer.facts("received") == [Chunk("One.", 1, 5), Chunk("Two.", 6, 10)]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        (["fail"], "Judge('judge') failed a chunk: no reason given"),
        ([ValueError("broken")], "ValueError: broken"),
        (None, "CancelledError"),
    ],
)
async def test_an_observer_receives_the_reason_why_a_generation_is_stopped(
    watched, judge, never, turns, shape, answers, reason
):
    result, _, observer = await watched(["One. ", never], *([judge(*answers)] if answers else []))
    await turns(6)
    await result.aclose()
    assert observer.facts("cancelled") == [reason]
    words = observer.words(shape)
    assert words[-2:] == ["completed False", "ended"]
    assert words.index("cancelled") < words.index("completed False")
    with suppress(ValueError):
        await result.acomplete()


async def test_an_observer_sees_a_run_that_was_cancelled_before_its_first_step(watched, shape, turns, never):
    result, _, observer = await watched(["One. ", never])
    result.task.cancel()
    await turns(6)
    assert observer.words(shape) == ["started", "cancelled", "completed False", "ended"]
    assert "before it began" in observer.facts("cancelled")[0]
    await result.aclose()


async def test_a_finished_generation_is_not_reported_as_cancelled(watched, judge, shape, turns, never):
    result, _, observer = await watched(["One. "], judge(final=ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert observer.words(shape)[-2:] == ["completed False", "ended"]
    assert observer.facts("cancelled") == []
    result, backend, observer = await watched([never])
    backend.thunk.abandon()
    result.task.cancel()
    await turns(6)
    assert observer.words(shape) == ["started", "completed False", "ended"]


@pytest.mark.parametrize("method", ["started", "delta", "event", "received", "cancelled", "ended"])
async def test_an_observer_that_raises_is_logged_and_removed(watched, judge, shape, assert_over, caplog, method):
    other = Watching()
    with observing(lambda: other):
        result, backend, observer = await watched(["One. ", "Two. "], judge("pass", "fail"), raising=method)
    assert [chunk async for chunk in result.astream()] == ["One."]
    assert shape(result.history) == ["check 0 passed", "chunk 0 One.", "check 1 failed", "completed False"]
    assert observer.calls[-1][0] == method
    assert len(observer.facts(method)) == 1
    assert other.words(shape)[-2:] == ["completed False", "ended"] or other.words(shape)[-1] == "received"
    [record] = caplog.records
    assert (record.name, record.levelno) == ("pytest_streamval", logging.ERROR)
    assert f"raised in {method}()" in record.getMessage()
    assert record.exc_info[0] is LookupError
    assert_over(result, backend)


async def test_an_observer_that_cannot_be_created_is_logged(start, caplog):
    other = Watching()
    with observing(lambda: 1 / 0), observing(lambda: other):
        result, _ = await start(["One. "])
    await result.acomplete()
    assert result.completed
    assert other.calls[-1][0] == "ended"
    [record] = caplog.records
    assert record.exc_info[0] is ZeroDivisionError


async def test_each_run_inside_the_block_has_its_own_observer_and_later_runs_have_none(start):
    made = []

    def make():
        made.append(Watching())
        return made[-1]

    with observing(make):
        first, _ = await start(["One. "])
        second, _ = await start(["Two. "])
    third, _ = await start(["Three. "])
    for result in (first, second, third):
        await result.acomplete()
    assert [observer.facts("delta") for observer in made] == [["One. "], ["Two. "]]


async def test_observing_ends_with_its_block_also_by_an_exception(start):
    made = []
    with suppress(KeyError), observing(lambda: made.append(1) or Watching()):
        raise KeyError
    result, _ = await start([])
    await result.acomplete()
    assert made == []


async def test_an_observer_that_derives_from_the_protocol_can_omit_methods(start, judge, caplog):
    class Quiet(Observer):
        pass

    with observing(Quiet):
        result, _ = await start(["One. "], judge("fail"))
    async for _ in result.astream():
        pass
    assert caplog.records == []


async def test_an_observer_that_fails_the_test_is_removed_like_any_other(caplog):
    class Judge(Observer):
        def event(self, event):
            pytest.fail("not my taste")

    with observing(Judge):
        result = await stream_with_chunking("x", StreamingMockBackend("One."), SimpleContext())
        await result.acomplete()
    assert result.completed
    assert "not my taste" in caplog.text


async def test_an_observer_can_be_interrupted():
    class Impatient(Observer):
        def event(self, event):
            raise KeyboardInterrupt

    observers = ObserverGroup([Impatient()])
    with pytest.raises(KeyboardInterrupt):
        observers.notify("event", None)
