"""A replay has the reads, the times and the end of its recording, without a provider."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from math import inf, nan
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    Cassette,
    InvalidArgumentError,
    ModelOption,
    ProviderStatusError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    Read,
    SimpleContext,
    StreamTruncatedError,
)
from pytest_streamval.errors import CassetteEndedError, UnmatchedRequestError
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import recut_cassette
from pytest_streamval.http.client import HttpTransport
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.recording_transport import RecordingTransport
from pytest_streamval.live.replay_transport import ReplayTransport, replaying
from pytest_streamval.virtual_time import VirtualClock
from tests.loopback import answering, chunk, head, openai_frames

if TYPE_CHECKING:
    from pathlib import Path

STREAM = {ModelOption.STREAM: True}
URL = "https://api.openai.com/v1/chat/completions"
ASKED = HttpRequest(URL, b'{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}')
HEADER = {
    "protocol": "openai",
    "method": "POST",
    "path": "/v1/chat/completions",
    "request": {"model": "m", "messages": [{"role": "user", "content": "Hi"}]},
    "status": 200,
    "headers": [["content-type", "text/event-stream"]],
}
READS = (Read(0.5, b"a\xf0\x9f"), Read(0.75, b"\x8d\x8e\r"), Read(2.0, b"\nb"))


def cassette(*reads: Read, path: str = "it.jsonl", **header: object) -> Cassette:
    return Cassette(path, {**HEADER, **header}, reads or READS)


def asking(prompt: str, **fields: object) -> HttpRequest:
    return HttpRequest(URL, json.dumps({**HEADER["request"], "messages": [{"content": prompt}], **fields}).encode())


async def read(transport: ReplayTransport, request: HttpRequest = ASKED) -> list[bytes]:
    async with transport.stream(request, provider="openai") as response:
        return [data async for data in response.reads]


def timed(transport: ReplayTransport, pause: float = 0.0) -> list[tuple[float, bytes]]:
    """Return the reads of a replay with the virtual seconds since the request. The reader pauses after each read."""
    found: list[tuple[float, bytes]] = []

    async def watch(clock: VirtualClock) -> None:
        async with transport.stream(ASKED, provider="openai") as response:
            found.append((clock.elapsed, b"head"))
            async for data in response.reads:
                found.append((clock.elapsed, data))
                await asyncio.sleep(pause)
        found.append((clock.elapsed, b"end"))

    with VirtualClock() as clock:
        clock.run(watch(clock))
    return found


# Reads and times


def test_a_replay_has_the_recorded_reads_at_the_recorded_times() -> None:
    ended = cassette(end={"how": "complete", "at": 2.25})
    assert timed(ReplayTransport(ended)) == [
        (0.5, b"head"),
        (0.5, b"a\xf0\x9f"),
        (0.75, b"\x8d\x8e\r"),
        (2.0, b"\nb"),
        (2.25, b"end"),
    ]


@pytest.mark.parametrize(("speed", "times"), [(2, [0.25, 0.375, 1.0]), (0.5, [1, 1.5, 4]), (inf, [0, 0, 0])])
def test_the_speed_of_a_replay_changes_its_pauses(speed, times) -> None:
    assert [at for at, _ in timed(ReplayTransport(cassette(), speed=speed))[1:-1]] == times


def test_a_replay_does_not_delay_reads_for_a_slow_reader() -> None:
    assert [at for at, _ in timed(ReplayTransport(cassette()), pause=1.0)] == [0.5, 0.5, 1.5, 2.5, 3.5]


def test_other_tasks_run_between_two_reads_of_a_replay_at_the_same_time() -> None:
    turns: list[object] = []

    async def other() -> None:
        for _ in range(9):
            turns.append("other")
            await asyncio.sleep(0)

    async def watch() -> None:
        running = asyncio.create_task(other(), name="other")
        async with ReplayTransport(cassette(), speed=inf).stream(ASKED, provider="openai") as response:
            while (data := await anext(response.reads, None)) is not None:
                turns.append(data)
        await running

    asyncio.run(watch())
    places = [turns.index(each.data) for each in READS]
    assert all(later - earlier > 1 for earlier, later in pairwise(places))


@pytest.mark.parametrize("speed", [0, -1, nan])
def test_the_speed_of_a_replay_is_above_zero(speed) -> None:
    with pytest.raises(InvalidArgumentError, match="above 0"):
        ReplayTransport(cassette(), speed=speed)


async def test_a_replay_has_the_recorded_status_and_headers() -> None:
    transport = ReplayTransport(cassette(status=201), speed=inf)
    async with transport.stream(ASKED, provider="openai") as response:
        assert response.status == 201
        assert response.headers == {"content-type": "text/event-stream"}


async def test_a_replay_equals_the_recorded_stream_of_a_real_connection(provider, tmp_path) -> None:
    frames = [*map(chunk, openai_frames("One. ", "Two.")), chunk(b"")]
    async with provider(answering(head(), *frames)) as served:
        request = HttpRequest(f"{served.url}/v1/chat/completions", ASKED.body)
        recorder = RecordingTransport(HttpTransport(), tmp_path / "it.jsonl")
        async with recorder.stream(request, provider="openai") as response:
            came = [data async for data in response.reads]
    again = ReplayTransport(tmp_path / "it.jsonl", speed=inf)
    assert await read(again) == came  # at another address, as only the path counts
    assert again.matcher.unplayed == []


# Other cuts


@pytest.mark.parametrize(
    ("name", "pieces"),
    [
        ("whole", [b"a\xf0\x9f\x8d\x8e\r\nb"]),
        ("chars", [b"a", b"\xf0", b"\x9f", b"\x8d", b"\x8e", b"\r", b"\n", b"b"]),
        ("words", [b"a\xf0\x9f\x8d\x8e", b"\r\nb"]),
    ],
)
async def test_a_replay_can_cut_bytes_inside_characters_and_line_ends(name, pieces) -> None:
    assert await read(ReplayTransport(cassette(), speed=inf, cut=Cut(name))) == pieces


def test_a_recut_read_has_the_time_of_its_last_byte() -> None:
    assert recut_cassette(cassette(), Cut("chars")).reads == (
        Read(0.5, b"a"),
        Read(0.5, b"\xf0"),
        Read(0.5, b"\x9f"),
        Read(0.75, b"\x8d"),
        Read(0.75, b"\x8e"),
        Read(0.75, b"\r"),
        Read(2.0, b"\n"),
        Read(2.0, b"b"),
    )
    assert recut_cassette(cassette(), Cut("whole")).reads == (Read(2.0, b"a\xf0\x9f\x8d\x8e\r\nb"),)


@pytest.mark.parametrize("number", range(1, 9))
def test_a_cassette_recut_at_random_has_the_same_bytes(number) -> None:
    again = recut_cassette(cassette(), Cut(str(number)))
    assert again.body == cassette().body
    assert [each.at for each in again.reads] == sorted(each.at for each in again.reads)


def test_a_cassette_without_bytes_cannot_be_cut() -> None:
    empty = replace(cassette(), reads=())
    assert recut_cassette(empty, Cut("chars")) == empty


# Ends


@pytest.mark.parametrize(
    ("end", "error", "facts"),
    [
        ({"how": "broken", "at": 3, "why": "ReadError: gone"}, ProviderUnreachableError, ("ReadError: gone",)),
        ({"how": "silent", "at": 3, "why": "more", "seconds": 1.0}, ProviderTimeoutError, ("more", 1.0)),
    ],
    ids=["broken", "silent"],
)
def test_a_replay_fails_like_the_recorded_stream_at_the_same_time(end, error, facts) -> None:
    with pytest.raises(error) as caught:
        timed(ReplayTransport(cassette(end=end)))
    assert caught.value.args == ("openai", URL, *facts)
    assert caught.value.__notes__ == ["It comes from the recording it.jsonl."]


@pytest.mark.parametrize("end", [{}, {"end": {"how": "refused", "at": 0.5, "seconds": 2.0}}], ids=["by hand", "kept"])
def test_a_replay_of_a_refusal_is_refused(end) -> None:
    refused = cassette(Read(0.5, b'{"error": "slow down"}'), status=429, **end)
    with pytest.raises(ProviderStatusError) as caught:
        timed(ReplayTransport(refused))
    wait = 2.0 if end else None
    assert caught.value.args == ("openai", URL, 429, '{"error": "slow down"}', wait)


def test_a_replay_of_a_timeout_times_out() -> None:
    end = {"how": "silent", "at": 7, "why": "the first byte", "seconds": 7}
    silent = replace(cassette(status=None, end=end), reads=())
    began = VirtualClock()
    with began as clock, pytest.raises(ProviderTimeoutError, match="the first byte"):
        clock.run(read(ReplayTransport(silent)))
    assert clock.elapsed == 7


def test_a_key_is_not_in_an_error_of_a_replay() -> None:
    broken = replace(cassette(path="x", end={"how": "broken"}), header={"protocol": "openai", "end": {"how": "broken"}})
    request = HttpRequest(f"{URL}?key=planted-key-01", ASKED.body)
    with pytest.raises(ProviderUnreachableError) as caught, VirtualClock() as clock:
        clock.run(read(ReplayTransport(broken), request))
    assert "planted" not in str(caught.value)


def test_a_replay_of_a_stream_that_was_left_ends_with_an_error() -> None:
    left = cassette(end={"how": "left", "at": 2.5, "why": "CancelledError"})
    with pytest.raises(CassetteEndedError, match=r"it\.jsonl ends here, .* left 2\.5 s .* \(CancelledError\)"):
        timed(ReplayTransport(left))


def test_a_reader_may_leave_a_replay_at_the_recorded_time() -> None:
    left = cassette(end={"how": "left", "at": 2.5, "why": "CancelledError"})

    async def watch() -> list[bytes]:
        async with asyncio.timeout(2.5):
            return await read(ReplayTransport(left))

    with VirtualClock() as clock, pytest.raises(TimeoutError) as caught:
        clock.run(watch())
    assert type(caught.value) is TimeoutError
    assert clock.elapsed == 2.5


async def test_a_replay_without_pauses_ends_at_once() -> None:
    with pytest.raises(CassetteEndedError, match="left 2 s after the request;"):
        await read(ReplayTransport(cassette(end={"how": "left"}), speed=inf))


# Matching


async def test_a_request_is_answered_by_the_recording_of_the_same_request() -> None:
    hi, bye = cassette(Read(0, b"hi")), cassette(Read(0, b"bye"), request=json.loads(asking("Bye").body))
    transport = ReplayTransport([hi, bye])
    assert await read(transport, asking("Bye")) == [b"bye"]
    assert transport.matcher.unplayed == [hi]
    assert await read(transport) == [b"hi"]


async def test_equal_requests_are_answered_by_their_recordings_in_order() -> None:
    transport = ReplayTransport(cassette(Read(0, data)) for data in (b"1", b"2"))
    assert [await read(transport), await read(transport)] == [[b"1"], [b"2"]]


async def test_fields_that_a_recording_lacks_are_not_compared() -> None:
    bare = Cassette("bare", {"protocol": "openai"}, READS)
    async with ReplayTransport(bare, speed=inf).stream(asking("Anything", n=7), provider="openai") as response:
        assert response.status == 200
        assert response.headers == {}


@pytest.mark.parametrize(
    ("recorded", "asked"),
    [
        ({"api_key": "[redacted]"}, {"api_key": "another-1"}),
        ({"a": "my key is [redacted], ok"}, {"a": "my key is another\none, ok"}),
        ({"a": {"b": [1, 2.0]}}, {"a": {"b": [1.0, 2]}}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    ],
    ids=["by name", "in a text", "numbers", "order"],
)
async def test_redacted_values_match_any_value(recorded, asked) -> None:
    request = HttpRequest(URL, json.dumps(asked).encode())
    assert await read(ReplayTransport(cassette(request=recorded), speed=inf), request)


@pytest.mark.parametrize(
    ("recorded", "asked", "difference"),
    [
        ({"a": 1}, {"a": 2}, ("request.a", "2", "1")),
        ({"a": True}, {"a": 1}, ("request.a", "1", "True")),
        ({"a": [1]}, {"a": [1, 2]}, ("request.a[1]", "2", "nothing")),
        ({"a": {"b": 1}}, {"a": {}}, ("request.a.b", "nothing", "1")),
        ({"a": "x [redacted] y"}, {"a": "x y"}, ("request.a", "'x y'", "'x [redacted] y'")),
        ({"a": None}, {}, ("request.a", "nothing", "None")),
        ({"a": 1}, [1], ("request", "[1]", "{'a': 1}")),
    ],
    ids=str,
)
async def test_an_unmatched_request_error_shows_the_differences(recorded, asked, difference) -> None:
    with pytest.raises(UnmatchedRequestError) as caught:
        await read(ReplayTransport(cassette(request=recorded)), HttpRequest(URL, json.dumps(asked).encode()))
    assert caught.value.differences == (difference,)


async def test_an_unmatched_request_error_shows_all_recordings_and_the_differences_of_the_nearest() -> None:
    far = cassette(path="far.jsonl", request={"prompt": "What is the capital of France?"})
    near = cassette(path="near.jsonl")
    transport = ReplayTransport([far, near], speed=inf)
    await read(transport)
    with pytest.raises(UnmatchedRequestError) as caught:
        await read(transport, HttpRequest(URL, ASKED.body.replace(b"Hi", b"Hello")))
    asked = '{"model": "m", "messages": [{"role": "user", "content": "Hello"}]}'
    assert str(caught.value).splitlines() == [
        "No recording answers this request:",
        f"  POST /v1/chat/completions 'Hello' (openai: {asked})",
        "Recorded, each to be played once:",
        "  far.jsonl: POST /v1/chat/completions 'What is the capital of France?'",
        "  near.jsonl: POST /v1/chat/completions 'Hi' (played already)",
        "The nearest is near.jsonl, where",
        "  request.messages[0].content",
        "    is now    'Hello'",
        "    but was   'Hi'",
        "A request is told by protocol, path and body.",
        "If the recording is out of date, record it anew.",
    ]
    assert transport.matcher.refused == [caught.value]


async def test_a_recording_answers_one_request() -> None:
    transport = ReplayTransport(cassette(), speed=inf)
    await read(transport)
    with pytest.raises(UnmatchedRequestError, match="of this very request, but was played already"):
        await read(transport)


async def test_an_unmatched_request_error_without_recordings_says_so() -> None:
    with pytest.raises(UnmatchedRequestError, match="Nothing is recorded at all"):
        await read(ReplayTransport([]))


async def test_an_unmatched_request_error_shows_some_of_many_differences() -> None:
    with pytest.raises(UnmatchedRequestError, match=r"and 4 more") as caught:
        await read(
            ReplayTransport(cassette(request={})), HttpRequest(URL, json.dumps(dict.fromkeys("abcdefghijkl")).encode())
        )
    assert len(caught.value.differences) == 9


async def test_an_unmatched_request_error_does_not_show_secrets() -> None:
    request = asking("planted-key-01", api_key="planted-key-01")
    with pytest.raises(UnmatchedRequestError) as caught:
        await read(ReplayTransport(cassette()), replace(request, headers={"authorization": "Bearer planted-key-02"}))
    assert "planted" not in str(caught.value)


async def test_a_request_of_another_protocol_is_unmatched() -> None:
    with pytest.raises(UnmatchedRequestError, match="protocol") as caught:
        async with ReplayTransport(cassette()).stream(ASKED, provider="anthropic"):
            pass
    assert caught.value.differences == (("protocol", "'anthropic'", "'openai'"),)
    with pytest.raises(InvalidArgumentError, match="Invalid provider: 'test'"):
        async with ReplayTransport(cassette()).stream(ASKED, provider="test"):
            pass


async def test_requests_without_a_recording_can_use_another_transport() -> None:
    elsewhere = ReplayTransport(cassette(Read(0, b"elsewhere"), request={"other": 1}))
    transport = ReplayTransport(cassette(), speed=inf, otherwise=elsewhere)
    assert await read(transport, HttpRequest(URL, b'{"other": 1}')) == [b"elsewhere"]
    assert len(await read(transport)) == 3
    assert transport.needs_key
    assert not elsewhere.needs_key


# Backends


async def answered(backend: LiveBackend, prompt: str, **options: object) -> str:
    thunk, _ = await backend.generate_from_context(prompt, SimpleContext(), model_options={**STREAM, **options})
    return await thunk.avalue()


@pytest.mark.parametrize("protocol", ["openai", "anthropic"])
@pytest.mark.parametrize("cut", [None, Cut("whole"), Cut("chars"), Cut("1")], ids=str)
async def test_a_replay_needs_no_key_under_any_cut(streams, monkeypatch, protocol, cut) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    path = streams / f"{protocol}-emoji.jsonl"
    recorded = Cassette.load(path)
    request = recorded.header["request"]
    backend = replaying(LiveBackend(f"{protocol}:smollm2"), path, speed=inf, cut=cut)
    options = {ModelOption.TEMPERATURE: 0, ModelOption.MAX_NEW_TOKENS: request["max_tokens"]}
    if "seed" in request:
        options[ModelOption.SEED] = request["seed"]
    text = "".join(delta.text for _, deltas in recorded.decode().reads for delta in deltas)
    if recorded.decode().error is not None:  # the message_start that this server left out
        with pytest.raises(type(recorded.decode().error)):
            await answered(backend, recorded.prompt, **options)
    else:
        assert await answered(backend, recorded.prompt, **options) == text


async def test_replaying_does_not_change_the_given_backend(streams) -> None:
    given = LiveBackend("openai:smollm2")
    replaying(given, [streams / "openai-water.jsonl", str(streams / "openai-list.jsonl")])
    assert given.provider.keys == ("OPENAI_API_KEY",)
    assert given._transport is None


async def test_a_replay_of_a_broken_connection_breaks_after_the_same_text(provider, tmp_path) -> None:
    async with provider(answering(head(), *map(chunk, openai_frames("One. ", "Two.")[:2]))) as served:
        recorder = RecordingTransport(HttpTransport(), tmp_path / "it.jsonl")
        backend = LiveBackend("openai:m", base_url=served.url, transport=recorder)
        with pytest.raises(StreamTruncatedError):
            await answered(backend, "Hi")
    again = replaying(LiveBackend("openai:m"), tmp_path / "it.jsonl")
    with pytest.raises(StreamTruncatedError) as caught:
        await answered(again, "Hi")
    assert caught.value.text == "One. Two."


def test_a_replay_imports_no_network_module(streams: Path) -> None:
    code = f"""
import asyncio, sys
sys.modules["httpx2"] = None
from pytest_streamval import LiveBackend, SimpleContext
from pytest_streamval.live.replay_transport import replaying
async def main():
    backend = replaying(LiveBackend("openai:smollm2"), {str(streams / "openai-water.jsonl")!r}, speed=1e9)
    options = {{"stream": True, "temperature": 0, "seed": 1, "max_new_tokens": 260}}
    asked = "Write a two-sentence summary of the water cycle."
    thunk, _ = await backend.generate_from_context(asked, SimpleContext(), model_options=options)
    print(len(await thunk.avalue()))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("145\n", "")
