"""The recordings of one test, in every record mode."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, InvalidArgumentError, ModelOption, Read, SimpleContext
from pytest_streamval.errors import CheckFailedError, InvalidFileError, MissingCassetteError, UnmatchedRequestError
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import RecutBody, ScriptRecutter
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.plugin.cassettes import StreamCassette, recorded_at
from pytest_streamval.virtual_time import VirtualClock
from tests.loopback import answering, chunk, head, openai_frames

if TYPE_CHECKING:
    from pathlib import Path

STREAM = {ModelOption.STREAM: True}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "__cassettes__" / "test_it" / "test_it[a].jsonl"


def saying(text: str):
    return answering(head(), *map(chunk, openai_frames(text)), chunk(b""))


async def ask(cassette: StreamCassette, url: str, *prompts: str) -> list[str]:
    backend = cassette(LiveBackend("openai:m", base_url=url))
    answers = []
    for prompt in prompts:
        thunk, _ = await backend.generate_from_context(prompt, SimpleContext(), model_options=STREAM)
        answers.append(await thunk.avalue())
    return answers


async def record(provider, path: Path, mode: str, *prompts: str, answers: tuple[str, ...] = ()) -> int:
    """Send prompts in a record mode, and return the number of requests that the provider received."""
    async with provider(*map(saying, answers or prompts)) as served:
        cassette = StreamCassette(path, mode)
        await ask(cassette, served.url, *prompts)
        cassette.close()
    return len(served.requests)


def recorded(path: Path) -> dict[str, str]:
    """Return the prompt of each recording, by the name of its file."""
    return {found.name: Cassette.load(found).prompt for found in recorded_at(path).values()}


async def test_mode_none_replays_without_a_provider(provider, path) -> None:
    await record(provider, path, "all", "One", "Two")
    cassette = StreamCassette(path, "none")
    assert await ask(cassette, "http://127.0.0.1:1", "Two", "One") == ["Two", "One"]
    assert list(cassette.errors()) == []
    assert cassette.written == []


def test_mode_none_without_a_recording_names_the_command_that_makes_it(path) -> None:
    cassette = StreamCassette(path, test="tests/test_it.py::test_it[a b]")
    with pytest.raises(MissingCassetteError) as caught:
        cassette(LiveBackend("openai:m"))
    assert str(caught.value) == (
        f"There is no recording at {path}, and --streamval-record none, the default, sends nothing to a provider. "
        "Record it with: pytest 'tests/test_it.py::test_it[a b]' --streamval-record once"
    )


def test_an_error_shows_a_path_relative_to_the_root(path, tmp_path) -> None:
    for root, shown in ((tmp_path, "__cassettes__/test_it/test_it[a].jsonl"), (tmp_path / "elsewhere", str(path))):
        with pytest.raises(MissingCassetteError) as caught:
            StreamCassette(path, root=root)(LiveBackend("openai:m"))
        assert caught.value.path == shown


async def test_mode_once_records_a_test_without_recordings(provider, path) -> None:
    assert await record(provider, path, "once", "One", "Two") == 2
    assert recorded(path) == {"test_it[a].jsonl": "One", "test_it[a].2.jsonl": "Two"}
    assert await record(provider, path, "once", "One", "Two") == 0


async def test_mode_once_does_not_add_to_recordings(provider, path) -> None:
    await record(provider, path, "once", "One")
    with pytest.raises(UnmatchedRequestError, match=r"record these requests: pytest t\.py::t --streamval-record all"):
        await ask(StreamCassette(path, "once", test="t.py::t"), "http://127.0.0.1:1", "One", "Two")


async def test_mode_new_records_missing_answers(provider, path) -> None:
    await record(provider, path, "once", "One", "Two")
    path.unlink()
    assert await record(provider, path, "new", "Two", "Three", answers=("Three",)) == 1
    assert recorded(path) == {"test_it[a].2.jsonl": "Two", "test_it[a].3.jsonl": "Three"}


async def test_mode_new_records_a_test_without_recordings(provider, path) -> None:
    assert await record(provider, path, "new", "One") == 1
    assert recorded(path) == {"test_it[a].jsonl": "One"}


async def test_mode_all_replaces_every_recording(provider, path) -> None:
    await record(provider, path, "once", "One", "Two", "Three")
    assert await record(provider, path, "all", "Four", "Five") == 2
    assert recorded(path) == {"test_it[a].jsonl": "Four", "test_it[a].2.jsonl": "Five"}


async def test_mode_all_keeps_the_recordings_if_the_provider_cannot_be_reached(provider, path) -> None:
    await record(provider, path, "once", "One", "Two")
    cassette = StreamCassette(path, "all")
    backend = cassette(LiveBackend("openai:m", base_url="http://127.0.0.1:1", retries=0))
    thunk, _ = await backend.generate_from_context("x", SimpleContext(), model_options=STREAM)
    with pytest.raises(ConnectionError):
        await thunk.avalue()
    cassette.close()
    assert recorded(path) == {"test_it[a].jsonl": "One", "test_it[a].2.jsonl": "Two"}


async def test_mode_all_replaces_an_invalid_cassette(provider, path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text("merge conflict", encoding="utf-8")
    with pytest.raises(InvalidFileError):
        StreamCassette(path, "none")
    assert await record(provider, path, "all", "One") == 1
    assert recorded(path) == {"test_it[a].jsonl": "One"}


async def test_the_backends_of_a_test_share_its_recordings(provider, path) -> None:
    async with provider(saying("One"), saying("Two")) as served:
        cassette = StreamCassette(path, "once")
        assert await ask(cassette, served.url, "1") + await ask(cassette, served.url, "2") == ["One", "Two"]
    assert recorded(path) == {"test_it[a].jsonl": "1", "test_it[a].2.jsonl": "2"}
    again = StreamCassette(path)
    assert await ask(again, served.url, "2") + await ask(again, served.url, "1") == ["Two", "One"]


async def test_a_recording_of_real_time_has_real_times_under_a_virtual_clock(provider, path, monkeypatch) -> None:
    times: list[float] = []
    real_time = type(asyncio.get_running_loop()).time
    monkeypatch.setattr(
        type(asyncio.get_running_loop()), "time", lambda loop: times.append(real_time(loop)) or times[-1]
    )
    with VirtualClock() as clock:
        await record(provider, path, "once", "One")
    ats = [read.at for read in Cassette.load(path).reads]
    assert all(at in {round(later - earlier, 6) for earlier in times for later in times} for at in ats)
    assert clock.elapsed == 0
    assert ats[-1] > 0


async def test_unplayed_recordings_and_hidden_requests_are_errors(provider, path) -> None:
    await record(provider, path, "once", "One", "Two")
    cassette = StreamCassette(path, test="t.py::t")
    with pytest.raises(UnmatchedRequestError):
        await ask(cassette, "http://127.0.0.1:1", "One", "Three")
    hidden, unused = cassette.errors()
    assert isinstance(hidden, CheckFailedError)
    assert "No recording answers this request" in str(hidden)
    assert isinstance(unused, CheckFailedError)
    assert f"{path.with_name('test_it[a].2.jsonl')}: POST /v1/chat/completions 'Two'" in str(unused)
    assert "pytest t.py::t --streamval-record all" in str(unused)


@pytest.mark.parametrize(("given", "called", "seconds"), [(inf, None, 0.0), (1.0, None, 0.25), (1.0, 2.0, 0.125)])
def test_the_speed_of_a_call_overrides_that_of_the_fixture(path, given, called, seconds) -> None:
    Cassette(str(path), {"protocol": "openai"}, (Read(0.25, b"".join(openai_frames("a"))),)).dump()

    async def play() -> str:
        backend = StreamCassette(path, speed=given)(LiveBackend("openai:m"), speed=called)
        thunk, _ = await backend.generate_from_context("x", SimpleContext(), model_options=STREAM)
        return await thunk.avalue()

    with VirtualClock() as clock:
        assert clock.run(play()) == "a"
    assert clock.elapsed == seconds


async def test_a_cut_applies_to_every_backend(provider, path) -> None:
    await record(provider, path, "once", "One")
    backend = StreamCassette(path, cut=Cut("chars"))(LiveBackend("openai:m"))
    assert backend._transport.cut == Cut("chars")
    assert not backend._transport.needs_key


async def test_the_cuts_of_each_played_recording_are_kept(provider, path) -> None:
    await record(provider, path, "once", "One", "Two")
    body = Cassette.load(path).body
    for name, cuts in (("whole", []), ("at-b7", [7])):
        cassette, recutter = StreamCassette(path, cut=Cut(name)), ScriptRecutter(Cut(name))
        await ask(cassette, "http://127.0.0.1:1", "One")
        cassette.add_bodies(recutter)
        assert recutter.bodies == [RecutBody(bytearray(body), cuts)]
    StreamCassette(path).add_bodies(recutter)
    assert len(recutter.bodies) == 1


def test_a_cassette_rejects_other_backends(path) -> None:
    with pytest.raises(InvalidArgumentError, match="It must be a LiveBackend"):
        StreamCassette(path, "all")("openai:m")
    assert repr(StreamCassette(path, "all")) == f"<StreamCassette {path}, --streamval-record all>"


def test_recordings_of_tests_with_similar_names_are_left_out(path) -> None:
    path.parent.mkdir(parents=True)
    for name in ("test_it[a].jsonl", "test_it[a].10.jsonl", "test_it[a].9.jsonl", "test_it[a]b.jsonl", "test_it.jsonl"):
        path.with_name(name).write_text("")
    assert list(recorded_at(path)) == [1, 9, 10]
    assert recorded_at(path.with_name("elsewhere") / "x.jsonl") == {}
