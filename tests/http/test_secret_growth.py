"""The time to find secrets grows at most linearly with a text, whatever it is."""

from __future__ import annotations

import pytest

from pytest_streamval import Cassette
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.matching import CassetteMatcher, differences
from pytest_streamval.recordings.redacted_responses import redacted
from tests.regular_expressions import growth

SIZE = 4_000
KNOWN = Secrets(["ab" * 50, "planted-key-1"])


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "sk-",
            "AIza",
            "eyJ-eyJ.",
            "a_key=",
            "key:[",
            'password="',
            "password=[{",
            '"key": ["',
            "KEY=f(",
            "token=a.b(",
        ),
        *(
            "\\",
            "\\u005c",
            "\\\\n",
            "%25",
            "%",
            "://a:",
            "Bearer ",
            "-----BEGIN PRIVATE KEY-----",
            "ab",
            "aB+/",
            "auth",
            "[",
            '"',
        ),
    ],
)
def test_a_text_is_searched_in_linear_time(unit: str) -> None:
    def search(size: int) -> None:
        text = unit * (size // len(unit) + 1)
        KNOWN.text(text, in_request=True)
        list(KNOWN.spans(text))
        redacted([text.encode(), b"\n", f'{{"a": "{text}"'.encode()], KNOWN)

    assert growth(search, SIZE) == ""


@pytest.mark.parametrize(
    "frame", ['data: {"index": %d, "x": "a\n', 'data: {"a": {"b%d": "x', '{"index": %d}\n', 'data: {"a%d": ["']
)
def test_frames_are_searched_in_linear_time(frame: str) -> None:
    assert growth(lambda size: redacted([(frame % number).encode() for number in range(size // 4)], KNOWN), SIZE) == ""


@pytest.mark.parametrize("part", ["a[redacted]", "[redacted]", "[redacted]a[redacted]b"])
def test_redacted_parts_are_matched_in_linear_time(part: str) -> None:
    def match(size: int) -> None:
        recorded = {"protocol": "openai", "request": part * (size // len(part))}
        CassetteMatcher([Cassette("it", recorded, ())]).has(HttpRequest("http://h/", b"a" * size), "openai")

    assert growth(match, SIZE) == ""


@pytest.mark.parametrize(
    ("recorded", "requested", "fits"),
    [
        ("a[redacted]b", "a1b", True),
        ("a[redacted]b", "ab", True),
        ("ab[redacted]ba", "aba", False),
        ("[redacted]a[redacted]a[redacted]", "bab", False),
        ("[redacted]a[redacted]a[redacted]", "baab", True),
        ("x[redacted]a", "xaab", False),
        ("[redacted]", "", True),
        ("a[redacted]b[redacted]c", "a b b c\nc", True),
    ],
)
def test_a_redacted_part_matches_any_text(recorded: str, requested: str, fits: bool) -> None:
    assert (list(differences("it", requested, recorded)) == []) is fits
