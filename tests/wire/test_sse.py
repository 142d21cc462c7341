from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.errors import DecoderClosedError, InvalidArgumentError
from pytest_streamval.wire import ServerSentEvent, SSEDecoder, SSEEncoder

BOM = b"\xef\xbb\xbf"

# Everything that some decoder decodes wrongly, in small pieces that can be combined.
NASTY = [
    *(
        b"data",
        b"data:",
        b"data: ",
        b"event",
        b"event:",
        b"event: ",
        b"id",
        b"id: ",
        b"retry:",
        b"retry: ",
        b"dat",
        b"Data:",
    ),
    *(b":", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\0", b"-", b"+", b"0", b"5", b"x", b"\t"),
    *(b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9", "\u0665".encode()),
    *(BOM, BOM[:1], BOM[1:2], "🍎".encode(), "🍎".encode()[:2], b"\xff", b"\xc0\x80", b"\xed\xa0\x80"),
]
bodies = st.lists(st.sampled_from(NASTY), max_size=40).map(b"".join)


def decode(body, cuts=()):
    decoder = SSEDecoder()
    edges = [0, *sorted(cuts), len(body)]
    events = [event for start, end in pairwise(edges) for event in decoder.feed(body[start:end])]
    return events, decoder


def whatwg(body):  # noqa: C901, PLR0912  # as complex as the standard
    """Follow the steps of the standard, in its order, character by character.

    Return the events as (type, data, last event id), the last dispatched event id, and the reconnection time.
    """
    text = body.removeprefix(BOM).decode(errors="replace")
    events, lines, line = [], [], ""
    for position, character in enumerate(text):
        if character == "\n" and position and text[position - 1] == "\r":
            continue
        if character in "\r\n":
            lines.append(line)
            line = ""
        else:
            line += character
    data = event_type = last_id = dispatched_id = ""
    reconnection = None
    for line in lines:
        if line == "":
            dispatched_id = last_id
            if data != "":
                events.append((event_type or "message", data[:-1], last_id))
            data = event_type = ""
        elif line[0] == ":":
            continue
        else:
            field, value = line, ""
            if ":" in line:
                field, value = line[: line.index(":")], line[line.index(":") + 1 :]
                value = value[1:] if value[:1] == " " else value
            if field == "event":
                event_type = value
            elif field == "data":
                data += value + "\n"
            elif field == "id" and "\0" not in value:
                last_id = value
            elif field == "retry" and value and all(digit in "0123456789" for digit in value):
                reconnection = int(value)
    return events, dispatched_id, reconnection


@settings(max_examples=60, deadline=None)
@given(body=bodies, data=st.data())
def test_the_sse_decoder_returns_the_events_of_the_standard_for_any_body_and_reads(body, data):
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=12))
    events, decoder = decode(body, cuts)
    decoder.flush()
    triples = [(event.event, event.data, event.id) for event in events]
    assert (triples, decoder.last_event_id, decoder.retry) == whatwg(body)


@settings(max_examples=60, deadline=None)
@given(body=bodies)
def test_the_sse_decoder_returns_the_same_events_for_every_cut(body):
    whole, decoder = decode(body)
    left = decoder.flush()
    for cut in range(len(body) + 1):
        events, decoder = decode(body, [cut])
        assert events == whole
        assert decoder.flush() == left


@settings(max_examples=60, deadline=None)
@given(body=bodies)
def test_the_offset_of_an_event_is_the_start_of_its_frame(body):
    events, _ = decode(body)
    starts = [event.offset for event in events]
    assert starts == sorted(set(starts))
    for event in events:
        before, after = body[: event.offset], body[event.offset :]
        assert before in (b"", BOM) or before.endswith((b"\n", b"\r"))
        # With the blank line before it, a BOM inside the body is not at its start.
        again = decode(b"\n" + after)[0][0]
        assert (again.event, again.data, again.offset) == (event.event, event.data, 1)


@settings(max_examples=60, deadline=None)
@given(body=bodies)
def test_the_sse_decoder_returns_an_incomplete_frame_at_the_end(body):
    left = decode(body)[1].flush()
    assert body.endswith(left)
    assert whatwg(body[: len(body) - len(left)])[0] == whatwg(body)[0]
    assert b"\n\n" not in left


CASES = {
    "nothing": (b"", []),
    "a blank line": (b"\n", []),
    "one line": (b"data: x\n\n", [("message", "x")]),
    "several lines": (b"data: x\ndata\ndata: y\n\n", [("message", "x\n\ny")]),
    "a type": (b"event: ping\ndata: x\n\n", [("ping", "x")]),
    "a type without the space": (b"event:ping\ndata:x\n\n", [("ping", "x")]),
    "an empty type": (b"event:\ndata: x\n\n", [("message", "x")]),
    "the last type is used": (b"event: a\nevent: b\ndata: x\n\n", [("b", "x")]),
    "no data": (b"event: ping\nid: 1\n\n", []),
    "a type ends with a frame without data": (b"event: ping\n\ndata: x\n\n", [("message", "x")]),
    "empty data": (b"data\n\ndata:\n\ndata\ndata\n\n", [("message", ""), ("message", ""), ("message", "\n")]),
    "a comment": (b": hello\n\n", []),
    "a comment in a frame": (b":\ndata: x\n: y\n\n", [("message", "x")]),
    "a comment between frames": (b"data: x\n\n: keep-alive\n\ndata: y\n\n", [("message", "x"), ("message", "y")]),
    "one space is removed": (b"data:  x \n\n", [("message", " x ")]),
    "no space": (b"data:x\n\n", [("message", "x")]),
    "a tab is not a space": (b"data:\tx\n\n", [("message", "\tx")]),
    "colons in the value": (b"data: {a: b}\n\n", [("message", "{a: b}")]),
    "field names are exact": (b"Data: x\n data: y\ndata : z\n\n", []),
    "unknown fields": (b"error: x\ndata: y\n\n", [("message", "y")]),
    "CR": (b"data: x\rdata: y\r\rdata: z\r\r", [("message", "x\ny"), ("message", "z")]),
    "CRLF": (b"data: x\r\ndata: y\r\n\r\n", [("message", "x\ny")]),
    "mixed line ends": (b"data: x\r\ndata: y\rdata: z\n\r\n", [("message", "x\ny\nz")]),
    "LF CR is two line ends": (b"data: x\n\rdata: y\n\n", [("message", "x"), ("message", "y")]),
    "a BOM": (BOM + b"data: x\n\n", [("message", "x")]),
    "only one BOM": (BOM + BOM + b"data: x\n\ndata: y\n\n", [("message", "y")]),
    "a BOM inside": (
        b"data: x\n\n" + BOM + b"data: y\ndata: " + BOM + b"\n\n",
        [("message", "x"), ("message", "\ufeff")],
    ),
    "half a BOM": (BOM[:2] + b"data: x\n\ndata: y\n\n", [("message", "y")]),
    "line separators of Unicode": (
        "data: a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n\n".encode(),
        [("message", "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg")],
    ),
    "no blank line": (b"data: x\n\ndata: y\n", [("message", "x")]),
    "no line end": (b"data: x\n\ndata: y", [("message", "x")]),
}


def test_the_sse_decoder_follows_the_standard():
    for cut in (lambda _: [], lambda body: range(len(body))):
        found = {name: decode(body, cut(body))[0] for name, (body, _) in CASES.items()}
        assert {name: [(event.event, event.data) for event in events] for name, events in found.items()} == {
            name: expected for name, (_, expected) in CASES.items()
        }


def test_an_event_id_stays_until_a_frame_has_another():
    body = b"id: 1\ndata: a\n\ndata: b\n\nid: 2\n\ndata: c\n\nid: 3\0\ndata: d\n\nid\ndata: e\n\n"
    assert [event.id for event in decode(body)[0]] == ["1", "1", "2", "2", ""]


def test_an_event_id_changes_when_its_frame_is_dispatched():
    decoder = SSEDecoder()
    decoder.feed(b"id: 1\n\nid: 2\n")
    assert decoder.last_event_id == "1"
    decoder.feed(b"\n")
    assert decoder.last_event_id == "2"


RETRIES = {
    b"5": 5,
    b"0": 0,
    b"007": 7,
    b"-5": None,
    b"+5": None,
    b"5 ": None,
    b" 5": None,
    b"5.0": None,
    b"": None,
    b"1_0": None,
    "\u0665".encode(): None,
    b"9" * 640: int("9" * 640),
    b"9" * 5000: None,
}


def test_the_sse_decoder_takes_only_digits_as_a_reconnection_time():
    for value, expected in RETRIES.items():
        (event,), decoder = decode(b"retry: " + value + b"\ndata\n\n")
        assert event.retry == decoder.retry == expected, value


def test_a_reconnection_time_belongs_to_its_frame_and_stays_for_the_stream():
    events, decoder = decode(b"retry: 7\ndata: a\n\ndata: b\n\nretry: x\ndata: c\n\n")
    assert [event.retry for event in events] == [7, None, None]
    assert decoder.retry == 7


def test_a_reconnection_time_needs_neither_data_nor_a_complete_frame():
    assert decode(b"retry: 7\n\n")[1].retry == 7
    decoder = decode(b"data: x\nretry: 7\n")[1]
    decoder.flush()
    assert decoder.retry == 7
    decoder = decode(b"retry: 7")[1]
    decoder.flush()
    assert decoder.retry is None


BROKEN = {
    "in the data": (b"data: a\xffb\n\n", ServerSentEvent("message", "a\ufffdb", intact=False)),
    "in the type": (b"event: \xff\ndata: x\n\n", ServerSentEvent("\ufffd", "x", intact=False)),
    "a character without its end": (b"data: \xf0\x9f\n\n", ServerSentEvent("message", "\ufffd", intact=False)),
    "a surrogate": (b"data: \xed\xa0\x80\n\n", ServerSentEvent("message", "\ufffd\ufffd\ufffd", intact=False)),
    "in the id": (b"id: \xff\ndata: x\n\n", ServerSentEvent("message", "x", id="\ufffd")),
    "in a comment": (b":\xff\ndata: x\n\n", ServerSentEvent("message", "x")),
}


def test_the_sse_decoder_replaces_bytes_that_are_not_text():
    assert {name: decode(body)[0] for name, (body, _) in BROKEN.items()} == {
        name: [expected] for name, (_, expected) in BROKEN.items()
    }


def test_the_offset_of_an_event_counts_bytes():
    body = BOM + b"data: x\r\n\r\n: y\r\n\r\n\r\nevent: z\r\ndata: \xf0\x9f\x8d\x8e\r\n\r\ndata: w\r\n\r\n"
    for cuts in ([], range(len(body))):
        offsets = [event.offset for event in decode(body, cuts)[0]]
        assert offsets == [3, body.index(b"event"), body.index(b"data: w")]


def test_the_sse_decoder_does_not_wait_for_an_lf_after_a_cr():
    decoder = SSEDecoder()
    assert [event.data for event in decoder.feed(b"data: x\r\r")] == ["x"]
    assert decoder.feed(b"\n") == []
    assert [event.data for event in decoder.feed(b"data: y\n\n")] == ["y"]


def test_the_sse_decoder_decodes_a_frame_of_a_megabyte_in_small_reads():
    body = b"data: " + b"x" * 1_000_000 + b"\n\n"
    events, _ = decode(body, range(0, len(body), 1000))
    assert [len(event.data) for event in events] == [1_000_000]


def test_the_sse_decoder_decodes_twenty_thousand_frames_in_one_read():
    events, _ = decode(b"data: x\n\n" * 20_000)
    assert [event.offset for event in events] == list(range(0, 180_000, 9))


def test_the_sse_decoder_decodes_a_frame_of_a_hundred_thousand_lines():
    (event,), _ = decode(b"data:x\n" * 100_000 + b"\n")
    assert event.data == "\n".join("x" * 100_000)


def test_the_sse_decoder_returns_the_rest_once():
    decoder = SSEDecoder()
    decoder.feed(b"data: x\n\ndata: y\r\nda")
    assert decoder.flush() == b"data: y\r\nda"
    assert decoder.flush() == b""


def test_the_sse_decoder_returns_half_a_bom_as_the_rest():
    decoder = SSEDecoder()
    decoder.feed(BOM[:2])
    assert decoder.flush() == BOM[:2]


def test_a_flushed_sse_decoder_takes_no_more_bytes():
    decoder = SSEDecoder()
    decoder.flush()
    with pytest.raises(DecoderClosedError, match="This SSE decoder was closed and takes no more bytes"):
        decoder.feed(b"")


def test_the_sse_decoder_refuses_text():
    decoder = SSEDecoder()
    with pytest.raises(InvalidArgumentError, match=r"Invalid data: 'data: x'. It must be the raw bytes of the body"):
        decoder.feed("data: x")
    assert decoder.feed(b"data: x\n\n") == [ServerSentEvent("message", "x")]


def test_an_sse_event_is_a_value():
    event = ServerSentEvent("ping", "x")
    assert event == ServerSentEvent("ping", "x")
    with pytest.raises(AttributeError):
        event.data = "y"


EVENTS = {
    "data": (ServerSentEvent(data="x"), b"data: x\n\n"),
    "no data": (ServerSentEvent(), b"data: \n\n"),
    "lines": (ServerSentEvent(data="\nx\n"), b"data: \ndata: x\ndata: \n\n"),
    "a space": (ServerSentEvent(data=" x"), b"data:  x\n\n"),
    "a type": (ServerSentEvent("ping", "x"), b"event: ping\ndata: x\n\n"),
    "an id": (ServerSentEvent(data="x", id="7"), b"id: 7\ndata: x\n\n"),
    "a reconnection time": (ServerSentEvent(data="x", retry=0), b"retry: 0\ndata: x\n\n"),
    "line separators of Unicode": (ServerSentEvent(data="a\u2028\x85"), b"data: a\xe2\x80\xa8\xc2\x85\n\n"),
    "everything": (ServerSentEvent("e", "x", "i", 5), b"retry: 5\nid: i\nevent: e\ndata: x\n\n"),
}


def test_the_sse_encoder_writes_an_event_as_one_frame():
    for event, frame in EVENTS.values():
        assert SSEEncoder().encode(event) == frame
        assert decode(frame)[0] == [event]


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=5)
events = st.builds(
    ServerSentEvent,
    event=text.filter(bool),
    data=st.lists(text, min_size=1, max_size=3).map("\n".join),
    id=text,
    retry=st.none() | st.integers(0, 10**6),
)


@settings(max_examples=80, deadline=None)
@given(written=st.lists(events, max_size=5))
def test_the_sse_decoder_reads_the_events_that_the_encoder_writes(written):
    encoder = SSEEncoder()
    body = b"".join(frame for event in written for frame in (encoder.comment(), encoder.encode(event)))
    assert [replace(event, offset=0) for event in decode(body)[0]] == written


def test_the_sse_encoder_writes_an_id_when_it_changes():
    encoder = SSEEncoder()
    frames = [encoder.encode(ServerSentEvent(data="x", id=ident)) for ident in ("1", "1", "2", "")]
    assert frames == [b"id: 1\ndata: x\n\n", b"data: x\n\n", b"id: 2\ndata: x\n\n", b"id: \ndata: x\n\n"]


def test_an_sse_comment_is_not_an_event():
    assert SSEEncoder().comment("keep-alive") == b": keep-alive\n\n"
    assert decode(SSEEncoder().comment("data: x"))[0] == []


UNWRITABLE = {
    "a line end in the type": (ServerSentEvent("a\nb"), "Invalid event: 'a\\nb'. It must be one line"),
    "a CR in the type": (ServerSentEvent("a\rb"), "It must be one line"),
    "an empty type": (ServerSentEvent(""), "Invalid event: ''"),
    "a line end in the id": (ServerSentEvent(id="a\n"), "Invalid id: 'a\\n'"),
    "a NUL in the id": (ServerSentEvent(id="\0"), "an id must not hold a NUL"),
    "a CR in the data": (ServerSentEvent(data="a\rb"), "Its lines must end with LF"),
    "half a character in the data": (ServerSentEvent(data="\ud83d"), "It must be valid UTF-8"),
    "half a character in the type": (ServerSentEvent("\ud83d"), "It must be valid UTF-8"),
    "a time below 0": (ServerSentEvent(retry=-1), "Invalid retry: -1. It must be a number of milliseconds, 0 or more."),
}


@pytest.mark.parametrize(("event", "message"), UNWRITABLE.values(), ids=UNWRITABLE)
def test_the_sse_encoder_refuses_an_event_that_no_frame_can_hold(event, message):
    with pytest.raises(InvalidArgumentError) as caught:
        SSEEncoder().encode(event)
    assert message in str(caught.value)


def test_the_sse_encoder_refuses_a_comment_with_two_lines():
    with pytest.raises(InvalidArgumentError, match="It must be one line"):
        SSEEncoder().comment("a\nb")


def test_the_sse_encoder_forgets_a_refused_event():
    encoder = SSEEncoder()
    with pytest.raises(InvalidArgumentError):
        encoder.encode(ServerSentEvent(data="\r", id="1"))
    assert encoder.encode(ServerSentEvent(data="x", id="1")) == b"id: 1\ndata: x\n\n"
