"""A raw frame is skipped by producers without a wire, and kept by everything that changes or keeps a script."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import find, given
from hypothesis import strategies as st

from pytest_streamval import (
    Delay,
    InvalidArgumentError,
    RawFrame,
    Script,
    SimpleContext,
    StreamingMockBackend,
    strategies,
)
from pytest_streamval.errors import InvalidFileError
from pytest_streamval.fuzzing.script_content import ScriptContent

if TYPE_CHECKING:
    from pathlib import Path

PING = RawFrame(b": ping\n\n")
SCRIPT = Script.of(PING, "Hel", PING, "lo", " you.", PING, finish_reason="stop")


def test_a_raw_frame_is_a_value() -> None:
    assert RawFrame(b": ping\n\n") == PING != RawFrame(b"")
    assert repr(PING) == r"RawFrame(data=b': ping\n\n')"
    assert eval(repr(PING)) == PING  # noqa: S307  # its own repr
    assert pickle.loads(pickle.dumps(PING)) == PING  # noqa: S301  # this test made it
    assert len({PING, RawFrame(b": ping\n\n")}) == 1


@pytest.mark.parametrize("data", [": ping\n\n", None, 5, bytearray(b"x")], ids=repr)
def test_a_raw_frame_without_bytes_raises(data: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="It must be bytes"):
        RawFrame(data)


def test_bytes_among_the_steps_of_a_script_raise_and_name_the_raw_frame() -> None:
    step: Any = b": ping\n\n"
    with pytest.raises(InvalidArgumentError, match=r"write RawFrame\(\.\.\.\)"):
        Script.of(step)


# Producers without a wire


def test_a_mock_backend_skips_raw_frames() -> None:
    async def main() -> None:
        backend = StreamingMockBackend(SCRIPT)
        output, _ = await backend.generate_from_context("Hi", SimpleContext())
        assert await output.avalue() == "Hello you."
        assert backend.calls[0].deltas_sent == len(SCRIPT.deltas) == 3
        assert backend.calls[0].sent_text == "Hello you."
        assert output.generation.finish_reason == "stop"

    asyncio.run(main())


def test_playbacks_skip_raw_frames() -> None:
    async def main() -> list[str]:
        return [text async for text in SCRIPT.play()]

    assert asyncio.run(main()) == list(SCRIPT.play_sync()) == ["Hel", "lo", " you."]
    assert list(Script.of(PING).play_sync()) == []


# Other cuts


def test_a_recut_script_keeps_its_raw_frames() -> None:
    assert Script.of("Hel", PING, "lo you.").recut([1, 6]).steps == ("H", "el", PING, "lo ", "you.")


def shape(script: Script) -> list[object]:
    """Return the raw frames, and the text between them."""
    found: list[object] = [""]
    for step in script.steps:
        if isinstance(step, RawFrame):
            found += [step, ""]
        else:
            found[-1] = f"{found[-1]}{step if isinstance(step, str) else getattr(step, 'text', '')}"
    return found


@given(strategies.scripts(raw_frames=[b": ping\n\n", b"\n"]), st.integers(1, 60))
def test_no_rule_of_cuts_moves_a_raw_frame_or_joins_the_text_around_it(script: Script, number: int) -> None:
    content = ScriptContent(script)
    if not content.size:
        return  # there is nothing to cut, and no rule
    assert shape(content.divided(content.division(content.rule(number)[0]))) == shape(script)


def test_scripts_are_drawn_with_raw_frames_only_on_request() -> None:
    frames = [b": ping\n\n"]
    found = find(strategies.scripts("ab", raw_frames=frames), lambda script: PING in script.steps)
    assert [step for step in found.steps if isinstance(step, RawFrame)] == [PING]
    one: Any = b": ping\n\n"
    with pytest.raises(InvalidArgumentError, match="It must be a list of bytes"):
        strategies.scripts(raw_frames=one)


# Files


def test_a_raw_frame_is_written_as_text_or_as_base64(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    script = Script.of(PING, "Hi", RawFrame("é\r\n".encode()), RawFrame(b"\xff\0"), RawFrame(b""), Delay(1))
    script.dump(path)
    assert path.read_text(encoding="utf-8").splitlines() == [
        r'{"raw": ": ping\n\n"}',
        '"Hi"',
        r'{"raw": "é\r\n"}',
        '{"raw": {"base64": "/wA="}}',
        '{"raw": ""}',
        '{"delay": 1}',
    ]
    assert Script.load(path) == script


@given(st.binary())
def test_every_raw_frame_is_read_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "raw.jsonl"
    Script.of(RawFrame(data)).dump(path)
    assert Script.load(path).steps == (RawFrame(data),)


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ('{"raw": 5}', 9, 'Invalid "raw": 5. It must be a text, or an object with "base64"'),
        ('{"raw": {}}', 9, 'It must be a text, or an object with "base64"'),
        ('{"raw": {"base46": "YQ=="}}', 10, 'Unknown key "base46" (did you mean "base64"?)'),
        ('{"raw": {"base64": "YQ"}}', 20, '"base64" is not base64'),
        ('{"raw": {"base64": "ä"}}', 20, '"base64" is not base64'),
        ('{"raw": {"base64": 5}}', 20, 'Invalid "base64": 5. It must be a string'),
        (r'{"raw": "\ud800"}', 9, '"raw" cannot be written as UTF-8'),
        ('{"raw": "a", "text": "b"}', 2, '"raw" must be the only key of its step'),
    ],
)
def test_an_invalid_raw_frame_in_a_file_has_its_line_and_column(
    line: str, column: int, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(f'"a"\n{line}\n', encoding="utf-8")
    with pytest.raises(InvalidFileError) as caught:
        Script.load(path)
    assert f"{path}:2:{column}: " in str(caught.value)
    assert message in str(caught.value)
