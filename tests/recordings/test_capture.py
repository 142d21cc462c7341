"""Responses that curl and browsers have captured become recordings."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from typing import Any

import brotli
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_streamval import Cassette, Read
from pytest_streamval.errors import InvalidFileError
from pytest_streamval.recordings.captured_responses import Capture, cassette_in, load_captures
from tests.compression import CODINGS, Flushing, zstd
from tests.loopback import openai_frames

KEY = "sk-planted-0123456789abcdef"
FRAMES = [*openai_frames("Hel", "lo."), 'data: {"choices": [], "x": "🙂"}\n\n'.encode()]
BODY = b"".join(FRAMES)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nSet-Cookie: a=planted-1\r\n\r\n"
REDIRECT = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/2 307 \r\nlocation: /v1\r\n\r\n"


def one(data: bytes) -> Capture:
    (capture,) = load_captures("it.txt", data)
    return capture


def entry(body: bytes | str | None, path: str = "/v1/chat/completions", **more: Any) -> dict[str, Any]:
    """Return an entry of a HAR export."""
    content: dict[str, Any] = {"size": 5, "mimeType": "text/event-stream"}
    if isinstance(body, bytes):
        content |= {"text": base64.b64encode(body).decode(), "encoding": "base64"}
    elif body is not None:
        content["text"] = body
    request = {
        "method": "POST",
        "url": f"https://api.example{path}?key={KEY}",
        "headers": [{"name": ":authority", "value": "x"}, {"name": "Authorization", "value": f"Bearer {KEY}"}],
        "postData": {"mimeType": "application/json", "text": '{"model": "gpt-9", "messages": []}'},
    }
    headers = [{"name": "content-type", "value": "text/event-stream"}, {"name": "content-encoding", "value": "br"}]
    response = {"status": 200, "headers": headers, "content": content}
    return {"time": 1_250.5, "request": request, "response": response, **more}


def har(*entries: object) -> bytes:
    return json.dumps({"log": {"version": "1.2", "entries": entries}}, indent=2).encode()


# curl


def test_the_output_of_curl_is_a_body() -> None:
    capture = one(BODY)
    assert (capture.body, capture.protocol, capture.status) == (BODY, "openai", None)
    cassette = capture.cassette("openai", "it.jsonl")
    assert cassette.header == {
        "protocol": "openai",
        "provider": "openai",
        "headers": [],
        "end": {"how": "complete", "at": 0.0},
    }
    assert cassette.reads == (Read(0.0, BODY),)


@pytest.mark.parametrize("before", [b"", REDIRECT], ids=["one head", "several heads"])
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"], ids=["CRLF", "LF"])
def test_the_output_of_curl_i_is_a_head_and_a_body(before: bytes, line_end: bytes) -> None:
    capture = one((before + HEAD).replace(b"\r\n", line_end) + BODY)
    assert (capture.body, capture.status) == (BODY, 200)
    header = capture.cassette("openai", "it.jsonl").header
    assert header["status"] == 200
    assert header["headers"] == [["content-type", "text/event-stream"], ["set-cookie", "[redacted]"]]


def test_the_output_of_curl_raw_keeps_the_chunks_of_the_provider() -> None:
    chunks = b"".join(b"%x;ext\r\n%b\r\n" % (len(frame), frame) for frame in FRAMES) + b"0\r\n\r\n"
    head = HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert one(head + chunks).reads == tuple(FRAMES)
    for body in (BODY, BODY.replace(b"\n", b"\r\n")):  # which begins with "da", a number in the hexadecimal system
        assert one(head + body).reads == (body,)
    assert one(head + chunks[:-40]).reads[:2] == tuple(FRAMES[:2])
    assert BODY.startswith(one(head + chunks[:-40]).body)


@pytest.mark.parametrize("name", CODINGS)
def test_a_compressed_body_is_decoded(name: str) -> None:
    coding, encode = CODINGS[name]
    head = HEAD.replace(b"\r\n\r\n", f"\r\ncontent-encoding: {coding}\r\ncontent-length: 7\r\n\r\n".encode())
    for body in (encode(BODY), BODY):  # curl --compressed writes the header also
        capture = one(head + body)
        assert capture.body == BODY
        assert capture.headers is not None
        assert "content-encoding" not in capture.headers


@pytest.mark.parametrize("data", [gzip.compress(BODY), zstd.compress(BODY)], ids=["gzip", "zstd"])
def test_a_compressed_body_without_a_head_is_known_by_its_first_bytes(data: bytes) -> None:
    assert one(data).body == BODY


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (brotli.compress(BODY), "no header names its compression. Capture it without compression"),
        (HEAD.replace(b"\r\n\r\n", b"\r\ncontent-encoding: foo\r\n\r\n") + zlib.compress(BODY), "'foo' is not known"),
        (b"\x1f\x8b" + b"\xff" * 50, "it cannot be decoded as 'gzip': the data is not in this coding"),
        (b"", "the file is empty"),
        (b" \r\n", "the file is empty"),
    ],
)
def test_a_file_that_holds_no_readable_response_is_refused(data: bytes, fault: str) -> None:
    with pytest.raises(InvalidFileError, match=r"it\.txt: .*A capture is the output of curl") as caught:
        one(data)
    assert fault in str(caught.value)


def test_a_stream_that_is_cut_inside_a_character_or_has_a_wrong_byte_is_text() -> None:
    assert one(BODY[: BODY.index("🙂".encode()) + 2]).protocol == "openai"
    assert one(b"\xff" + BODY).protocol == "openai"


def test_a_file_that_powershell_wrote_in_utf_16_is_read() -> None:
    assert one(b"\xff\xfe" + BODY.decode().encode("utf-16-le")).body == BODY


@pytest.mark.parametrize(
    ("body", "is_stream"),
    [
        (b'{"choices": [{"index": 0, "message": {"content": "Hi."}}]}', False),
        (b'{"message": {"content": "Hi."}, "done": false}\n', True),
        (BODY, True),
    ],
)
def test_a_body_that_is_one_json_object_was_not_streamed(body: bytes, is_stream: bool) -> None:
    assert one(body).cassette("openai", "it.jsonl").is_stream is is_stream


def test_a_refusal_keeps_its_status_and_its_wait() -> None:
    capture = one(b"HTTP/1.1 429 Busy\r\nretry-after-ms: 1500\r\n\r\n" + b'{"error": {"message": "slow"}}')
    ending = capture.cassette("openai", "it.jsonl").ending
    assert (ending.how, ending.seconds) == ("refused", 1.5)


# HAR


def test_an_entry_of_a_har_export_is_a_request_and_a_response() -> None:
    (capture,) = load_captures("it.har", har(entry(BODY.decode())))
    assert (capture.body, capture.entry, capture.protocol) == (BODY, 1, "openai")
    cassette = capture.cassette("openai", "it.jsonl")
    assert cassette.reads == (Read(1.2505, BODY),)
    assert cassette.header["model"] == "gpt-9"
    assert cassette.header["server"] == "https://api.example"
    assert cassette.header["path"].startswith("/v1/chat/completions?key=")
    assert cassette.header["headers"] == [["content-type", "text/event-stream"]]


def test_a_har_export_gives_all_answers_of_models_or_the_wanted_entry() -> None:
    page, picture = entry("<html>", "/index.html"), entry(b"\x89PNG\r\n\x1a\n" * 9, "/x.png")
    data = b"\xef\xbb\xbf" + har(
        page, entry(BODY), entry(None), picture, entry(b"", "/empty"), entry("data: [DONE]\n\n")
    )
    assert [each.entry for each in load_captures("it.har", data)] == [2, 6]
    assert [each.entry for each in load_captures("it.har", data, entry=1)] == [1]
    assert load_captures("it.har", data, entry=1)[0].protocol is None
    for wanted in (3, 7, 0):
        with pytest.raises(InvalidFileError, match=f"its entry {wanted} does not exist or has no body; .*: 1, 2, 4, 6"):
            load_captures("it.har", data, entry=wanted)
    with pytest.raises(InvalidFileError, match="it cannot be decoded as 'br'"):
        load_captures("it.har", data, entry=4)
    with pytest.raises(InvalidFileError, match=r"none of its 2 entries with a body is a model's answer\. --entry N"):
        load_captures("it.har", har(page, picture))


def test_the_answer_of_a_path_that_only_models_have_is_an_answer() -> None:
    (capture,) = load_captures("it.har", har(entry("gateway error", "/v1/messages")))
    assert capture.protocol == "anthropic"


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        5,
        {"request": {}, "response": {"content": {"text": "x"}}},
        entry(BODY, time="soon"),
        entry(BODY, response={"status": 200, "content": {"text": "!", "encoding": "base64"}}),
    ],
)
def test_an_entry_that_is_none_is_refused_with_its_number(wrong: object) -> None:
    with pytest.raises(InvalidFileError, match=r"entry 2 of its log is not one of HAR 1\.2"):
        load_captures("it.har", har(entry(BODY), wrong))


@pytest.mark.parametrize("data", [b'{"log": 5}', b'{"log": {"entries": 5}}', b'{"entries": []}', b"{"])
def test_other_json_is_no_har_export(data: bytes) -> None:
    assert one(data).protocol is None


def test_only_a_har_export_has_entries() -> None:
    with pytest.raises(InvalidFileError, match="it has no entry 2, as it is not a HAR export"):
        load_captures("it.txt", BODY, entry=2)


# Secrets


def test_a_recording_of_a_capture_has_no_key(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("MINE_API_KEY", "from-the-environment-1")
    body = b"".join(openai_frames(KEY, "from-the-", "environment-1"))
    for data in (har(entry(body.decode())), har(entry(body)), HEAD + body, gzip.compress(body)):
        one(data).cassette("openai", str(tmp_path / "it.jsonl")).dump()
        text = (tmp_path / "it.jsonl").read_text()
        for secret in ("planted", "0123456789", "environment-1"):
            assert secret not in text


# Cassettes


def test_a_cassette_in_the_bytes_of_a_file_is_read_without_its_keys(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINE_API_KEY", "from-the-environment-1")
    path = tmp_path / "it.jsonl"
    Cassette(
        str(path), {"protocol": "openai", "status": 200}, (Read(0.5, b"from-the-environment-1"), Read(1, b"x"))
    ).dump()
    found = cassette_in("it.jsonl", path.read_bytes())
    assert found is not None
    assert (found.path, found.header["protocol"]) == ("it.jsonl", "openai")
    assert found.reads == (Read(0.5, b"*" * 22), Read(1, b"x"))
    other = cassette_in("it.jsonl", path.read_bytes(), protocol="ollama")
    assert other is not None
    assert other.header == {"protocol": "ollama", "status": 200}


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "deflate"])
def test_a_cassette_with_a_compressed_body_is_read_without_its_keys(coding: str, tmp_path) -> None:
    pieces = Flushing(coding).pieces([FRAMES[0].replace(b"Hel", b"Key: "), *openai_frames(KEY)])
    header = {"protocol": "openai", "headers": [["content-encoding", coding], ["x-a", "b"]]}
    old = Cassette("old.jsonl", header, tuple(Read(at, piece) for at, piece in enumerate(pieces) if piece))
    found = cassette_in("old.jsonl", old.to_bytes())
    assert found is not None
    assert found.header["headers"] == [["x-a", "b"]]
    assert found.body == b"".join([FRAMES[0].replace(b"Hel", b"Key: "), *openai_frames(KEY)]).replace(
        KEY.encode(), b"*" * len(KEY)
    )
    assert found.reads[0].at == 0
    with pytest.raises(InvalidFileError, match="its body is not text, and it cannot be decoded as 'foo'"):
        cassette_in("old.jsonl", old.to_bytes().replace(f'"{coding}"'.encode(), b'"foo"'))


def test_an_invalid_cassette_is_refused_and_another_file_is_none() -> None:
    with pytest.raises(InvalidFileError, match='Invalid "protocol"'):
        cassette_in("it.jsonl", b'{"protocol": "x"}\n')
    for data in (b"", BODY, b"[1]\n", har(entry(BODY)), b'{"model": "m", "done": true}\n'):
        assert cassette_in("it.jsonl", data) is None


# Hostile files


@pytest.mark.parametrize(
    "change",
    [
        {"time": 1e300},
        {"time": -5},
        {"time": None},
        {"response": {"status": 0, "content": {"text": "data: [DONE]\n\n"}}},
        {"response": {"status": 99_999, "content": {"text": "data: [DONE]\n\n"}}},
        {
            "response": {
                "status": 200,
                "headers": [{"name": "set-cookie", "value": "a=1\nb=2"}, {"name": "wörd", "value": "x"}],
                "content": {"text": 'data: {"choices": [{"delta": {"content": "\ud83d"}}]}\n\n'},
            }
        },
        {"request": {"method": "POST", "url": "http://[", "headers": []}},
        {"request": {"method": "POST", "url": "", "headers": [], "postData": {"text": "\ud800"}}},
        {"request": {"method": 5, "url": "x", "headers": []}},
        {"request": {"method": "POST", "url": 5, "headers": []}},
        {"request": {"method": "POST", "url": "x", "headers": [{"name": "a", "value": 5}]}},
        {"response": {"status": [], "content": {"text": "data: [DONE]\n\n"}}},
        {"response": {"status": 200, "content": {"text": 5}}},
    ],
    ids=str,
)
def test_a_hostile_entry_becomes_a_cassette_that_loads_or_an_error(change: dict[str, Any], tmp_path) -> None:
    data = json.dumps({"log": {"entries": [{**entry(BODY), **change}]}}).encode()
    try:
        captures = load_captures("it.har", data)
        for capture in captures:
            capture.cassette("openai", str(tmp_path / "it.jsonl")).dump()
    except InvalidFileError as error:
        assert "it.har: entry 1 of its log" in str(error)  # noqa: PT017  # either is right
    else:
        assert captures
        Cassette.load(tmp_path / "it.jsonl").decode()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_capture_is_read_or_refused(data: st.DataObject, tmp_path) -> None:
    source = data.draw(st.sampled_from([BODY, HEAD + BODY, har(entry(BODY), entry("x")), gzip.compress(BODY)]))
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, min(len(source), start + 20)))
    mutated = source[:start] + data.draw(st.binary(max_size=8)) + source[end:]
    try:
        captures = load_captures("it.txt", mutated)
    except InvalidFileError:
        return
    for capture in captures:
        capture.cassette("openai", str(tmp_path / "it.jsonl")).dump()
        loaded = Cassette.load(tmp_path / "it.jsonl")
        assert len(loaded.body) == len(capture.body)  # a key is overwritten
