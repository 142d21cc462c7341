import tracemalloc
from itertools import pairwise
from pickle import dumps, loads

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.errors import ClosedError, FrameTooLongError, InvalidArgumentError, StreamvalError
from pytest_streamval.wire import ADAPTERS, NDJSONDecoder, SSEDecoder

LIMIT = 24
PIECES = [
    b"data: x",
    b"data:",
    b": comment",
    b"id: 1",
    b"\n",
    b"\r",
    b"\r\n",
    b"\n\n",
    b"{}",
    b"x" * 9,
    b"\xef\xbb\xbf",
]
bodies = st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join)
decoders = pytest.mark.parametrize("decoder_class", [SSEDecoder, NDJSONDecoder])


def outcome(decoder, body, edges):
    found = []
    try:
        for start, end in pairwise([0, *edges, len(body)]):
            found += decoder.feed(body[start:end])
    except FrameTooLongError as error:
        return [*found, *error.frames], error.offset, error.limit
    return found, decoder.flush(), None


@decoders
@settings(max_examples=100, deadline=None)
@given(body=bodies)
def test_a_decoder_finds_the_same_long_frame_for_every_cut(decoder_class, body):
    whole = outcome(decoder_class(max_frame=LIMIT), body, [])
    for cut in range(len(body) + 1):
        assert outcome(decoder_class(max_frame=LIMIT), body, [cut]) == whole
    assert outcome(decoder_class(max_frame=LIMIT), body, range(1, len(body))) == whole


@decoders
@settings(max_examples=100, deadline=None)
@given(body=bodies)
def test_a_decoder_with_room_for_the_body_raises_nothing(decoder_class, body):
    unlimited = outcome(decoder_class(), body, [])
    assert outcome(decoder_class(max_frame=len(body) + 1), body, []) == unlimited


def test_the_limit_of_the_sse_decoder_counts_the_frame_without_its_blank_line():
    frame = b"data: 12345\n"
    assert [event.data for event in SSEDecoder(max_frame=len(frame)).feed(frame + b"\n")] == ["12345"]
    decoder = SSEDecoder(max_frame=len(frame) - 1)
    with pytest.raises(FrameTooLongError, match=r"byte 9 that is longer than 11 bytes\. It may have no end") as caught:
        decoder.feed(b"data: 1\n\n" + frame + b"\n")
    assert [event.data for event in caught.value.frames] == ["1"]
    assert decoder.flush() == b""
    with pytest.raises(ClosedError):
        decoder.feed(b"data: 2\n\n")


def test_the_limit_of_the_ndjson_decoder_counts_the_line_without_its_end():
    assert [line.data for line in NDJSONDecoder(max_frame=3).feed(b"123\n")] == ["123"]
    decoder = NDJSONDecoder(max_frame=3)
    with pytest.raises(FrameTooLongError, match="byte 2 that is longer than 3 bytes") as caught:
        decoder.feed(b"1\n1234")
    assert [line.data for line in caught.value.frames] == ["1"]
    assert decoder.flush() == b""
    with pytest.raises(ClosedError):
        decoder.feed(b"1\n")


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, None, "9"])
def test_an_invalid_limit_of_frames_is_rejected(limit):
    for make in (lambda: SSEDecoder(max_frame=limit), lambda: NDJSONDecoder(max_frame=limit)):
        with pytest.raises(InvalidArgumentError, match="max_frame"):
            make()
    with pytest.raises(InvalidArgumentError, match="max_frame"):
        ADAPTERS["openai"].decoder().max_frame = limit


FRAMES = {
    "openai": b'data: {"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n',
    "ollama": b'{"message":{"role":"assistant","content":"Hi"},"done":false}\n',
}


@pytest.mark.parametrize("protocol", FRAMES)
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_stream_whose_frame_has_no_end_keeps_the_text_before_it(protocol, size):
    decoder = ADAPTERS[protocol].decoder()
    decoder.max_frame = 1_000
    assert decoder.max_frame == 1_000
    body = FRAMES[protocol] + b"data: " + b"x" * 2_000
    deltas = []
    error = None
    try:
        for at in range(0, len(body), size):
            deltas += decoder.feed(body[at : at + size])
    except FrameTooLongError as found:
        error = found
    assert [delta.text for delta in (*deltas, *error.deltas)] == ["Hi"]
    assert (error.protocol, error.text, error.limit) == (decoder.protocol, "Hi", 1_000)
    assert error.offset == len(FRAMES[protocol])
    assert isinstance(error, StreamvalError)
    assert str(loads(dumps(error))) == str(error)  # noqa: S301  # its own
    assert decoder.close() == []
    with pytest.raises(ClosedError):
        decoder.feed(b"\n")


@decoders
@pytest.mark.parametrize("piece", [b"x", b"xy", b":\n", b"data: x\n", b"\xef\xbb\xbf"])
def test_a_frame_without_end_takes_memory_in_proportion_to_its_bytes(decoder_class, piece):
    decoder = decoder_class(max_frame=200_000)
    part = piece if decoder_class is SSEDecoder else piece.replace(b"\n", b" ")
    tracemalloc.start()
    try:
        for _ in range(200_000 // len(part)):
            decoder.feed(part)
        assert tracemalloc.get_traced_memory()[1] < 4 * 200_000
        with pytest.raises(FrameTooLongError):
            decoder.feed(b"x" * 20)
    finally:
        tracemalloc.stop()


def test_the_lines_of_a_long_frame_are_joined_like_those_of_a_short_one():
    body = b"".join(b"data: %d\r\n" % number for number in range(5_000))
    text = "\n".join(map(str, range(5_000)))
    for size in (1, 3, 9_000, len(body)):
        decoder = SSEDecoder()
        events = [event for at in range(0, len(body), size) for event in decoder.feed(body[at : at + size])]
        assert events == []
        [event] = decoder.feed(b"\r\n")
        assert event.data == text
    decoder = SSEDecoder()
    for at in range(0, len(body), 100):
        decoder.feed(body[at : at + 100])
    decoder.feed(b"retry: 7\n")
    assert decoder.flush() == body + b"retry: 7\n"
    assert decoder.retry == 7
