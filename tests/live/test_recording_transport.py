"""A recording has the bytes, the reads, the times and the end of a stream, without its secrets."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from contextlib import aclosing, asynccontextmanager
from itertools import count
from math import inf
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, InvalidArgumentError, ModelOption, ProviderStatusError, SimpleContext
from pytest_streamval.errors import ProviderTimeoutError, ProviderUnreachableError
from pytest_streamval.http.client import HttpResponse, HttpTransport
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.recording_transport import RecordingTransport, recording
from pytest_streamval.live.replay_transport import ReplayTransport
from pytest_streamval.recordings.stream_recorder import numbered
from pytest_streamval.virtual_time import VirtualClock
from tests.loopback import answering, chunk, head, openai_frames, silent

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

STREAM = {ModelOption.STREAM: True}
ASKED = HttpRequest("http://127.0.0.1:9/v1/chat/completions", b'{"model": "m", "stream": true}', {"accept": "*/*"})
AWKWARD = [b"data: \xf0\x9f", b"\x8d\x8e\r", b"\n\r\n", b"\xff\x00", "data: \u2028é\n\n".encode()]
"""Reads that end inside a character and a line end, and bytes that are not UTF-8."""
PLACE = "test", "http://127.0.0.1:9/"


class Provider:
    """A transport with the bytes, pauses in seconds and errors of a test."""

    def __init__(self, *steps: bytes | float | Exception, status: int = 200) -> None:
        self.steps = steps
        self.status = status
        self.headers = {"content-type": "text/event-stream"}

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        async with aclosing(self.reads()) as reads:
            yield HttpResponse(self.status, self.headers, reads)

    async def reads(self):
        for step in self.steps:
            if isinstance(step, Exception):
                raise step
            if isinstance(step, float):
                await asyncio.sleep(step)
            else:
                yield step


class Refusing:
    """A transport whose requests fail or never return."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error

    @asynccontextmanager
    async def stream(self, request: HttpRequest, *, provider: str) -> AsyncIterator[HttpResponse]:
        if self.error is None:
            await asyncio.get_running_loop().create_future()
        raise self.error
        yield


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "down" / "it.jsonl"


async def read(transport: RecordingTransport, request: HttpRequest = ASKED) -> list[bytes]:
    async with transport.stream(request, provider="openai") as response:
        return [data async for data in response.reads]


def left(path: Path) -> list[str]:
    """Return the names of the files in the folder of a cassette."""
    return sorted(found.name for found in path.parent.iterdir())


# Reads and facts


async def test_a_recording_has_the_bytes_and_the_boundaries_of_the_reads(provider, path) -> None:
    async with provider(answering(head(), *map(chunk, AWKWARD), chunk(b""))) as served:
        came = await read(RecordingTransport(HttpTransport(), path), HttpRequest(f"{served.url}/x", ASKED.body))
    assert came == AWKWARD
    cassette = Cassette.load(path)
    assert [each.data for each in cassette.reads] == came
    assert cassette.body == b"".join(AWKWARD)
    assert left(path) == ["it.jsonl"]


async def test_a_recording_transport_yields_a_read_before_the_next_is_sent(provider, path) -> None:
    seen = asyncio.Event()

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(head() + chunk(b"one"))
        await seen.wait()  # a recorder that waited for the end would wait for ever
        writer.write(chunk(b"two") + chunk(b""))

    async with provider(answer) as served:
        request = HttpRequest(f"{served.url}/x", ASKED.body)
        async with RecordingTransport(HttpTransport(), path).stream(request, provider="openai") as response:
            assert await anext(response.reads) == b"one"
            seen.set()
            assert [data async for data in response.reads] == [b"two"]
            assert not path.exists()
    assert [each.data for each in Cassette.load(path).reads] == [b"one", b"two"]


def test_a_recording_has_the_times_of_the_reads(path) -> None:
    async def record() -> None:
        await asyncio.sleep(5)
        await read(RecordingTransport(Provider(0.25, b"a", 1.5, b"b", b"c", 0.125), path))

    with VirtualClock() as clock:
        clock.run(record())
    cassette = Cassette.load(path)
    assert [each.at for each in cassette.reads] == [0.25, 1.75, 1.75]
    assert cassette.ending == ("complete", 1.875, "", None)


async def test_a_recording_can_use_another_clock(path) -> None:
    await read(RecordingTransport(Provider(b"a", b"b"), path, clock=map(float, count(10)).__next__))
    assert [each.at for each in Cassette.load(path).reads] == [1, 2]


async def test_the_header_of_a_recording_has_the_facts_of_request_and_response(path) -> None:
    await read(RecordingTransport(Provider(b"a"), path))
    assert Cassette.load(path).header == {
        "protocol": "openai",
        "provider": "openai",
        "model": "m",
        "server": "http://127.0.0.1:9",
        "method": "POST",
        "path": "/v1/chat/completions",
        "request": {"model": "m", "stream": True},
        "status": 200,
        "headers": [["content-type", "text/event-stream"]],
        "end": Cassette.load(path).header["end"],
    }


@pytest.mark.parametrize(
    ("url", "body", "provider_", "expected"),
    [
        ("http://x/v1beta/models/gemini-2:streamGenerateContent?alt=sse", b"{}", "gemini", ("gemini-2", {})),
        ("http://x/openai/v1/chat/completions", b'{"model": "m"}', "groq", ("m", {"model": "m"})),
        ("http://x/v1/chat/completions", b"no JSON \xff", "openai", ("", "no JSON \ufffd")),
        ("http://x", b"", "openai", ("", None)),
    ],
    ids=["in the path", "another base", "no JSON", "no body"],
)
async def test_the_header_of_a_recording_has_the_model_of_each_protocol(path, url, body, provider_, expected) -> None:
    async with RecordingTransport(Provider(), path).stream(HttpRequest(url, body), provider=provider_):
        pass
    header = Cassette.load(path).header
    assert (header["model"], header["request"]) == expected


async def test_each_recorded_stream_has_its_own_file(path) -> None:
    transport = RecordingTransport(Provider(b"a"), path)
    for _ in range(3):
        await read(transport)
    assert transport.written == [path, path.with_name("it.2.jsonl"), path.with_name("it.3.jsonl")]
    assert left(path) == ["it.2.jsonl", "it.3.jsonl", "it.jsonl"]


async def test_recordings_are_numbered_in_the_order_of_their_requests(path) -> None:
    transport = RecordingTransport(Provider(b"a"), path)
    async with transport.stream(ASKED, provider="openai"):
        await read(transport, HttpRequest(ASKED.url, b'{"model": "second"}'))
    assert Cassette.load(numbered(path, 2)).header["model"] == "second"
    assert Cassette.load(path).header["model"] == "m"


async def test_a_recording_replaces_an_older_file_completely(path) -> None:
    await read(RecordingTransport(Provider(b"long " * 100), path))
    await read(RecordingTransport(Provider(b"short"), path))
    assert Cassette.load(path).body == b"short"
    assert left(path) == ["it.jsonl"]


# Ends


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        (ProviderUnreachableError(*PLACE, "ReadError: gone"), ("broken", "ReadError: gone", None)),
        (ProviderTimeoutError(*PLACE, "more of the answer", 2.5), ("silent", "more of the answer", 2.5)),
        (OSError("gone"), ("broken", "OSError: gone", None)),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_failed_stream_is_recorded_up_to_its_failure(path, error, ending) -> None:
    with pytest.raises(type(error)):
        await read(RecordingTransport(Provider(b"a", b"b", error), path))
    cassette = Cassette.load(path)
    assert cassette.body == b"ab"
    assert (cassette.ending.how, cassette.ending.why, cassette.ending.seconds) == ending


async def test_a_fault_that_the_reader_ignored_is_recorded(path) -> None:
    error = ProviderUnreachableError(*PLACE, "gone")
    async with RecordingTransport(Provider(b"a", error), path).stream(ASKED, provider="openai") as response:
        with pytest.raises(ProviderUnreachableError):
            assert [data async for data in response.reads]
    assert Cassette.load(path).ending[2:] == ("gone", None)


async def test_a_refusal_is_recorded_with_its_message(path) -> None:
    with pytest.raises(ProviderStatusError):
        await read(RecordingTransport(Refusing(ProviderStatusError(*PLACE, 429, '{"error": "é"}', 2.0)), path))
    cassette = Cassette.load(path)
    assert cassette.header["status"] == 429
    assert cassette.body.decode() == '{"error": "é"}'
    assert (cassette.ending.how, cassette.ending.seconds) == ("refused", 2.0)


async def test_a_timeout_of_a_provider_is_recorded(path) -> None:
    with pytest.raises(ProviderTimeoutError):
        await read(RecordingTransport(Refusing(ProviderTimeoutError(*PLACE, "the first byte", 2.5)), path))
    assert Cassette.load(path).header["status"] is None
    assert Cassette.load(path).ending.how == "silent"


@pytest.mark.parametrize("error", [ProviderUnreachableError(*PLACE, "refused"), ImportError("no httpx2")], ids=repr)
async def test_a_request_that_reached_no_provider_is_not_recorded(path, error) -> None:
    transport = RecordingTransport(Refusing(error), path)
    with pytest.raises(type(error)):
        await read(transport)
    assert transport.written == []
    assert left(path) == []


async def test_a_stream_that_its_reader_left_is_recorded_up_to_the_last_read(path) -> None:
    async with RecordingTransport(Provider(b"a", b"b"), path).stream(ASKED, provider="openai") as response:
        assert await anext(response.reads) == b"a"
    cassette = Cassette.load(path)
    assert cassette.body == b"a"
    assert (cassette.ending.how, cassette.ending.why) == ("left", "")


async def test_the_reason_of_a_reader_to_leave_is_recorded(path) -> None:
    async def fail() -> None:
        async with RecordingTransport(Provider(b"a"), path).stream(ASKED, provider="openai") as response:
            assert await anext(response.reads) == b"a"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert Cassette.load(path).ending.why == "ZeroDivisionError"


@pytest.mark.parametrize("writes", [(head(), chunk(b"one")), ()], ids=["after a read", "before any"])
async def test_a_cancelled_stream_is_recorded_and_its_connection_is_closed(provider, path, writes) -> None:
    seen = asyncio.Event()

    async def watch(served) -> None:
        request = HttpRequest(f"{served.url}/x", ASKED.body)
        async with RecordingTransport(HttpTransport(), path).stream(request, provider="openai") as response:
            async for _ in response.reads:
                seen.set()

    async with provider(silent(*writes)) as served:
        reader = asyncio.create_task(watch(served), name="reader")
        await (seen if writes else served.asked).wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await served.disconnected.wait()
    cassette = Cassette.load(path)
    assert cassette.body == (b"one" if writes else b"")
    assert (cassette.ending.how, cassette.ending.why) == ("left", "CancelledError")


async def test_a_recording_that_cannot_be_written_is_an_error_and_leaves_no_file(path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(OSError, match=r"it\.jsonl"):
        await read(RecordingTransport(Provider(b"a"), path))
    assert left(path) == ["it.jsonl"]


async def test_a_request_that_cannot_be_recorded_is_not_sent(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        await read(RecordingTransport(Refusing(AssertionError("it was sent")), tmp_path / "file" / "it.jsonl"))
    with pytest.raises(InvalidArgumentError, match="It must be one of ollama, openai"):
        async with RecordingTransport(Refusing(AssertionError("sent")), tmp_path / "x").stream(ASKED, provider="test"):
            pass


async def test_a_cancellation_is_raised_even_if_the_recording_cannot_be_written(path, caplog) -> None:
    path.mkdir(parents=True)
    reader = asyncio.create_task(read(RecordingTransport(Refusing(None), path)), name="reader")
    await asyncio.sleep(0)
    reader.cancel()
    with caplog.at_level(logging.ERROR), pytest.raises(asyncio.CancelledError):
        await reader
    assert "it.jsonl cannot be written" in caplog.text


# Secrets

PLANTED = {
    "bearer": "planted-bearer-01",
    "header": "planted-header-02",
    "credentials": "planted-pass-03",
    "query": "planted-query-04",
    "field": "planted-field-05",
    "environment": "planted-environment-06",
    "told": "planted-told-07",
    "cookie": "planted-cookie-08",
}


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 99 + b"]" * 99,
        b"[" * 100 + b"]" * 100,
        b"[" * 900 + b"]" * 900,
        b"[" * 100_000,
        b'[NaN, 1e999, "\\ud800"]',
    ],
    ids=["99 levels", "100 levels", "900 levels", "not JSON", "not a number"],
)
async def test_a_recording_of_any_body_can_be_read_and_played(path, body) -> None:
    request = HttpRequest(ASKED.url, body, {})
    async with RecordingTransport(Provider(*AWKWARD), path).stream(request, provider="openai") as response:
        assert [read async for read in response.reads] == AWKWARD
    replay = ReplayTransport([Cassette.load(path)], speed=inf)
    async with replay.stream(request, provider="openai") as response:
        assert [read async for read in response.reads] == AWKWARD


async def test_no_secret_is_written_to_a_recording(path, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", PLANTED["environment"])
    everything = " ".join(PLANTED[name] for name in PLANTED if name != "cookie")
    request = HttpRequest(
        f"https://me:{PLANTED['credentials']}@host/v1/chat/completions?key={PLANTED['query']}&q={PLANTED['bearer']}",
        json.dumps(
            {
                "model": f"m-{PLANTED['header']}",
                "api_key": PLANTED["field"],
                "messages": [{"role": "user", "content": everything}],
            }
        ).encode(),
        {"authorization": f"Bearer {PLANTED['bearer']}", "x-api-key": PLANTED["header"]},
    )
    body = f"data: {everything} {base64.b64encode(PLANTED['bearer'].encode()).decode()}".encode()
    frames = [f'data: {{"c": "{letter}"}}\n\n'.encode() for letter in PLANTED["told"]]
    answer = Provider(body[:30], body[30:41], body[41:], b"\n\n", *frames, OSError(f"gone with {PLANTED['query']}"))
    answer.headers = {"set-cookie": f"session={PLANTED['cookie']}", "x-echo": PLANTED["environment"]}
    with pytest.raises(OSError, match="gone"):
        await read(RecordingTransport(answer, path, secrets=[PLANTED["told"]]), request)
    written = path.read_text(encoding="utf-8")
    assert [name for name, value in PLANTED.items() if value in written] == []
    said = "".join(json.loads(each.data[6:])["c"] for each in Cassette.load(path).reads[4:])
    assert said == "*" * len(PLANTED["told"])
    assert [len(each.data) for each in Cassette.load(path).reads[:3]] == [30, 11, len(body) - 41]


async def test_a_key_is_sent_to_the_provider_but_is_in_no_file_and_no_error(provider, path, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-0123")
    refusal = answering(head("401 Unauthorized"), chunk(b"wrong: planted-key-0123"), chunk(b""))
    async with provider(refusal) as served:
        backend = recording(LiveBackend("openai:m", base_url=served.url), path)
        thunk, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
        with pytest.raises(ProviderStatusError, match="wrong: ") as caught:
            await thunk.avalue()
    assert served.requests[0].headers["authorization"] == "bearer planted-key-0123"
    assert "planted" not in path.read_text(encoding="utf-8")
    assert "planted" not in str(caught.value)


# Backends


async def test_a_recording_backend_responds_like_the_given_one(provider, path) -> None:
    frames = openai_frames("Hel", "lo.")
    async with provider(answering(head(), *map(chunk, frames), chunk(b""))) as served:
        given = LiveBackend("openai:m", base_url=served.url)
        thunk, _ = await recording(given, path).generate_from_context("Hi", SimpleContext(), model_options=STREAM)
        assert await thunk.avalue() == "Hello."
        again, _ = await given.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
        await again.avalue()
    assert [each.data for each in Cassette.load(path).reads] == frames
    assert Cassette.load(path).prompt == "Hi"
    assert left(path) == ["it.jsonl"]
