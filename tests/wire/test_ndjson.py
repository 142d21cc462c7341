import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.errors import DecoderClosedError, InvalidArgumentError
from pytest_streamval.wire import NDJSONDecoder, NDJSONLine, ndjson_line

BOM = b"\xef\xbb\xbf"
NASTY = [
    *(b"{}", b'{"a": 1}', b"x", b" ", b"\n", b"\r", b"\r\n", b"\n\n", b"\t", BOM, BOM[:2], b"\xff"),
    *("🍎".encode(), "🍎".encode()[:2], "\u2028".encode(), "\x85".encode(), b"\x0b", b"\x1c", b"\0"),
]
bodies = st.lists(st.sampled_from(NASTY), max_size=30).map(b"".join)


def decode(body, cuts=()):
    decoder = NDJSONDecoder()
    edges = [0, *sorted(cuts), len(body)]
    lines = [line for start, end in pairwise(edges) for line in decoder.feed(body[start:end])]
    return lines, decoder


CASES = {
    "nothing": (b"", []),
    "one line": (b"{}\n", ["{}"]),
    "several lines": (b"1\n2\n3\n", ["1", "2", "3"]),
    "CRLF": (b"1\r\n2\r\n", ["1", "2"]),
    "a CR alone is not a line end": (b"1\r2\n", ["1\r2"]),
    "empty lines": (b"\n1\n\n \t\n\r\n2\n", ["1", "2"]),
    "a BOM": (BOM + b"1\n" + BOM + b"2\n", ["1", "\ufeff2"]),
    "only a BOM": (BOM + b"\n1\n", ["1"]),
    "line separators of Unicode": (
        "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\n".encode(),
        ["a\u2028b\u2029c\x85d\x0be\x0cf\x1cg"],
    ),
    "no line end": (b"1\n2", ["1"]),
}


def test_the_ndjson_decoder_splits_a_body_into_its_lines():
    for cut in (lambda _: [], lambda body: range(len(body))):
        found = {name: decode(body, cut(body))[0] for name, (body, _) in CASES.items()}
        assert {name: [line.data for line in lines if line.intact] for name, lines in found.items()} == {
            name: expected for name, (_, expected) in CASES.items()
        }


@settings(max_examples=60, deadline=None)
@given(body=bodies)
def test_the_ndjson_decoder_returns_the_same_lines_for_every_cut(body):
    whole, decoder = decode(body)
    left = decoder.flush()
    assert body.endswith(left)
    assert b"\n" not in left
    for cut in range(len(body) + 1):
        lines, decoder = decode(body, [cut])
        assert lines == whole
        assert decoder.flush() == left


@settings(max_examples=60, deadline=None)
@given(body=bodies)
def test_the_offset_of_a_line_is_its_start(body):
    for line in decode(body)[0]:
        assert body[line.offset :].partition(b"\n")[0].removesuffix(b"\r").decode(errors="replace") == line.data
        assert line.intact == ("\ufffd" not in line.data)


def test_the_ndjson_decoder_replaces_bytes_that_are_not_text():
    assert decode(b"1\na\xffb\n")[0] == [NDJSONLine("1", 0), NDJSONLine("a\ufffdb", 2, intact=False)]


def test_the_ndjson_decoder_decodes_a_line_of_a_megabyte_in_small_reads():
    body = b'"' + b"x" * 1_000_000 + b'"\n'
    (line,), _ = decode(body, range(0, len(body), 1000))
    assert len(line.data) == 1_000_002


def test_the_ndjson_decoder_decodes_twenty_thousand_lines_in_one_read():
    lines, _ = decode(b"{}\n" * 20_000)
    assert [line.offset for line in lines] == list(range(0, 60_000, 3))


def test_the_ndjson_decoder_returns_the_rest_once():
    decoder = decode(b"1\n2", [1])[1]
    assert decoder.flush() == b"2"
    assert decoder.flush() == b""


def test_a_flushed_ndjson_decoder_takes_no_more_bytes():
    decoder = NDJSONDecoder()
    decoder.flush()
    with pytest.raises(DecoderClosedError, match="This NDJSON decoder was closed and takes no more bytes"):
        decoder.feed(b"")


def test_the_ndjson_decoder_refuses_text():
    decoder = NDJSONDecoder()
    with pytest.raises(InvalidArgumentError, match=r"Invalid data: '1'. It must be the raw bytes of the body"):
        decoder.feed("1")
    assert decoder.feed(b"1\n") == [NDJSONLine("1")]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None)
@given(values=st.lists(JSON, max_size=5))
def test_the_ndjson_decoder_reads_the_lines_of_ndjson_line(values):
    body = b"".join(map(ndjson_line, values))
    assert [json.loads(line.data) for line in decode(body)[0]] == values


def test_ndjson_line_writes_one_line_for_any_definition_of_a_line():
    value = {"a": ["\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029", "é🍎"]}
    line = ndjson_line(value)
    assert line.decode().splitlines() == [line.decode().rstrip("\n")]
    assert "é🍎".encode() in line
    assert json.loads(line) == value


def test_ndjson_line_refuses_a_value_that_json_does_not_have():
    for value in (float("nan"), float("inf"), "\ud83d"):
        with pytest.raises(ValueError, match=r"not JSON compliant|surrogates not allowed"):
            ndjson_line(value)
