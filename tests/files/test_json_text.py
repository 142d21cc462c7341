"""JSON of any bytes becomes a value that the package can use, or one error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval.files.json_text import DEEPEST, UnreadableJsonError, is_text, json_line, parse_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda parts: st.lists(parts) | st.dictionaries(st.text(), parts),
)


@given(VALUES)
def test_parse_json_returns_the_value_that_json_line_wrote(value: object) -> None:
    line = json_line(value)
    assert parse_json(line) == parse_json(line.encode()) == parse_json(b"\xef\xbb\xbf" + line.encode()) == value


@given(st.binary() | st.text())
def test_parse_json_raises_one_error_for_any_bytes(data: bytes | str) -> None:
    try:
        value = parse_json(data)
    except UnreadableJsonError:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize("brackets", ["[]", "{}"])
@pytest.mark.parametrize("levels", [DEEPEST - 1, DEEPEST, DEEPEST + 1, 900, 100_000])
def test_parse_json_limits_the_depth_of_a_value(brackets: str, levels: int) -> None:
    opening, closing = brackets if brackets == "[]" else ('{"a":', "}")
    text = f"{opening * levels}1{closing * levels}"
    if levels <= DEEPEST:
        assert parse_json(text) == json.loads(text)
    else:
        with pytest.raises(UnreadableJsonError, match=r"(it is nested|maximum recursion depth)"):
            parse_json(text)


def test_many_brackets_beside_each_other_are_not_deep() -> None:
    assert len(parse_json(f"[{', '.join(['[[]]'] * 1000)}]")) == 1000


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity", "-Infinity", f"{'9' * 400}.0"])
def test_parse_json_rejects_numbers_that_are_not_finite(number: str) -> None:
    with pytest.raises(UnreadableJsonError, match=r" is not a (finite number|number of JSON)"):
        parse_json(f'{{"at": {number}}}')
    assert str(parse_json(number, finite=False)) in {"inf", "-inf", "nan"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b'"\xff"', "Invalid JSON: the byte 0xff at offset 1 is not UTF-8"),
        ('"é"'.encode("utf-16"), "Invalid JSON: the byte 0xff at offset 0 is not UTF-8"),
        (b'\xef\xbb\xbf"\xff"', "Invalid JSON: the byte 0xff at offset 4 is not UTF-8"),
        (b"\x00", "Invalid JSON: Expecting value"),
        (b'[1, "a]', "Invalid JSON: Unterminated string"),
        (b"9" * 5000, "Unreadable JSON: Exceeds the limit (4300 digits)"),
        (b"", "Invalid JSON: Expecting value"),
    ],
)
def test_the_error_has_the_fault_and_its_place(data: bytes, message: str) -> None:
    with pytest.raises(UnreadableJsonError) as caught:
        parse_json(data)
    assert caught.value.fault.startswith(message)
    assert str(caught.value).startswith(caught.value.reason)


def test_is_text_accepts_strings_that_utf_8_can_encode() -> None:
    assert [is_text(value) for value in ("", "é\U0001f600", "\ud800", 5, None, b"x")] == [True, True, *[False] * 4]


def test_the_message_has_the_place_if_it_is_known() -> None:
    with pytest.raises(UnreadableJsonError, match=r"^Unterminated string \(at character 5\)$"):
        parse_json('[1, "a]')
