"""Cassettes keep every byte and every boundary, and say what is wrong with them."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, InvalidCassetteError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = '{"protocol": "openai"}'


def test_a_cassette_has_its_header_and_its_reads(streams: Path) -> None:
    cassette = Cassette.load(str(streams / "openai-emoji.jsonl"))
    assert cassette.header["status"] == 200
    assert b"".join(read.data for read in cassette.reads).endswith(b"data: [DONE]\n\n")
    times = [read.at for read in cassette.reads]
    assert times == sorted(times)


def test_bytes_that_are_no_text_are_kept_as_base64(tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    path.write_text(HEADER + '\n{"at": 0, "base64": "8J+N"}\n{"at": 1, "text": "\\u00e9"}\n')
    assert [read.data for read in Cassette.load(path).reads] == [b"\xf0\x9f\x8d", "é".encode()]


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        ("", 1, "the file is empty"),
        ("{", 1, "no JSON"),
        ("[]", 1, "[] is no JSON object"),
        ("{}", 1, "\"protocol\" is None, and known are 'anthropic', 'openai'"),
        ('{"protocol": ["x"]}', 1, "\"protocol\" is ['x']"),
        (HEADER + "\n\xff", 2, "no JSON"),
        (HEADER + '\n{"text": "x"}', 2, '"at" is None and no number of seconds'),
        (HEADER + '\n{"at": true, "text": "x"}', 2, '"at" is True'),
        (HEADER + '\n{"at": 1}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "text": "x", "base64": "eA=="}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "text": 5}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "base64": "???"}', 2, '"base64" cannot be decoded'),
    ],
    ids=str,
)
def test_a_broken_cassette_is_refused_with_the_line(tmp_path: Path, content: str, line: int, fault: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidCassetteError) as caught:
        Cassette.load(path)
    assert caught.value.line == line
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_read_that_was_cut_inside_a_character_decodes(tmp_path: Path) -> None:
    body = "data: " + json.dumps({"choices": [{"delta": {"content": "🍎"}}]}, ensure_ascii=False) + "\n\n"
    whole = (body + "data: [DONE]\n\n").encode()
    at = whole.index("🍎".encode()) + 2
    path = tmp_path / "cut.jsonl"
    reads = [
        {"at": index, "base64": base64.b64encode(part).decode()} for index, part in enumerate([whole[:at], whole[at:]])
    ]
    path.write_text("\n".join([HEADER, *map(json.dumps, reads)]))
    recording = Cassette.load(path).decode()
    assert recording.error is None
    assert [delta.text for _, deltas in recording.reads for delta in deltas] == ["🍎"]
