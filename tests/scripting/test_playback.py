"""Playbacks are a script as a plain iterator of text."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from pytest_streamval import ConcurrentReadError, Delay, Delta, Raise, Script, Stall
from pytest_streamval.errors import PlaybackBusyError, SyncStallError
from pytest_streamval.scripting import playback

MIXED = Script.of(Delta(thinking="Hm."), "Hel", "", Delay(0), Delta("lo.", finish_reason="stop"), Delta())


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


# Asynchronous


async def test_a_script_is_an_iterator_of_its_text() -> None:
    played = MIXED.play()
    assert isinstance(played, AsyncIterator)
    assert (played.started, played.finished, played.closed) == (False, False, False)
    assert [text async for text in played] == ["Hel", "lo."]
    assert (played.started, played.finished, played.closed) == (True, True, True)
    assert played.deltas_sent == len(MIXED.deltas)
    assert [text async for text in played] == []


async def test_each_playback_begins_at_the_beginning() -> None:
    first, second = MIXED.play(), MIXED.play()
    assert await anext(first) == await anext(second) == "Hel"
    assert first.script is MIXED


async def test_a_delay_is_waited_for() -> None:
    played = Script.of("a", Delay(3600), "b").play()
    assert await anext(played) == "a"
    reader = asyncio.create_task(anext(played))
    await turns()
    assert not reader.done()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_a_failure_comes_behind_the_text_before_it_and_is_the_end() -> None:
    failure = ConnectionError("gone")
    played = Script.of("So far.", Raise(failure), "Never.").play()
    assert await anext(played) == "So far."
    with pytest.raises(ConnectionError) as caught:
        await anext(played)
    assert caught.value is failure
    assert (played.finished, played.closed, played.deltas_sent) == (False, True, 1)
    assert await anext(played, None) is None
    assert not played.finished


@pytest.mark.parametrize("failure", [StopAsyncIteration, StopIteration()], ids=repr)
async def test_a_failure_that_would_look_like_the_end_is_loud(failure: Exception) -> None:
    played = Script.of("a", Raise(failure)).play()
    with pytest.raises(RuntimeError, match=r"Stop\w*Iteration"):
        _ = [text async for text in played]
    assert (played.finished, played.closed) == (False, True)


async def test_a_stall_lasts_until_its_reader_is_cancelled_and_that_is_the_end() -> None:
    played = Script.of("a", Stall(), "b").play()
    assert await anext(played) == "a"
    reader = asyncio.create_task(anext(played))
    await turns()
    assert not reader.done()
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert (played.finished, played.closed) == (False, True)
    assert await anext(played, None) is None


async def test_two_cannot_read_at_once() -> None:
    played = Script.of(Stall()).play()
    reader = asyncio.create_task(anext(played))
    await turns()
    with pytest.raises(ConcurrentReadError, match=r"play\(\) is being read already"):
        await anext(played)
    assert not reader.done()
    reader.cancel()
    await asyncio.wait([reader])


async def test_what_is_being_read_cannot_be_closed() -> None:
    played = Script.of(Stall()).play()
    reader = asyncio.create_task(anext(played))
    await turns()
    with pytest.raises(PlaybackBusyError, match=r"play\(\) cannot be closed .* Cancel the task"):
        await played.aclose()
    reader.cancel()
    await asyncio.wait([reader])
    await played.aclose()
    assert played.closed


async def test_a_closed_playback_brings_nothing_more() -> None:
    async with contextlib.aclosing(MIXED.play()) as played:
        async for text in played:
            assert text == "Hel"
            break
        assert not played.closed
    assert (played.started, played.finished, played.closed, played.deltas_sent) == (True, False, True, 2)
    assert [text async for text in played] == []
    assert not played.finished


async def test_closing_what_is_finished_changes_nothing() -> None:
    played = Script.of("a").play()
    assert [text async for text in played] == ["a"]
    await played.aclose()
    assert played.finished


async def test_breaking_out_of_the_loop_leaves_nothing_to_finalise() -> None:
    tasks = asyncio.all_tasks()
    async for _ in MIXED.play():
        break
    gc.collect()  # an asynchronous generator would start a task here, to be closed in it
    await turns(1)
    assert asyncio.all_tasks() == tasks


# Synchronous


def test_a_script_is_an_iterator_for_synchronous_code_too() -> None:
    played = MIXED.play_sync()
    assert isinstance(played, Iterator)
    assert not played.started
    assert list(played) == ["Hel", "lo."]
    assert (played.started, played.finished, played.closed, played.deltas_sent) == (True, True, True, len(MIXED.deltas))
    assert list(played) == []


def test_a_delay_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert list(Script.of("a", Delay(0.5), Delay(3600), "b").play_sync()) == ["a", "b"]
    assert slept == [0.5, 3600]


def test_a_failure_is_the_end_of_a_synchronous_playback() -> None:
    played = Script.of("a", Raise(TimeoutError), "b").play_sync()
    assert next(played) == "a"
    with pytest.raises(TimeoutError):
        next(played)
    assert (played.finished, played.closed) == (False, True)
    assert list(played) == []


@pytest.mark.parametrize("failure", [StopIteration, StopIteration("x")], ids=repr)
def test_a_failure_that_would_look_like_the_end_is_loud_here_too(failure: object) -> None:
    played = Script.of("a", Raise(failure)).play_sync()
    with pytest.raises(RuntimeError, match="StopIteration was raised") as caught:
        list(played)
    assert isinstance(caught.value.__cause__, StopIteration)
    assert played.closed


def test_a_stall_would_never_end_and_says_so_when_it_is_reached() -> None:
    played = Script.of("a", Delay(0), Stall(), "b").play_sync()
    assert next(played) == "a"
    with pytest.raises(SyncStallError, match=r"steps\[2\] of this script is a Stall.* Raise\(TimeoutError\(\)\)"):
        next(played)
    assert (played.finished, played.closed) == (False, True)


def test_a_synchronous_playback_is_closed() -> None:
    with contextlib.closing(MIXED.play_sync()) as played:
        assert next(played) == "Hel"
    assert (played.finished, played.closed) == (False, True)
    assert list(played) == []


def test_a_thread_cannot_read_beside_another(monkeypatch: pytest.MonkeyPatch) -> None:
    played = Script.of(Delay(1), "a").play_sync()
    refused: list[object] = []

    def beside(_: float) -> None:  # while next() waits
        for attempt in (played.__next__, played.close):
            with pytest.raises((ConcurrentReadError, PlaybackBusyError), match=r"play_sync\(\)") as caught:
                attempt()
            refused.append(caught.type)

    monkeypatch.setattr(time, "sleep", beside)
    assert list(played) == ["a"]
    assert refused == [ConcurrentReadError, PlaybackBusyError]


# Both


@pytest.mark.parametrize("method", ["play", "play_sync"])
def test_guards_receive_every_playback_with_its_script(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[object, object]] = []
    monkeypatch.setattr(playback, "on_play", [lambda *call: calls.append(call)])
    playbacks = [getattr(MIXED, method)() for _ in range(2)]
    assert calls == [(MIXED, each) for each in playbacks]


def test_a_playback_shows_how_far_it_is() -> None:
    played = Script.of("a", "b").play_sync()
    assert repr(played) == "<SyncPlayback playing, 0 of 2 deltas sent>"
    next(played)
    played.close()
    assert repr(played) == "<SyncPlayback closed, 1 of 2 deltas sent>"
    played = Script.of("a").play_sync()
    assert list(played) == ["a"]
    assert repr(played) == "<SyncPlayback finished, 1 of 1 deltas sent>"
