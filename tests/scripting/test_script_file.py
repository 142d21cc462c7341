"""Script files are written and read by people and programs, and say where they are wrong."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import (
    Delay,
    Delta,
    InvalidArgumentError,
    Raise,
    Script,
    Stall,
    StreamTruncatedError,
    ToolCallDelta,
    Usage,
)
from pytest_streamval.errors import InvalidScriptError

if TYPE_CHECKING:
    from pathlib import Path

BY_HAND = r"""# The model calls a tool, and the connection breaks.
"Let me "

  # Indented, like the next.
  "look.\n"
{"delay": 0.2}
{"thinking": "Which city?"}
{"tool_calls": [{"index": 0, "id": "call_1", "name": "weather", "arguments": "{\"city\":"}]}
{"tool_calls": [{"arguments": " \"Ulm\"}"}, {"index": 1, "id": null, "name": null}]}
{"text": "It rains", "usage": {"input_tokens": 12, "output_tokens": null}, "finish_reason": null}
{"text": ".", "usage": null, "finish_reason": "stop"}
{"raise": {"type": "TimeoutError", "message": "read timed out"}}
{"raise": {"type": "asyncio:LimitOverrunError", "args": ["too long", 3]}}
{"raise": {"type": "ConnectionError"}}
{"stall": true}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "script.jsonl"


class CodedError(Exception):
    """Has more to it than its args."""

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def told(script: Script) -> list[object]:
    """Return the steps, comparable: two exceptions are never equal."""
    return [
        (type(step.exc), step.exc.args) if isinstance(step, Raise) and isinstance(step.exc, BaseException) else step
        for step in script.steps
    ]


# Reading


def test_a_script_is_written_by_hand(path: Path) -> None:
    path.write_text(BY_HAND, encoding="utf-8")
    script = Script.load(path)
    assert told(script) == [
        "Let me ",
        "look.\n",
        Delay(0.2),
        Delta(thinking="Which city?"),
        Delta(tool_calls=(ToolCallDelta(0, "call_1", "weather", '{"city":'),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments=' "Ulm"}'), ToolCallDelta(1))),
        Delta("It rains", usage=Usage(12)),
        Delta(".", finish_reason="stop"),
        (TimeoutError, ("read timed out",)),
        (asyncio.LimitOverrunError, ("too long",)),
        Raise(ConnectionError),
        Stall(),
    ]


@pytest.mark.parametrize(
    ("data", "steps"),
    [
        (b"", ()),
        (b"\n \n# nothing\n", ()),
        (b'"a"', ("a",)),
        (b'"a"\r\n# b\r\n\r\n{"text": "c"}\r\n', ("a", Delta("c"))),
        (b'\xef\xbb\xbf"a"\n', ("a",)),
        ('"a\u2028b\u0085c\x1cd"\n"e"'.encode().replace(b"\x1c", rb"\u001c"), ("a\u2028b\u0085c\x1cd", "e")),
        (rb'"\ud83d"' + b"\n" + rb'"\ude00"', ("\ud83d", "\ude00")),
        (rb'"\ud83d\ude00"', ("\U0001f600",)),
        ('"Grüße 😀"'.encode(), ("Grüße 😀",)),
        (b'\t{ "text" : "a" , "tool_calls" : [ ] }\t', (Delta("a"),)),
        (b'{"usage": {}}', (Delta(usage=Usage()),)),
        (b'{"delay": 0}', (Delay(0),)),
    ],
    ids=repr,
)
def test_files_come_as_editors_write_them(data: bytes, steps: tuple[object, ...], path: Path) -> None:
    path.write_bytes(data)
    assert Script.load(path).steps == steps
    assert Script.load(str(path)).steps == steps


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('"a', 1, "no JSON: Unterminated string. A script file is JSONL"),
        ("Hello", 1, "no JSON: Expecting value"),
        ('"a" "b"', 5, "no JSON: Extra data"),
        ('{"text": "a",, "usage": 1}', 14, "no JSON: Expecting property name"),
        ('  "a\tb"', 5, "no JSON: Invalid control character"),
        ('{"text": "é" "b"}', 14, "no JSON: Expecting ',' delimiter"),
        (" [1]", 2, "a step is a string or an object with keys, not [1]"),
        ("{}", 1, "a step is a string or an object with keys, not {}"),
        ("null", 1, "not null"),
        ('{"txt": "a"}', 2, 'unknown key "txt" (did you mean "text"?); known are "text", "thinking", "tool_calls"'),
        ('{"text": "a", "xyz": 1}', 15, 'unknown key "xyz"; known are'),
        ('{"text": "a", "text": 5}', 15, '"text" stands here a second time'),
        ('{"text": 5}', 10, '"text" is a string, not 5'),
        ('{"thinking": null}', 14, '"thinking" is a string, not null'),
        ('{"text": "a", "finish_reason": true}', 32, '"finish_reason" is a string, not true'),
        ('{"text": ["' + "x" * 99 + '"]}', 10, '"text" is a string, not ["' + "x" * 58 + "..."),
        ('{"usage": 5}', 11, '"usage" is an object, not 5'),
        ('{"usage": {"input": 5}}', 12, 'unknown key "input"; known are "input_tokens", "output_tokens"'),
        ('{"usage": {"output_tokens": 1.5}}', 29, '"output_tokens" is a whole number, not 1.5'),
        ('{"usage": {"output_tokens": true}}', 29, "not true"),
        ('{"tool_calls": {"index": 0}}', 16, '"tool_calls" is an array of objects, not {"index": 0}'),
        ('{"tool_calls": [{"index": 0}, 7]}', 31, 'an item of "tool_calls" is an object, not 7'),
        ('{"tool_calls": [{"index": 0} , {"indx": 1}]}', 33, 'unknown key "indx" (did you mean "index"?)'),
        ('{"tool_calls": [{"index": null}]}', 27, '"index" is a whole number, not null'),
        ('{"delay": "1"}', 11, '"delay" is a number of seconds, 0 or more, not "1"'),
        ('{"delay": -1}', 11, "not -1"),
        ('{"delay": true}', 11, "not true"),
        ('{"delay": NaN}', 11, "not NaN"),
        ('{"delay": 1e999}', 11, "not Infinity"),
        ('{"text": "a", "delay": 1}', 15, '"delay" is a step of its own, without other keys'),
        ('{"stall": true, "typo": 1}', 2, '"stall" is a step of its own'),
        ('{"delay": 1, "delay": 2}', 14, '"delay" stands here a second time'),
        ('{"stall": false}', 11, '"stall" is true, not false'),
        ('{"raise": "TimeoutError"}', 11, '"raise" is an object, not "TimeoutError"'),
        ('{"raise": {"message": "x"}}', 11, '"raise" needs a "type"'),
        ('{"raise": {"type": null}}', 20, '"type" is a string, not null'),
        ('{"raise": {"type": "OSError", "message": "x", "args": []}}', 11, 'takes "message" or "args"'),
        ('{"raise": {"type": "OSError", "args": "x"}}', 39, '"args" is an array, not "x"'),
        ('{"raise": {"type": "OSError", "args": [2, [1]]}}', 43, 'an item of "args" is a string, a number, true'),
        ('{"raise": {"type": "OSError", "text": "x"}}', 31, 'known are "type", "message", "args"'),
        ('{"raise": {"type": "TimoutError"}}', 20, '"TimoutError" (did you mean "TimeoutError"?); any other is'),
        (
            '{"raise": {"type": "q.Gone"}}',
            20,
            'no built-in exception is called "q.Gone"; any other is "package.module:C',
        ),
        ('{"raise": {"type": "int"}}', 20, "int is no class of exceptions"),
        ('{"raise": {"type": "json:loads"}}', 20, "json:loads is no class of exceptions"),
        ('{"raise": {"type": "json:nothing"}}', 20, "json:nothing cannot be imported: AttributeError"),
        ('{"raise": {"type": "not.here:Error"}}', 20, "cannot be imported: ModuleNotFoundError: No module named 'not'"),
        ('{"raise": {"type": "__import__(\'os\'):error"}}', 20, "cannot be imported: ModuleNotFoundError"),
        ('{"raise": {"type": ":error"}}', 20, ":error cannot be imported: ValueError: Empty module name"),
        ('{"raise": {"type": "UnicodeDecodeError"}}', 11, "UnicodeDecodeError cannot be made: TypeError"),
        ('{"delay": 1' + "0" * sys.get_int_max_str_digits() + "}", 1, "no JSON that can be read: Exceeds the limit"),
        ("[" * 100_000, 1, "no JSON that can be read: maximum recursion depth"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_line_and_column(line: str, column: int, message: str, path: Path) -> None:
    path.write_text(f'# A comment\n\n"one"\n{line}\n"two"\n', encoding="utf-8")
    with pytest.raises(InvalidScriptError) as caught:
        Script.load(path)
    assert str(caught.value).startswith(f"{path}:4:{column}: ")
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_bytes_that_are_not_utf_8_are_found(path: Path) -> None:
    path.write_bytes('"a"\n"Gr\u00fc'.encode() + b'\xdf"\n')
    with pytest.raises(InvalidScriptError, match=r":2:5: the byte 0xdf is not UTF-8"):
        Script.load(path)


def test_a_cassette_is_known_when_it_is_given_by_mistake(streams: Path) -> None:
    with pytest.raises(InvalidScriptError, match=r":1:1: this is a cassette.*Script\.from_cassette\(path\)"):
        Script.load(streams / "openai-water.jsonl")


def test_protocol_is_an_unknown_key_anywhere_else(path: Path) -> None:
    path.write_text('"a"\n{"protocol": "openai"}', encoding="utf-8")
    with pytest.raises(InvalidScriptError, match=r':2:2: unknown key "protocol"'):
        Script.load(path)


def test_a_class_that_fails_to_be_made_is_told_with_its_error(path: Path) -> None:
    path.write_text('{"raise": {"type": "json:JSONDecodeError", "message": "x"}}', encoding="utf-8")
    with pytest.raises(InvalidScriptError, match=r"JSONDecodeError cannot be made: TypeError: .* missing 2") as caught:
        Script.load(path)
    assert isinstance(caught.value.__cause__, TypeError)


# Writing


def test_a_file_is_as_a_person_would_write_it(path: Path) -> None:
    script = Script.of(
        "Grüße,\n\u2028",
        Delta(),
        Delta("x", tool_calls=(ToolCallDelta(0, "1", "f"), ToolCallDelta(1, arguments="{}"))),
        Delta(thinking="Hm.", usage=Usage(output_tokens=3), finish_reason="stop"),
        Delay(0.2),
        Raise(TimeoutError("slow")),
        Raise(FileNotFoundError(2, "No such file")),
        Raise(asyncio.CancelledError),
        Stall(),
    )
    script.dump(path)
    assert path.read_bytes().decode().split("\n") == [
        r'"Grüße,\n\u2028"',
        '{"text": ""}',
        '{"text": "x", "tool_calls": [{"id": "1", "name": "f"}, {"index": 1, "arguments": "{}"}]}',
        '{"thinking": "Hm.", "usage": {"output_tokens": 3}, "finish_reason": "stop"}',
        '{"delay": 0.2}',
        '{"raise": {"type": "TimeoutError", "message": "slow"}}',
        '{"raise": {"type": "FileNotFoundError", "args": [2, "No such file"]}}',
        '{"raise": {"type": "asyncio.exceptions:CancelledError"}}',
        '{"stall": true}',
        "",
    ]


@pytest.mark.parametrize(
    "exc",
    [
        TimeoutError(),
        TimeoutError("slow"),
        ValueError("a", 1, 1.5, True, None, "\ud83d"),
        OSError(104, "reset"),
        KeyboardInterrupt(),
        asyncio.CancelledError("stop"),
        InvalidArgumentError("a", "b", "c"),
        ConnectionError,
    ],
    ids=repr,
)
def test_an_exception_comes_back_by_its_class_and_its_args(exc: BaseException, path: Path) -> None:
    script = Script.of(Raise(exc))
    script.dump(path)
    assert told(Script.load(path)) == told(script)


TEXTS = st.text(st.characters(codec=None), max_size=8).filter(lambda text: json.loads(json.dumps(text)) == text)
WORDS = st.none() | TEXTS
TOKENS = st.none() | st.integers(0)
CALLS = st.lists(st.builds(ToolCallDelta, st.integers(0, 9), WORDS, WORDS, TEXTS), max_size=2).map(tuple)
DELTAS = st.builds(Delta, TEXTS, TEXTS, CALLS, st.none() | st.builds(Usage, TOKENS, TOKENS), WORDS)
DELAYS = st.builds(Delay, st.floats(0, allow_infinity=False) | st.integers(0))
RAISES = st.builds(Raise, st.sampled_from([TimeoutError, asyncio.CancelledError]))
STEPS = st.one_of(TEXTS, DELTAS, DELAYS, RAISES, st.just(Stall()))


@given(steps=st.lists(STEPS, max_size=6))
def test_what_is_written_is_read_back_the_same(steps: list[object], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    script = Script(tuple(steps))
    script.dump(path)
    assert Script.load(path) == script
    lines = path.read_bytes().decode().splitlines()  # as editors see them: at U+2028 too
    assert len(lines) == len(steps)


@pytest.mark.parametrize("name", ["openai-emoji", "anthropic-unicode"])
def test_a_recorded_stream_becomes_a_file(name: str, streams: Path, path: Path) -> None:
    script = Script.from_cassette(streams / f"{name}.jsonl", timing=True)
    script.dump(path)
    assert Script.load(path) == script


def _with_cause() -> Exception:
    error = KeyError("x")
    error.__cause__ = ValueError("y")
    return error


def _with_note() -> Exception:
    error = TypeError("x")
    error.add_note("y")
    return error


def _of_a_local_class() -> Exception:
    class LocalError(Exception):
        """Nobody can import it."""

    return LocalError("x")


class MyDelta(Delta):
    """A delta that is more than one."""


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("\ud83d\ude00", "would come back as '\U0001f600', which is not the same. Its line has to be read back"),
        (Delta(b"x"), "b'x' cannot be written as JSON. Its line"),
        (Delta(text=5), '"text" is a string, not 5. Its line'),
        (Delta("x", tool_calls=[ToolCallDelta(0)]), "would come back as Delta"),
        (MyDelta("x"), "would come back as Delta"),
        (Delay(float("inf")), '"delay" is a number of seconds, 0 or more, not Infinity'),
        (Delay(True), "not true"),
        (Raise(UnicodeDecodeError), "UnicodeDecodeError cannot be made"),
        (Raise(ExceptionGroup("x", [ValueError()])), "ValueError() cannot be written as JSON. A script file keeps the"),
        (Raise(ValueError([1])), 'an item of "args" is a string'),
        (Raise(OSError(2, "x", "file")), "as Raise(exc=FileNotFoundError(2, 'x')), which is not the same"),
        (Raise(json.JSONDecodeError("a", "b", 0)), "JSONDecodeError cannot be made: TypeError"),
        (Raise(StreamTruncatedError("openai", "x", (), "y")), "b'' cannot be written as JSON"),
        (Raise(_of_a_local_class()), "LocalError cannot be imported: AttributeError"),
        (
            Raise(CodedError("x", 3)),
            "as Raise(exc=CodedError('x')), which is not the same. A script file keeps the class",
        ),
        (Raise(_with_cause()), "as Raise(exc=KeyError('x')), which is not the same"),
        (Raise(_with_note()), "which is not the same"),
    ],
    ids=repr,
)
def test_a_step_that_would_not_come_back_the_same_is_refused(step: object, message: str, path: Path) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Script.of("one", step).dump(path)
    assert str(caught.value).startswith("steps[1]=")
    assert message in str(caught.value)
    assert not path.exists()


def test_an_exception_of_ones_own_comes_back_where_its_args_are_all(path: Path) -> None:
    script = Script.of(Raise(CodedError("x")), Raise(CodedError))
    script.dump(path)
    assert told(Script.load(path)) == told(script)
