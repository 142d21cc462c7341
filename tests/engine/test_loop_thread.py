"""`LoopThread`: an event loop in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.engine import loop_thread
from pytest_streamval.engine.loop_thread import LoopThread

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 60.0  # seconds after which a thread counts as one that hangs; no test waits for it


@pytest.fixture
def thread() -> Iterator[LoopThread]:
    thread = LoopThread("loop", new_loop=asyncio.new_event_loop)
    yield thread
    thread.stop()
    thread.join()


def run(thread: LoopThread, function: object) -> object:
    """Return the result of a function that is called in the loop."""

    async def main() -> object:
        return function()

    return asyncio.run_coroutine_threadsafe(main(), thread.loop).result(LIMIT)


def test_a_loop_thread_runs_its_loop_in_a_thread_with_its_name(thread: LoopThread) -> None:
    assert run(thread, asyncio.get_running_loop) is thread.loop
    assert run(thread, lambda: threading.current_thread().name) == "loop"
    assert (run(thread, lambda: thread.is_current), thread.is_current) == (True, False)


def test_a_loop_thread_does_not_wait_for_itself(thread: LoopThread) -> None:
    run(thread, thread.join)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_loop_thread_goes_on_after_a_task_that_raises(thread: LoopThread, error: type[BaseException]) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(error):
        run(thread, fail)
    assert run(thread, lambda: "goes on") == "goes on"


def test_a_loop_thread_calls_on_end_after_its_loop_is_closed() -> None:
    closed: list[bool] = []
    thread = LoopThread("loop", new_loop=asyncio.new_event_loop, on_end=lambda: closed.append(thread.loop.is_closed()))
    thread.stop()
    thread.join()
    assert closed == [True]


def test_an_abandoned_loop_thread_is_kept(thread: LoopThread, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop_thread, "_abandoned", [])
    thread.abandon()
    assert loop_thread._abandoned == [thread]
