"""The faults of proxies and of a stream's end, byte by byte."""

from __future__ import annotations

import asyncio
import json
import time
import zlib
from email.utils import parsedate_to_datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval import (
    Delay,
    InvalidArgumentError,
    LiveBackend,
    ProviderServer,
    Raise,
    Script,
    SimpleContext,
    VirtualClock,
    faults,
    read_stream,
)
from pytest_streamval.http.body_encoder import BodyEncoder, accepted_coding
from pytest_streamval.http.content_coding import BodyDecoder
from pytest_streamval.server.actions import Flush, SendData, SendHead, Sleep
from pytest_streamval.server.rendering import Renderer
from pytest_streamval.wire import ADAPTERS, ParsedRequest
from tests.server.clients import CLOSE, PATHS, PROTOCOLS, ask, chunks_of, exchange, request

if TYPE_CHECKING:
    from pytest_streamval.server import Fault

SCRIPT = Script.of("One ", "two ", "thre\xe9.")
ENDS = dict.fromkeys(PATHS, b"\n\n") | {"gemini": b"\r\n\r\n", "ollama": b"\n"}
pytestmark = pytest.mark.usefixtures("same_second")


def response(fault: Fault | None, protocol: str = "openai", *headers: str, stream: bool = True) -> tuple[str, bytes]:
    """Return the head and the body of a response."""
    path = PATHS[protocol] if stream else PATHS[protocol].replace("streamGenerateContent?alt=sse", "generateContent")
    with ProviderServer(SCRIPT, fault=fault) as server:
        found = exchange(server, request({"model": "m", "stream": stream}, path, CLOSE, *headers))
        assert list(server.unmet()) == []
    head, _, body = found.partition(b"\r\n\r\n")
    text = head.decode().lower()
    return text, b"".join(chunks_of(found)) if "chunked" in text else body


def actions(fault: Fault, script: Script = SCRIPT, **options: Any) -> list[Any]:
    """Return the actions of a streamed response."""
    renderer = Renderer(ADAPTERS["openai"], ParsedRequest("m"), **options)
    return list(fault.apply(renderer.render(script), renderer))


# The end


@pytest.mark.parametrize("protocol", PATHS)
def test_doubled_end_sends_the_last_frame_twice(protocol: str) -> None:
    plain = response(None, protocol)[1]
    end = ENDS[protocol]
    last = plain.removesuffix(end).rpartition(end)[2] + end
    found = response(faults.doubled_end(), protocol)[1]
    assert found == plain + last
    assert read_stream(protocol, found).text == SCRIPT.text


@pytest.mark.parametrize("protocol", PATHS)
def test_no_last_blank_line_leaves_out_the_end_of_the_last_frame_only(protocol: str) -> None:
    plain = response(None, protocol)[1]
    found = response(faults.no_last_blank_line(), protocol)[1]
    assert found == plain.rstrip(b"\r\n") != plain
    assert read_stream(protocol, found).text == SCRIPT.text


@pytest.mark.parametrize("name", ["doubled_end", "no_last_blank_line"])
def test_a_fault_of_the_end_of_a_stream_changes_no_other_response(name: str) -> None:
    assert response(faults.named(name), stream=False)[1] == response(None, stream=False)[1]


def test_no_last_blank_line_sends_every_other_line_end_before_a_pause() -> None:
    found = actions(faults.no_last_blank_line(), Script.of("One ", Delay(5), "two."))
    before = b"".join(each.data for each in found[: found.index(Sleep(5))] if isinstance(each, SendData))
    assert before.endswith(b"\n\n")


# Proxies


def test_bad_gateway_is_the_page_of_a_proxy() -> None:
    head, body = response(faults.bad_gateway())
    assert head.startswith("http/1.1 502 bad gateway\r\ncontent-type: text/html\r\n")
    assert b"<h1>502 Bad Gateway</h1>" in body
    with ProviderServer(SCRIPT, fault="bad_gateway") as server:
        _, error = ask(server, "anthropic")
        assert getattr(error, "status", None) == 502


KEEP_ALIVES = {
    "openai": b": keep-alive\n\n",
    "openai-responses": b": keep-alive\n\n",
    "anthropic": b'event: ping\ndata: {"type": "ping"}\n\n',
    "gemini": b": keep-alive\n\n",
    "ollama": b"\n",
}


@pytest.mark.parametrize("protocol", PATHS)
def test_keep_alives_are_between_all_frames(protocol: str) -> None:
    plain = response(None, protocol)[1]
    end = ENDS[protocol]
    frames = [frame + end for frame in plain.split(end)[:-1]]
    found = response(faults.keep_alives(), protocol)[1]
    assert found == KEEP_ALIVES[protocol].join(frames)
    assert read_stream(protocol, found).text == SCRIPT.text


def test_keep_alives_before_a_response_that_is_not_streamed_are_empty_lines() -> None:
    found = response(faults.keep_alives(), stream=False)[1]
    assert found.startswith(b"\n\n\n{")
    assert json.loads(found) == json.loads(response(None, stream=False)[1])


def test_joined_frames_are_sent_in_writes_of_a_size() -> None:
    found = actions(faults.joined_frames(300))
    assert isinstance(found[0], SendHead)
    writes = [each for each in found if isinstance(each, SendData)]
    assert all(len(each.data) >= 300 for each in writes[:-1])
    assert sum(isinstance(each, Flush) for each in found) >= len(writes) - 1 > 1
    assert sum(each.deltas for each in writes) == 3
    plain = actions(faults.slow_drip(0))
    assert b"".join(each.data for each in writes) == b"".join(each.data for each in plain if isinstance(each, SendData))


def test_joined_frames_are_held_back_during_a_pause() -> None:
    found = actions(faults.joined_frames(10**9), Script.of("One ", Delay(5), "two."))
    assert [type(each) for each in found] == [SendHead, Sleep, SendData]


# Compression


def has(library: str) -> bool:
    """Return whether an optional library is installed."""
    try:
        import_module(library)
    except ModuleNotFoundError:
        return False
    return True


CODINGS = ["gzip", "deflate", *(["br"] if has("brotli") else []), *(["zstd"] if has("backports.zstd") else [])]


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("coding", CODINGS)
def test_compressed_bodies_hold_the_response(coding: str, stream: bool) -> None:
    head, found = response(faults.compressed(coding), stream=stream)
    assert f"content-encoding: {coding}\r\n" in head
    assert BodyDecoder(coding).feed(found) == response(None, stream=stream)[1] != found


@pytest.mark.parametrize("coding", CODINGS)
def test_each_write_of_a_compressed_body_can_be_read_at_once(coding: str) -> None:
    encoder, decoder = BodyEncoder(coding), BodyDecoder(coding)
    for number in range(50):
        data = b"frame %d\n\n" % number
        assert decoder.feed(encoder.feed(data)) == data
    assert decoder.feed(encoder.finish()) == b""


def test_a_compressed_body_that_ends_early_has_no_end() -> None:
    found = actions(faults.compressed("gzip"), Script.of("One.", Raise(EOFError())))
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = stream.decompress(b"".join(each.data for each in found if isinstance(each, SendData)))
    assert b"One." in text
    assert not stream.eof


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        ("", "gzip"),
        ("identity", "gzip"),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate", "gzip"),
        ("deflate;q=1.0, gzip;q=0.5", "deflate"),
        ("gzip;q=0, deflate", "deflate"),
        ("gzip;q=x, deflate;q=0.1", "deflate"),
        ("GZIP ; Q=0.7 , deflate;q=0.2", "gzip"),
        ("*", "gzip"),
        (",;q=1,", "gzip"),
    ],
)
def test_the_client_chooses_the_coding(accept: str, coding: str) -> None:
    assert accepted_coding(accept) == coding
    assert f"content-encoding: {coding}\r\n" in response(faults.compressed(), "openai", f"accept-encoding: {accept}")[0]


@pytest.mark.skipif("br" not in CODINGS or "zstd" not in CODINGS, reason="the extra compression is not installed")
def test_a_client_that_accepts_other_codings_gets_them() -> None:
    assert accepted_coding("gzip, deflate, br, zstd") == "zstd"
    assert accepted_coding("gzip, br") == "br"
    assert accepted_coding("gzip;q=1, br;q=0.9") == "gzip"


@pytest.mark.parametrize("library", ["brotli", "backports.zstd"])
def test_a_coding_without_its_library_is_not_chosen_and_raises_if_it_is_given(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Any:
        if name in {library, "compression.zstd"}:
            raise ModuleNotFoundError(name)
        return import_module(name)

    monkeypatch.setattr("pytest_streamval.http.body_encoder.import_module", missing)
    coding = {"brotli": "br", "backports.zstd": "zstd"}[library]
    assert accepted_coding(f"gzip;q=0.5, {coding}") == "gzip"
    with pytest.raises(InvalidArgumentError, match=r"pip install \"pytest-streamval\[compression\]\""):
        faults.compressed(coding)


def test_a_coding_that_does_not_exist_raises() -> None:
    with pytest.raises(InvalidArgumentError, match=r"coding: 'zip'\. It must be one of gzip, deflate, br, zstd"):
        faults.compressed("zip")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_live_backend_reads_a_compressed_stream(protocol: str) -> None:
    for coding in ("gzip", "deflate"):
        with ProviderServer(SCRIPT, fault=faults.compressed(coding)) as server:
            assert ask(server, protocol) == (SCRIPT.text, None)


# The time to wait


def test_retry_after_is_a_date() -> None:
    before = time.time()
    head = response(faults.retry_after_date(90))[0]
    value = next(line for line in head.split("\r\n") if line.startswith("retry-after: ")).partition(": ")[2]
    until = parsedate_to_datetime(value).timestamp()
    assert head.startswith("http/1.1 429 ")
    assert value.endswith(" gmt")
    assert before + 90 <= until < time.time() + 92


def test_the_date_to_wait_for_follows_the_clock_of_the_test() -> None:
    with VirtualClock("2030-01-01T00:00:00Z"):
        renderer = Renderer(ADAPTERS["openai"], ParsedRequest("m"))
        head = next(faults.retry_after_date(60).apply(iter(()), renderer))
    assert isinstance(head, SendHead)
    assert dict(head.headers)["retry-after"] == "Tue, 01 Jan 2030 00:01:00 GMT"


def test_retry_after_ms_names_milliseconds() -> None:
    head = response(faults.retry_after_ms(0.25))[0]
    assert head.startswith("http/1.1 429 ")
    assert "\r\nretry-after-ms: 250\r\n" in head
    assert "\r\nretry-after: " not in head


@pytest.mark.parametrize("name", ["retry_after_date", "retry_after_ms"])
def test_a_live_backend_waits_for_the_time_of_a_rate_limit(name: str) -> None:
    fault = getattr(faults, name)(0.001)
    with ProviderServer(fault, "Hello.") as server:

        async def main() -> str:
            backend = LiveBackend("openai:m", base_url=server.openai_url)
            return await (await backend.generate_from_context("Hi", SimpleContext()))[0].avalue()

        assert asyncio.run(main()) == "Hello."
        assert [each.status for each in server.requests] == [429, 200]
