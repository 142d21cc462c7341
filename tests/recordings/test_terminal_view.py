"""The view of a cassette in a terminal and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, Read
from pytest_streamval.errors.text import display_width
from pytest_streamval.recordings import terminal_view
from pytest_streamval.recordings.terminal_view import View, fitted, harmless, picture, wrapped

if TYPE_CHECKING:
    from pathlib import Path

HEADER = {
    "protocol": "openai",
    "model": "m",
    "server": "http://127.0.0.1",
    "method": "POST",
    "path": "/v1/chat/completions",
    "request": {"model": "m", "messages": [{"content": "Hi"}], "stop": ["."], "n": 1},
    "status": 200,
    "headers": [["content-type", "text/event-stream"]],
    "end": {"how": "complete", "at": 2.0},
}


def frame(**delta: object) -> bytes:
    reason = delta.pop("finish", None)
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return f"data: {json.dumps({'choices': [choice]}, ensure_ascii=False)}\n\n".encode()


def view(*reads: tuple[float, bytes], **header: object) -> View:
    return View.of(Cassette("it.jsonl", {**HEADER, **header}, tuple(Read(*each) for each in reads)))


def lines_of(shown: View, **options: object) -> list[str]:
    return list(shown.lines(**options))


TOOL = {"index": 0, "id": "1", "function": {"name": "look", "arguments": '{"at": 1}'}}
USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 7}}\n\n'
EVERYTHING = (
    (0.5, frame(content="Hello, ") + frame(content="you.")),
    (0.75, frame(reasoning_content="Hm.")),
    (1.5, frame(tool_calls=[TOOL])),
    (1.625, frame(finish="stop") + USAGE),
    (2.0, b"data: [DONE]\n\n"),
)


def test_the_view_shows_all_parts_of_a_stream() -> None:
    assert lines_of(view(*EVERYTHING)) == [
        "file      it.jsonl",
        "model     m",
        "server    http://127.0.0.1",
        "request   POST /v1/chat/completions (openai)",
        'options   stop ["."], n 1',
        "prompt    Hi",
        "answer    200, text/event-stream",
        "ended     complete, 2.000 s after the request",
        "finish    stop, 5 tokens in, 7 out",
        "",
        "Hello, you.",
        "",
        "thinking: Hm.",
        "",
        'tool calls: [{"id": "1", "name": "look", "arguments": "{\\"at\\": 1}"}]',
        "",
        "5 reads, 609 bytes, 6 deltas, 11 characters; first byte after 0.500 s, 2.000 s",
        "in all. A read came every 312 ms (median); the longest pause, 750 ms, was before",
        "read 3. Every read ended with a frame.",
        "",
        *picture(view(*EVERYTHING).rows, 2.0, 80),
        "",
        "  read        at      pause   bytes  text",
        "     1   0.500 s     500 ms     179  'Hello, ' 'you.'",
        "     2   0.750 s     250 ms      97  thinking 'Hm.'",
        "     3   1.500 s     750 ms     168  tool look'{\"at\": 1}'",
        "     4   1.625 s     125 ms     151  finish stop usage 5+7",
        "     5   2.000 s     375 ms      14  -",
    ]


def test_a_picture_has_a_bar_at_the_time_of_each_read() -> None:
    rows = view((0.0, frame(content="a" * 8)), (0.5, frame(content="a" * 4)), (1.0, frame(content="a"))).rows
    assert list(picture(rows, 1.0, 12)) == [
        " █",
        " █",
        " █    █",
        " █    █   ▄",
        " ┴────────┴",
        " 0 sa column is 100 ms, the highest 8 characters1.000 s",
    ]
    assert list(picture(rows, 1.0, 12, blocks=False))[2:5] == [" %    %", " %    %   =", " +--------+"]


def test_a_picture_of_zero_seconds_has_one_bar() -> None:
    assert [line[:2] for line in picture(view((0.0, b"x")).rows, 0.0, 80)][:4] == [" █"] * 4


@pytest.mark.parametrize("name", ["openai-emoji", "openai-story", "anthropic-unicode", "openai-code"])
@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_of_a_view_is_wider_than_the_terminal(streams: Path, name: str, width: int) -> None:
    shown = View.of(Cassette.load(streams / f"{name}.jsonl"))
    assert max(map(display_width, shown.lines(width))) <= width


def test_the_view_of_a_long_stream_shows_its_beginning_and_its_end(streams: Path) -> None:
    shown = View.of(Cassette.load(streams / "openai-water.jsonl"))
    few, every = lines_of(shown), lines_of(shown, whole=True)
    assert "   ...  11 more, shown by --all" in few
    assert len(every) - len(few) == 10
    assert [line for line in every if line.startswith("    17 ")]


def test_the_view_of_a_failed_stream_shows_its_error() -> None:
    end = {"how": "broken", "at": 2.5, "why": "ReadError: gone"}
    lines = lines_of(view((1.0, frame(content="Hel")[:30]), end=end))
    assert "ended     broken, 2.500 s after the request: ReadError: gone" in lines
    assert "(no text)" in lines
    assert any(line.startswith("error     StreamTruncatedError: The openai stream ended without") for line in lines)
    assert "1 read ended inside a frame, 0 of them inside a character." in " ".join(lines)


def test_the_view_counts_reads_that_end_inside_frames_and_characters() -> None:
    whole = frame(content="🍎")
    at = whole.index(b"\xf0") + 2
    assert view((0, whole[:at]), (1, whole[at:-1]), (2, whole[-1:]), (3, b"data: [DONE]\r\n\r\n")).torn() == (2, 1)
    lines = (b'{"done": false}\n', b'{"done": true}')
    assert view((0, lines[0]), (1, lines[1]), protocol="ollama").torn() == (1, 0)


def test_the_view_of_a_stream_without_reads_has_no_picture() -> None:
    lines = lines_of(
        view(status=None, request="no JSON", headers=[], end={"how": "left", "at": 1.0, "why": "CancelledError"})
    )
    assert "answer    none" in lines
    assert "prompt    no JSON" in lines
    assert lines[-1] == "0 reads, 0 bytes, 0 deltas, 0 characters; 1.000 s in all."


def test_the_view_of_a_refusal_shows_its_message() -> None:
    lines = lines_of(
        view((0.5, b'{"error": {"type": "busy", "message": "Later."}}'), status=429, end={"how": "refused"})
    )
    assert "answer    429, text/event-stream" in lines
    assert any(line.startswith("error     ProviderResponseError: The openai provider answered with") for line in lines)
    assert not any("frame" in line for line in lines)


def test_the_view_puts_a_response_that_was_not_streamed_in_its_last_read() -> None:
    body = b'{"choices": [{"message": {"content": "Hi."}, "finish_reason": "stop"}]}'
    shown = view((0.5, body[:20]), (1.0, body[20:]), headers=[["content-type", "application/json"]])
    assert shown.text == "Hi."
    assert [len(row.deltas) for row in shown.rows] == [0, 1]


def test_the_view_puts_deltas_that_the_end_completes_in_the_last_read() -> None:
    line = b'{"message": {"content": "Hi."}, "done": true}'
    shown = view((0.5, b'{"message": {"content": "Oh. "}}\n'), (1.0, line), protocol="ollama")
    assert [row.deltas[0].text for row in shown.rows] == ["Oh. ", "Hi."]


def test_the_view_shortens_a_long_prompt() -> None:
    assert any(line.endswith("x ...") for line in lines_of(view(request={"prompt": "x" * 500})))


def test_the_view_shows_a_refusal_the_kind_of_a_call_and_the_deviations_of_a_stream() -> None:
    frames = [
        b'data: {"choices":[{"delta":{"refusal":"No."}}]}\n\n',
        b'data: {"choices":[{"delta":{"tool_calls":[{"id":"x","custom":{"name":"f","input":"a"}}]}}]}\n\n',
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
    ]
    shown = view(*((1.0 + number, frame) for number, frame in enumerate(frames)))
    lines = lines_of(shown)
    assert "refusal: No." in lines
    assert 'tool calls: [{"id": "x", "name": "f", "arguments": "a", "kind": "custom"}]' in lines
    assert any("refusal 'No.'" in line for line in lines)
    odd = next(number for number, line in enumerate(lines) if line.startswith("odd"))
    detail = f"byte {len(frames[0] + frames[1])}: the body ends without the frame [DONE], but after a finish reason"
    assert " ".join(line[10:] for line in lines[odd : odd + 2]) == f"{detail} (missing-end)"
    facts = shown.facts()
    assert (facts["refusal"], facts["signature"]) == ("No.", "")
    assert [each["kind"] for each in facts["deviations"]] == ["missing-end"]


def test_the_facts_of_a_view_are_complete() -> None:
    facts = view(*EVERYTHING).facts()
    assert json.loads(json.dumps(facts)) == facts
    assert facts["header"] == HEADER
    assert {
        name: facts[name] for name in ("text", "thinking", "finish_reason", "usage", "bytes", "seconds", "error")
    } == {
        "text": "Hello, you.",
        "thinking": "Hm.",
        "finish_reason": "stop",
        "usage": {"input_tokens": 5, "output_tokens": 7},
        "bytes": 609,
        "seconds": 2.0,
        "error": None,
    }
    assert facts["reads"][0] == {"at": 0.5, "pause": 0.5, "bytes": 179, "texts": ["Hello, ", "you."]}
    assert view().facts()["first_byte"] is None


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("one two three", ["one two", "three"]),
        ("onetwothree", ["onetwoth", "ree"]),
        ("ab\n\ncd", ["ab", "", "cd"]),
        ("水水水水水", ["水水水水", "水"]),
        ("\x1b[31mx", ["\\x1b[31m", "x"]),
        ("a\tb", ["a   b"]),
        ("", [""]),
    ],
)
def test_wrapped_breaks_a_text_by_its_columns(text: str, lines: list[str]) -> None:
    assert wrapped(text, 8) == lines


def test_fitted_shortens_a_text_to_its_columns() -> None:
    assert fitted("水水水水", 7) == "水水水…"
    assert fitted("abc", 3) == "abc"


def test_harmless_escapes_control_characters() -> None:
    assert harmless("a\x1b]0;x\x07\x9b\r\n\tb") == "a\\x1b]0;x\\x07\\x9b\\r\n\tb"


def test_a_long_text_is_wrapped_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []
    monkeypatch.setattr(terminal_view, "display_width", lambda text: measured.append(len(text)) or len(text))
    text = "Hello there. " * 2_000
    assert " ".join(line.strip() for line in wrapped(text, 40)).split() == text.split()
    assert sum(measured) < 3 * len(text)
