"""Gemini's stream without `alt=sse`: a JSON array, whose objects arrive one after another."""

from __future__ import annotations

import json

import pytest

from pytest_streamval import read_stream
from pytest_streamval.errors import (
    ClosedError,
    FrameTooLongError,
    InvalidArgumentError,
    MalformedFrameError,
    ProviderStreamError,
    StreamTruncatedError,
)
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.detection import protocol_of_body
from pytest_streamval.wire.gemini import Gemini, GeminiArray
from pytest_streamval.wire.json_array import JSONArrayDecoder, starts_array
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

PATH = "/v1beta/models/m:streamGenerateContent"
DELTAS = [
    Delta(thinking='{"[,]"} \\', signature="c2ln"),
    Delta('O\u2028ne "{" \\" '),
    Delta("\U0001f34e}]", tool_calls=(ToolCallDelta(0, "call_1", "f", '{"a": "}"}'),)),
    Delta(usage=Usage(3, 5), finish_reason="STOP"),
]
CALL = ToolCall("call_1", "f", '{"a":"}"}')


def encoded() -> bytes:
    """Return the array of `DELTAS`."""
    encoder = GeminiArray().encoder(ParsedRequest("m"))
    return b"".join([*map(encoder.encode, DELTAS), encoder.finish()])


BODY = encoded()
OBJECTS = json.loads(BODY)
PRETTY = b"[" + b"\n,\r\n".join(json.dumps(each, indent=2).encode() for each in OBJECTS) + b"\n]\n"  # as Gemini's own
READING = read_stream("gemini", BODY)


def frames_of(reads: list[bytes], **options: int) -> list[tuple[str, str, int, bool]]:
    decoder = JSONArrayDecoder(**options)
    found = [frame for read in reads for frame in decoder.frames(read)]
    assert decoder.end() == (b"", [])
    return [(event, data, offset, intact) for event, data, _, _, offset, intact in found]


def test_an_array_has_the_content_of_its_deltas() -> None:
    assert READING.error is None
    assert READING.deviations == ()
    assert (READING.text, READING.thinking) == ('O\u2028ne "{" \\" \U0001f34e}]', '{"[,]"} \\')
    assert READING.signature == "c2ln"
    assert READING.tool_calls == (CALL,)
    assert (READING.usage, READING.finish_reason) == (Usage(3, 5), "STOP")


@pytest.mark.parametrize("body", [BODY, PRETTY, b"\xef\xbb\xbf \r\n" + PRETTY], ids=["compact", "pretty", "with a BOM"])
def test_an_array_is_read_alike_with_every_cut(body: bytes) -> None:
    for reads in [[body], [body[at : at + 1] for at in range(len(body))]]:
        assert read_stream("gemini", reads) == READING
    for at in range(len(body)):
        assert read_stream("gemini", [body[:at], body[at:]], strict=True) == READING


@pytest.mark.parametrize("at", range(2, len(BODY), 7))
def test_an_array_that_is_cut_off_keeps_its_text(at: int) -> None:
    reading = read_stream("gemini", BODY[:at])
    assert READING.text.startswith(reading.text)
    if reading.finish_reason is None:
        assert isinstance(reading.error, StreamTruncatedError)
    else:
        assert reading.error is None


def test_an_array_has_the_offsets_of_its_objects() -> None:
    for _, data, offset, intact in frames_of([PRETTY]):
        assert PRETTY[offset:].startswith(data.encode())
        assert intact
    assert [json.loads(data) for _, data, *_ in frames_of([PRETTY])] == OBJECTS


def test_an_error_in_an_array_is_the_providers() -> None:
    error = b'{"error": {"code": 503, "message": "No room.", "status": "UNAVAILABLE"}}'
    for body in (b"[" + error + b"]", BODY[: BODY.index(b"\r\n")] + b",\r\n" + error + b"]"):
        reading = read_stream("gemini", body)
        assert isinstance(reading.error, ProviderStreamError)
        assert (reading.error.kind, reading.error.message) == ("UNAVAILABLE", "No room.")


def test_a_text_between_two_objects_is_noted() -> None:
    body = BODY.replace(b",{", b", surplus words {", 1)
    reading = read_stream("gemini", body)
    assert reading.text == READING.text
    assert [(each.kind, each.offset) for each in reading.deviations] == [("unframed-line", body.index(b"surplus"))]


def test_an_object_that_is_not_utf8_is_an_error() -> None:
    reading = read_stream("gemini", BODY.replace(b"ne ", b"ne\xff", 1))
    assert isinstance(reading.error, MalformedFrameError)
    assert reading.thinking == READING.thinking


def test_a_brace_too_many_is_skipped() -> None:
    assert [data for _, data, *_ in frames_of([b'[{"a": 1}}, {"b": 2}]'])] == ['{"a": 1}', "}", '{"b": 2}']


def test_an_object_that_is_too_long_is_an_error() -> None:
    complete, open_ended = [b'[{"a":1},{"long":12345}'], [b'[{"a":1},', b'{"long":', b'"12']
    for *first, last in (complete, open_ended, [b'[{"a":1},', b'{"long":1', b"2345"]):
        decoder = JSONArrayDecoder(max_frame=10)
        frames = [frame for read in first for frame in decoder.frames(read)]
        with pytest.raises(FrameTooLongError) as caught:
            decoder.frames(last)
        assert [frame[1] for frame in [*frames, *caught.value.frames]] == ['{"a":1}']
        with pytest.raises(ClosedError):
            decoder.frames(b"")


def test_the_limit_of_a_decoder_holds_for_an_array() -> None:
    decoder = Gemini().decoder()
    decoder.max_frame = 50
    with pytest.raises(FrameTooLongError):
        decoder.feed(BODY)


def test_an_array_is_read_as_bytes() -> None:
    with pytest.raises(InvalidArgumentError, match="raw bytes"):
        JSONArrayDecoder().frames("[{}]")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", None),
        (b"\xef\xbb", None),
        (b"\n [ ", None),
        (b"[{", True),
        (b"[]", True),
        (b"\xef\xbb\xbf[\n{", True),
        (b"[DONE]", False),
        (b"data: [{", False),
        (b"{", False),
        (b" " * 100, False),
    ],
)
def test_the_first_bytes_show_an_array(body: bytes, expected: bool | None) -> None:
    assert starts_array(body) is expected


def test_blank_bytes_before_a_stream_lose_nothing() -> None:
    body = b"\r\n\r\n" + b"".join([(encoder := Gemini().encoder(ParsedRequest("m"))).encode("Hi."), encoder.finish()])
    assert read_stream("gemini", [body[at : at + 1] for at in range(len(body))]).text == "Hi."
    assert isinstance(read_stream("gemini", b" \n").error, StreamTruncatedError)
    assert isinstance(read_stream("gemini", b"[").error, StreamTruncatedError)


def test_an_array_is_detected() -> None:
    assert protocol_of_body(BODY) == protocol_of_body(PRETTY) == protocol_of_body(PRETTY[:-40]) == "gemini"
    assert protocol_of_body(b'[{"choices": []}, {1}]') == "openai"
    assert protocol_of_body(b"[{1}]") is None


def test_only_a_stream_without_sse_is_an_array() -> None:
    array, sse = GeminiArray(), Gemini()
    for path in (PATH, f"{PATH}?alt=json", f"{PATH}?key=k"):
        request = array.parse_request(path, {})
        assert request == ParsedRequest("m")
        assert sse.parse_request(path, {}) is None
    for path in (f"{PATH}?alt=sse", "/v1beta/models/m:generateContent", "/v1/messages"):
        assert array.parse_request(path, {}) is None


def test_the_errors_of_an_array_are_arrays() -> None:
    assert json.loads(GeminiArray().encode_error("UNAVAILABLE", "No room.")) == [
        {"error": {"code": 503, "message": "No room.", "status": "UNAVAILABLE"}}
    ]
    encoder = GeminiArray().encoder(ParsedRequest("m"))
    body = encoder.encode("Hi.") + encoder.fail("INTERNAL", "Sorry.")
    assert json.loads(body)[1]["error"]["message"] == "Sorry."
    assert json.loads(GeminiArray().encoder(ParsedRequest("m")).finish())[0]["candidates"]
    assert Answer.of(DELTAS).text == READING.text
