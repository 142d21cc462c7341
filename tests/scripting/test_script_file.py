"""Script files are written and read by people and programs, and have errors with line and column."""

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
from pytest_streamval.errors import InvalidFileError

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
{"thinking": "Hm.", "signature": "EqQB"}
{"tool_calls": [{"index": 2, "name": "patch", "arguments": "x y", "kind": "custom"}], "refusal": "No."}
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
    """An error with an attribute besides its args."""

    def __init__(self, message: str = "", code: int = 0) -> None:
        super().__init__(message)
        self.code = code


def comparable(script: Script) -> list[object]:
    """Return the steps in a form that can be compared, as exceptions are never equal."""
    return [
        (type(step.exc), step.exc.args) if isinstance(step, Raise) and isinstance(step.exc, BaseException) else step
        for step in script.steps
    ]


# Reading


def test_a_script_written_by_hand_can_be_loaded(path: Path) -> None:
    path.write_text(BY_HAND, encoding="utf-8")
    script = Script.load(path)
    assert comparable(script) == [
        "Let me ",
        "look.\n",
        Delay(0.2),
        Delta(thinking="Which city?"),
        Delta(tool_calls=(ToolCallDelta(0, "call_1", "weather", '{"city":'),)),
        Delta(tool_calls=(ToolCallDelta(0, arguments=' "Ulm"}'), ToolCallDelta(1))),
        Delta("It rains", usage=Usage(12)),
        Delta(thinking="Hm.", signature="EqQB"),
        Delta(tool_calls=(ToolCallDelta(2, None, "patch", "x y", "custom"),), refusal="No."),
        Delta(".", finish_reason="stop"),
        (TimeoutError, ("read timed out",)),
        (asyncio.LimitOverrunError, ("too long",)),
        Raise(ConnectionError),
        Stall(),
    ]


@pytest.mark.parametrize(
    ("data", "steps"),
    [
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
def test_load_reads_files_in_the_formats_of_editors(data: bytes, steps: tuple[object, ...], path: Path) -> None:
    path.write_bytes(data)
    assert Script.load(path).steps == steps
    assert Script.load(str(path)).steps == steps


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('"a', 1, "Invalid JSON: Unterminated string. A script file is JSONL"),
        ("Hello", 1, "Invalid JSON: Expecting value"),
        ('"a" "b"', 5, "Invalid JSON: Extra data"),
        ('{"text": "a",, "usage": 1}', 14, "Invalid JSON: Expecting property name"),
        ('  "a\tb"', 5, "Invalid JSON: Invalid control character"),
        ('{"text": "é" "b"}', 14, "Invalid JSON: Expecting ',' delimiter"),
        (" [1]", 2, "Invalid step: [1]. It must be a string or an object with keys"),
        ("{}", 1, "Invalid step: {}. It must be a string or an object with keys"),
        ("null", 1, "Invalid step: null"),
        (
            '{"txt": "a"}',
            2,
            'Unknown key "txt" (did you mean "text"?). Known keys are "text", "thinking", "tool_calls"',
        ),
        ('{"text": "a", "xyz": 1}', 15, 'Unknown key "xyz". Known keys are'),
        ('{"text": "a", "text": 5}', 15, 'Duplicate key "text"'),
        ('{"text": 5}', 10, 'Invalid "text": 5. It must be a string'),
        ('{"thinking": null}', 14, 'Invalid "thinking": null. It must be a string'),
        ('{"text": "a", "finish_reason": true}', 32, 'Invalid "finish_reason": true. It must be a string'),
        ('{"text": ["' + "x" * 99 + '"]}', 10, 'Invalid "text": ["' + "x" * 58 + ".... It must be a string"),
        ('{"usage": 5}', 11, 'Invalid "usage": 5. It must be an object'),
        ('{"usage": {"input": 5}}', 12, 'Unknown key "input". Known keys are "input_tokens", "output_tokens"'),
        ('{"usage": {"output_tokens": 1.5}}', 29, 'Invalid "output_tokens": 1.5. It must be a whole number'),
        ('{"usage": {"output_tokens": true}}', 29, 'Invalid "output_tokens": true'),
        ('{"tool_calls": {"index": 0}}', 16, 'Invalid "tool_calls": {"index": 0}. It must be an array of objects'),
        ('{"tool_calls": [{"index": 0}, 7]}', 31, 'Invalid item of "tool_calls": 7. It must be an object'),
        ('{"tool_calls": [{"index": 0} , {"indx": 1}]}', 33, 'Unknown key "indx" (did you mean "index"?)'),
        ('{"tool_calls": [{"index": null}]}', 27, 'Invalid "index": null. It must be a whole number'),
        ('{"delay": "1"}', 11, 'Invalid "delay": "1". It must be a number of seconds, 0 or more'),
        ('{"delay": -1}', 11, 'Invalid "delay": -1'),
        ('{"delay": true}', 11, 'Invalid "delay": true'),
        ('{"delay": NaN}', 11, 'Invalid "delay": NaN'),
        ('{"delay": 1e999}', 11, 'Invalid "delay": Infinity'),
        ('{"text": "a", "delay": 1}', 15, '"delay" must be the only key of its step'),
        ('{"stall": true, "typo": 1}', 2, '"stall" must be the only key of its step'),
        ('{"delay": 1, "delay": 2}', 14, 'Duplicate key "delay"'),
        ('{"stall": false}', 11, 'Invalid "stall": false. It must be true'),
        ('{"raise": "TimeoutError"}', 11, 'Invalid "raise": "TimeoutError". It must be an object'),
        ('{"raise": {"message": "x"}}', 11, '"raise" must have a "type"'),
        ('{"raise": {"type": null}}', 20, 'Invalid "type": null. It must be a string'),
        (
            '{"raise": {"type": "OSError", "message": "x", "args": []}}',
            11,
            '"raise" must not have both "message" and "args"',
        ),
        ('{"raise": {"type": "OSError", "args": "x"}}', 39, 'Invalid "args": "x". It must be an array'),
        (
            '{"raise": {"type": "OSError", "args": [2, [1]]}}',
            43,
            'Invalid item of "args": [1]. It must be a string, a number, true',
        ),
        ('{"raise": {"type": "OSError", "text": "x"}}', 31, 'Known keys are "type", "message", "args"'),
        (
            '{"raise": {"type": "TimoutError"}}',
            20,
            '"TimoutError" (did you mean "TimeoutError"?). The name of any other class is',
        ),
        (
            '{"raise": {"type": "q.Gone"}}',
            20,
            'Unknown built-in exception "q.Gone". The name of any other class is "package.module:C',
        ),
        ('{"raise": {"type": "int"}}', 20, "int is not a class of exceptions"),
        ('{"raise": {"type": "json:loads"}}', 20, "json:loads is not a class of exceptions"),
        ('{"raise": {"type": "json:nothing"}}', 20, "json:nothing cannot be imported: AttributeError"),
        ('{"raise": {"type": "not.here:Error"}}', 20, "not.here:Error cannot be imported: a file can name"),
        ('{"raise": {"type": "__import__(\'os\'):error"}}', 20, "modules that are imported already"),
        ('{"raise": {"type": ":error"}}', 20, "imported already. Import '' before"),
        ('{"raise": {"type": "UnicodeDecodeError"}}', 11, "UnicodeDecodeError cannot be made: TypeError"),
        ('{"delay": 1' + "0" * sys.get_int_max_str_digits() + "}", 1, "Unreadable JSON: Exceeds the limit"),
        ("[" * 100_000, 1, "Unreadable JSON: maximum recursion depth"),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)
def test_load_reports_a_fault_with_line_and_column(line: str, column: int, message: str, path: Path) -> None:
    path.write_text(f'# A comment\n\n"one"\n{line}\n"two"\n', encoding="utf-8")
    with pytest.raises(InvalidFileError) as caught:
        Script.load(path)
    assert str(caught.value).startswith(f"{path}:4:{column}: ")
    assert message in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_load_reports_bytes_that_are_not_utf_8(path: Path) -> None:
    path.write_bytes('"a"\n"Gr\u00fc'.encode() + b'\xdf"\n')
    with pytest.raises(InvalidFileError, match=r":2:5: The byte 0xdf is not UTF-8"):
        Script.load(path)


def test_load_recognises_a_cassette(streams: Path) -> None:
    with pytest.raises(InvalidFileError, match=r":1:1: This file is a cassette.*Script\.from_cassette\(path\)"):
        Script.load(streams / "openai-water.jsonl")


def test_load_recognises_a_cassette_only_by_its_first_line(path: Path) -> None:
    path.write_text('"a"\n{"protocol": "openai"}', encoding="utf-8")
    with pytest.raises(InvalidFileError, match=r':2:2: Unknown key "protocol"'):
        Script.load(path)


def test_load_reports_an_exception_that_cannot_be_made_with_its_cause(path: Path) -> None:
    path.write_text('{"raise": {"type": "json:JSONDecodeError", "message": "x"}}', encoding="utf-8")
    with pytest.raises(InvalidFileError, match=r"JSONDecodeError cannot be made: TypeError: .* missing 2") as caught:
        Script.load(path)
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("data", [b"", b"\n \n# nothing\n", b"\xef\xbb\xbf"], ids=repr)
def test_load_rejects_a_file_without_steps(data: bytes, path: Path) -> None:
    path.write_bytes(data)
    with pytest.raises(InvalidFileError, match=r"The file has no step.* A producer that sends nothing has \"\""):
        Script.load(path)


def test_dump_rejects_a_script_without_steps(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r'Write Script\.of\(""\)'):
        Script.of().dump(path)
    assert not path.exists()


# Writing


def test_dump_writes_lines_like_those_of_a_person(path: Path) -> None:
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
        asyncio.CancelledError("stop"),
        InvalidArgumentError("a", "b", "c"),
        ConnectionError,
    ],
    ids=repr,
)
def test_load_makes_an_exception_of_the_same_class_and_args(exc: BaseException, path: Path) -> None:
    script = Script.of(Raise(exc))
    script.dump(path)
    assert comparable(Script.load(path)) == comparable(script)


TEXTS = st.text(st.characters(codec=None), max_size=8).filter(lambda text: json.loads(json.dumps(text)) == text)
WORDS = st.none() | TEXTS
TOKENS = st.none() | st.integers(0)
CALLS = st.lists(st.builds(ToolCallDelta, st.integers(0, 9), WORDS, WORDS, TEXTS), max_size=2).map(tuple)
DELTAS = st.builds(Delta, TEXTS, TEXTS, CALLS, st.none() | st.builds(Usage, TOKENS, TOKENS), WORDS)
DELAYS = st.builds(Delay, st.floats(0, allow_infinity=False) | st.integers(0))
RAISES = st.builds(Raise, st.sampled_from([TimeoutError, asyncio.CancelledError]))
STEPS = st.one_of(TEXTS, DELTAS, DELAYS, RAISES, st.just(Stall()))


@given(steps=st.lists(STEPS, min_size=1, max_size=6))
def test_load_returns_the_script_that_dump_wrote(steps: list[object], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.jsonl"
    script = Script(tuple(steps))
    script.dump(path)
    assert Script.load(path) == script
    lines = path.read_bytes().decode().splitlines()  # like editors, also at U+2028
    assert len(lines) == len(steps)


@pytest.mark.parametrize("name", ["openai-emoji", "anthropic-unicode"])
def test_dump_writes_the_script_of_a_recorded_stream(name: str, streams: Path, path: Path) -> None:
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
        """A class that cannot be imported."""

    return LocalError("x")


class MyDelta(Delta):
    """A subclass of Delta."""


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ("\ud83d\ude00", "It would be read back as '\U0001f600', which is not the same. A line must be read back"),
        (Delta(b"x"), "b'x' cannot be written as JSON. A line"),
        (Delta(text=5), 'Invalid "text": 5. It must be a string. A line'),
        (Delta("x", tool_calls=[ToolCallDelta(0)]), "would be read back as Delta"),
        (MyDelta("x"), "would be read back as Delta"),
        (Delay(float("inf")), 'Invalid "delay": Infinity. It must be a number of seconds, 0 or more'),
        (Delay(True), 'Invalid "delay": true'),
        (Raise(UnicodeDecodeError), "UnicodeDecodeError cannot be made"),
        (Raise(ExceptionGroup("x", [ValueError()])), "ValueError() cannot be written as JSON. A script file keeps the"),
        (Raise(ValueError([1])), 'Invalid item of "args": [1]'),
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
def test_dump_rejects_a_step_that_load_would_change(step: object, message: str, path: Path) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        Script.of("one", step).dump(path)
    assert str(caught.value).startswith("Invalid steps[1]: ")
    assert message in str(caught.value)
    assert not path.exists()


def test_load_makes_a_users_exception_that_has_only_args(path: Path) -> None:
    script = Script.of(Raise(CodedError("x")), Raise(CodedError))
    script.dump(path)
    assert comparable(Script.load(path)) == comparable(script)
