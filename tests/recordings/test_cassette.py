"""Cassettes keep every byte and every boundary, and their errors name the invalid line."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, Delta, Read, StreamTruncatedError, ToolCallDelta
from pytest_streamval.errors import InvalidCassetteError, ProviderResponseError
from pytest_streamval.typing import Recording

if TYPE_CHECKING:
    from pathlib import Path

HEADER = '{"protocol": "openai"}'


def test_a_cassette_has_its_header_and_its_reads(streams: Path) -> None:
    cassette = Cassette.load(str(streams / "openai-emoji.jsonl"))
    assert cassette.header["status"] == 200
    assert b"".join(read.data for read in cassette.reads).endswith(b"data: [DONE]\n\n")
    times = [read.at for read in cassette.reads]
    assert times == sorted(times)


def test_a_cassette_keeps_bytes_that_are_not_utf_8_as_base64(tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    path.write_text(HEADER + '\n{"at": 0, "base64": "8J+N"}\n{"at": 1, "text": "\\u00e9"}\n')
    assert [read.data for read in Cassette.load(path).reads] == [b"\xf0\x9f\x8d", "é".encode()]


@pytest.mark.parametrize(
    ("content", "line", "fault"),
    [
        ("", 1, "the file is empty"),
        ("{", 1, "Invalid JSON"),
        ("[]", 1, "[] is not a JSON object"),
        ("{}", 1, "Invalid \"protocol\": None. It must be one of 'anthropic', 'gemini', 'ollama', 'openai'"),
        ('{"protocol": ["x"]}', 1, "Invalid \"protocol\": ['x']"),
        (HEADER.replace("}", ', "status": "200"}'), 1, "Invalid \"status\": '200'. It must be a whole number"),
        (
            HEADER.replace("}", ', "headers": {"a": "b"}}'),
            1,
            "Invalid \"headers\": {'a': 'b'}. It must be a list of pairs",
        ),
        (HEADER.replace("}", ', "headers": [["a"]]}'), 1, "Invalid \"headers\": [['a']]. It must be a list of pairs"),
        (HEADER.replace("}", ', "headers": ["ab"]}'), 1, "Invalid \"headers\": ['ab']. It must be a list of pairs"),
        (HEADER.replace("}", ', "end": null}'), 1, 'Invalid "end": None. Its "how" must be one of complete, refused,'),
        (HEADER.replace("}", ', "end": {"how": "so"}}'), 1, "Invalid \"end\": {'how': 'so'}. Its"),
        (HEADER.replace("}", ', "end": {"how": "left", "x": 1}}'), 1, 'Its "how" must be'),
        (HEADER.replace("}", ', "end": {"how": "left", "at": "1"}}'), 1, '"at" and "seconds" must be numbers'),
        (HEADER + "\n\xff", 2, "Invalid JSON"),
        (HEADER + '\n{"text": "x"}', 2, 'Invalid "at": None. It must be a number of seconds'),
        (HEADER + '\n{"at": true, "text": "x"}', 2, 'Invalid "at": True'),
        (HEADER + '\n{"at": 1}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "text": "x", "base64": "eA=="}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "text": 5}', 2, 'either "text" or "base64"'),
        (HEADER + '\n{"at": 1, "base64": "???"}', 2, '"base64" cannot be decoded'),
    ],
    ids=str,
)
def test_load_rejects_an_invalid_cassette_with_the_line(tmp_path: Path, content: str, line: int, fault: str) -> None:
    path = tmp_path / "broken.jsonl"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidCassetteError) as caught:
        Cassette.load(path)
    assert caught.value.line == line
    assert fault in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_cassette_decodes_reads_that_end_inside_a_character(tmp_path: Path) -> None:
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


@pytest.mark.parametrize("name", ["openai-emoji", "openai-unicode", "anthropic-list"])
def test_dump_writes_the_file_that_load_read(streams: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "deep" / "down" / "it.jsonl"
    Cassette.load(streams / f"{name}.jsonl").dump(path)
    assert path.read_bytes() == (streams / f"{name}.jsonl").read_bytes()
    assert [found.name for found in path.parent.iterdir()] == ["it.jsonl"]


@pytest.mark.parametrize(
    "data", [b"", b"\xf0\x9f\x8d", b"a\r\n\x00\x7f", "\u2028\x85\ufeffé🍎".encode(), bytes(range(256))]
)
def test_load_returns_the_cassette_that_dump_wrote_with_a_line_for_each_read(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "it.jsonl"
    cassette = Cassette(
        str(path), {"protocol": "openai", "request": "\ud800 \u2028"}, (Read(0.125, data), Read(2, b"x"))
    )
    cassette.dump()
    assert Cassette.load(path) == cassette
    assert len(path.read_text(encoding="utf-8").splitlines()) == 3


def test_a_cassette_keeps_times_to_the_microsecond(tmp_path: Path) -> None:
    Cassette("", {"protocol": "openai"}, (Read(1 / 3, b"x"),)).dump(tmp_path / "it.jsonl")
    assert Cassette.load(tmp_path / "it.jsonl").reads[0].at == 0.333333


def test_a_dump_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "it.jsonl"
    Cassette(str(path), {"protocol": "openai"}, ()).dump()
    with pytest.raises(ValueError, match="JSON"):
        Cassette(str(path), {"protocol": "openai", "n": float("nan")}, ()).dump()
    assert Cassette.load(path).header == {"protocol": "openai"}
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        Cassette.load(path).dump(tmp_path / "taken")
    assert sorted(found.name for found in tmp_path.iterdir()) == ["it.jsonl", "taken"]


@pytest.mark.parametrize(
    ("header", "ending"),
    [
        ({}, ("complete", 2.0, "", None)),
        ({"status": 200}, ("complete", 2.0, "", None)),
        ({"status": 429}, ("refused", 2.0, "", None)),
        ({"status": None, "end": {"how": "left", "at": 5, "why": "Me"}}, ("left", 5, "Me", None)),
        ({"status": 429, "end": {"how": "refused", "seconds": 1.5}}, ("refused", 2.0, "", 1.5)),
    ],
    ids=str,
)
def test_a_cassette_has_the_end_of_its_stream(header: dict[str, object], ending: tuple[object, ...]) -> None:
    assert Cassette("", header, (Read(0.5, b"a"), Read(2.0, b"b"))).ending == ending


def test_a_cassette_without_reads_ended_at_once() -> None:
    assert Cassette("", {}, ()).ending.at == 0


@pytest.mark.parametrize(
    ("request_", "prompt"),
    [
        ({"messages": [{"content": "One"}, {"role": "user", "content": "Two"}]}, "Two"),
        ({"messages": [{"content": [{"type": "text", "text": "Look"}, {"type": "image"}]}]}, "Look"),
        ({"contents": [{"parts": [{"text": "Hi"}]}]}, "Hi"),
        ({"prompt": "Hi"}, "Hi"),
        ({"messages": [{"content": None}]}, ""),
        ("no JSON", "no JSON"),
        (None, ""),
        (5, ""),
    ],
    ids=["messages", "parts", "contents", "prompt", "nothing", "no JSON", "no body", "a number"],
)
def test_a_cassette_has_the_prompt_of_its_request(request_: object, prompt: str) -> None:
    assert Cassette("", {"request": request_}, ()).prompt == prompt


def test_a_cassette_decodes_the_deltas_before_a_fault(streams: Path) -> None:
    whole = Cassette.load(streams / "openai-water.jsonl")
    recording = Cassette("", whole.header, whole.reads[:9]).decode()
    assert "".join(delta.text for _, deltas in recording.reads for delta in deltas) == recording.error.text
    assert isinstance(recording.error, StreamTruncatedError)


# Responses that were not streamed


def whole(body: str, **header: object) -> Cassette:
    header = {"protocol": "openai", "headers": [["Content-Type", "application/json; charset=utf-8"]], **header}
    return Cassette("", header, (Read(0.5, body[:9].encode()), Read(1.0, body[9:].encode())))


def test_a_cassette_decodes_a_response_that_was_not_streamed_into_one_delta() -> None:
    call = {"id": "1", "function": {"name": "look", "arguments": "{}"}}
    message = {"content": "Hi.", "tool_calls": [call]}
    recording = whole(json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})).decode()
    delta = Delta("Hi.", tool_calls=(ToolCallDelta(0, "1", "look", "{}"),), finish_reason="stop")
    assert recording == Recording(((1.0, (delta,)),), None)


@pytest.mark.parametrize("status", [200, 503])
def test_a_cassette_decodes_an_error_response_into_an_error(status: int) -> None:
    recording = whole('{"error": {"type": "busy", "message": "Later."}}', status=status).decode()
    assert recording.reads == ()
    assert isinstance(recording.error, ProviderResponseError)
    assert (recording.error.kind, recording.error.message) == ("busy", "Later.")


def test_a_cassette_has_a_repr_of_one_line():
    cassette = Cassette(
        "a.jsonl", {"protocol": "openai", "path": "/v1/chat/completions"}, (Read(0.1, b"ab"), Read(1, b"c"))
    )
    assert repr(cassette) == "<Cassette a.jsonl: POST /v1/chat/completions, 2 reads, 3 bytes>"
