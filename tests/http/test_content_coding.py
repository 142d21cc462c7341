"""Compressed bodies are decoded read by read, or refused."""

from __future__ import annotations

import gzip
import random
import sys
import zlib
from itertools import pairwise

import brotli
import pytest

from pytest_streamval.errors import ProviderStatusError, UndecodableBodyError
from pytest_streamval.http import client as transport
from pytest_streamval.http import content_coding
from pytest_streamval.http.client import HttpTransport
from pytest_streamval.http.content_coding import BodyDecoder, body_decoder, decoded_request
from pytest_streamval.http.request import HttpRequest, joined_headers
from tests.compression import CODINGS, Flushing, zstd
from tests.loopback import answering, chunk, head

TEXT = "data: grüße 🙂, and more than one word\n\n".encode() * 30
coded = pytest.mark.parametrize(("coding", "encode"), CODINGS.values(), ids=CODINGS)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_PAUSE", 0.0)


async def read(url: str, carrier: HttpTransport | None = None) -> tuple[dict[str, str], list[bytes]]:
    async with (carrier or HttpTransport()).stream(HttpRequest(url), provider="test") as response:
        return dict(response.headers), [data async for data in response.reads]


# The decoder


@coded
def test_a_body_decoder_decodes_a_body_however_it_is_cut(coding, encode) -> None:
    body = encode(TEXT)
    order = random.Random(7)  # noqa: S311  # no secret
    cuts = [[], range(1, len(body)), *(sorted(order.sample(range(len(body)), 9)) for _ in range(20))]
    for cut in cuts:
        decoder = BodyDecoder(coding)
        assert b"".join(decoder.feed(body[start:end]) for start, end in pairwise([0, *cut, len(body)])) == TEXT


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_body_decoder_returns_each_flushed_piece_at_once(coding) -> None:
    sent = [TEXT[:50], TEXT[50:51], TEXT[51:]]
    decoder = BodyDecoder(coding)
    assert [decoder.feed(piece) for piece in Flushing(coding).pieces(sent)] == [*sent, b""]


@coded
def test_a_body_decoder_returns_what_came_of_a_body_that_ends_early(coding, encode) -> None:
    decoder = BodyDecoder(coding)
    assert TEXT.startswith(decoder.feed(encode(TEXT)[:-1]))
    assert BodyDecoder(coding).feed(b"") == b""


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
@pytest.mark.parametrize("data", [TEXT, b"\xff" * 40], ids=["text", "bytes"])
def test_a_body_decoder_refuses_data_in_no_coding(coding, data) -> None:
    with pytest.raises(UndecodableBodyError, match="the data is not in this coding") as caught:
        BodyDecoder(coding).feed(data)
    assert caught.value.coding == coding
    assert "grüße" not in str(caught.value)


@pytest.mark.parametrize(
    ("coding", "body"),
    [("gzip", gzip.compress(b"x")), ("deflate", zlib.compress(b"x")), ("br", brotli.compress(b"x"))],
    ids=["gzip", "deflate", "br"],
)
def test_a_body_decoder_refuses_more_data_after_the_end(coding, body) -> None:
    with pytest.raises(UndecodableBodyError):
        BodyDecoder(coding).feed(body + b"sk-hidden")
    decoder = BodyDecoder(coding)
    assert decoder.feed(body) == b"x"
    with pytest.raises(UndecodableBodyError):
        decoder.feed(b"sk-hidden")


@pytest.mark.parametrize("coding", ["compress", "foo", "gzip, foo", "aws-chunked"])
def test_a_body_decoder_refuses_an_unknown_coding(coding) -> None:
    with pytest.raises(UndecodableBodyError, match=r"is not known\. It must be gzip, deflate, br or zstd"):
        body_decoder({"Content-Encoding": coding})


def test_a_body_decoder_refuses_too_many_codings() -> None:
    with pytest.raises(UndecodableBodyError, match="it has 6 codings, and 5 are the most"):
        BodyDecoder("gzip," * 6)


@pytest.mark.parametrize(("coding", "library"), [("br", "brotli"), ("zstd", content_coding._ZSTD)])
def test_a_body_decoder_names_the_extra_that_has_a_missing_library(monkeypatch, coding, library) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UndecodableBodyError, match=r'pip install "pytest-streamval\[compression\]"'):
        BodyDecoder(coding)


@pytest.mark.parametrize("value", ["", "identity", " , identity"])
def test_a_body_without_a_coding_has_no_decoder(value) -> None:
    assert body_decoder({"content-encoding": value}) is None
    assert body_decoder({}) is None


@pytest.mark.parametrize("name", CODINGS)
def test_a_body_that_grows_too_much_is_refused(monkeypatch, name) -> None:
    monkeypatch.setattr(content_coding, "_FREE", 100_000)
    monkeypatch.setattr(content_coding, "_PIECE", 10_000)
    coding, encode = CODINGS[name]
    with pytest.raises(UndecodableBodyError, match=r"its first [\d,]+ bytes grow to more than [12]\d\d,\d\d\d"):
        BodyDecoder(coding).feed(encode(b"\0" * 2_000_000))


def test_a_bomb_inside_a_bomb_is_refused_before_it_is_decoded(monkeypatch) -> None:
    monkeypatch.setattr(content_coding, "_FREE", 1_000_000)
    body = zstd.compress(brotli.compress(gzip.compress(b"\0" * 100_000_000)))
    with pytest.raises(UndecodableBodyError):
        BodyDecoder("gzip, br, zstd").feed(body)


@coded
def test_a_large_body_that_compresses_well_is_decoded(monkeypatch, coding, encode) -> None:
    monkeypatch.setattr(content_coding, "_FREE", 1_000)
    text = "".join(f"data: {number}\n\n" for number in range(10_000)).encode()
    monkeypatch.setattr(content_coding, "_PIECE", 10_000)
    assert BodyDecoder(coding).feed(encode(text)) == text


# Requests


def test_a_request_is_decoded_with_its_headers() -> None:
    headers = {"Content-Encoding": "zstd", "content-length": "5", "content-digest": "x", "x-a": "b"}
    found = decoded_request(HttpRequest("http://x/", zstd.compress(b"{}"), headers))
    assert (found.body, found.headers, found.method) == (b"{}", {"x-a": "b"}, "POST")


def test_repeated_headers_are_joined_in_order() -> None:
    pairs = [("Content-Encoding", "gzip"), ("content-encoding", "br"), ("Cookie", "a=1"), ("cookie", "b=2")]
    assert joined_headers(pairs) == {"content-encoding": "gzip, br", "cookie": "a=1; b=2"}


# The client, over real sockets


@coded
async def test_a_transport_decodes_a_body_that_the_provider_compressed(provider, coding, encode) -> None:
    body = encode(TEXT)
    chunks = [chunk(body[start : start + 7]) for start in range(0, len(body), 7)]
    response = head("200 OK", f"Content-Encoding: {coding}", "content-digest: sha-256=:x:")
    async with provider(answering(response, *chunks, chunk(b""))) as served:
        headers, reads = await read(served.url)
    assert b"".join(reads) == TEXT
    assert all(reads)
    assert not {"content-encoding", "content-length", "content-digest"} & headers.keys()


async def test_a_transport_asks_for_no_coding_although_its_request_does(provider) -> None:
    request_headers = {"Accept-Encoding": "foo, gzip"}
    async with (
        provider(answering(head(), chunk(b"x"), chunk(b""))) as served,
        HttpTransport().stream(HttpRequest(served.url, headers=request_headers), provider="test") as response,
    ):
        assert [data async for data in response.reads] == [b"x"]
    assert served.requests[0].headers["accept-encoding"] == "identity"


async def test_a_transport_hands_on_each_flushed_frame_of_a_compressed_stream(provider) -> None:
    frames = [b"data: one\n\n", b"data: two\n\n"]
    chunks = [chunk(piece) for piece in Flushing("br").pieces(frames)]
    async with provider(answering(head("200 OK", "content-encoding: br"), *chunks, chunk(b""))) as served:
        assert (await read(served.url))[1] == frames


@pytest.mark.parametrize(("coding", "body"), [("foo", TEXT), ("gzip", TEXT), ("gzip", gzip.compress(TEXT)[:30] + TEXT)])
async def test_a_transport_refuses_a_body_that_it_cannot_decode_and_does_not_ask_again(provider, coding, body) -> None:
    response = answering(head("200 OK", f"content-encoding: {coding}"), chunk(body), chunk(b""))
    async with provider(response) as served:
        with pytest.raises(UndecodableBodyError):
            await read(served.url)
        assert len(served.requests) == 1


@coded
async def test_the_message_of_a_compressed_refusal_is_readable(provider, coding, encode) -> None:
    refusal = head("400 Bad Request", f"content-encoding: {coding}", kind="application/json")
    async with provider(answering(refusal, chunk(encode(b'{"error": "no such model"}')), chunk(b""))) as served:
        with pytest.raises(ProviderStatusError, match="no such model"):
            await read(served.url)


@pytest.mark.parametrize(("coding", "reason"), [("foo", "'foo' is not known"), ("gzip", "not in this coding")])
async def test_a_refusal_that_cannot_be_decoded_keeps_its_status(provider, coding, reason) -> None:
    refusal = answering(head("429 Busy", f"content-encoding: {coding}", "retry-after: 0"), chunk(TEXT), chunk(b""))
    async with provider(refusal) as served:
        with pytest.raises(ProviderStatusError, match=reason) as caught:
            await read(served.url, HttpTransport(retries=1))
        assert len(served.requests) == 2
    assert (caught.value.status, caught.value.retry_after) == (429, 0)
