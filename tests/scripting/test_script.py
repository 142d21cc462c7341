"""Scripts have the steps that a producer plays."""

from __future__ import annotations

from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import (
    Delay,
    Delta,
    InvalidArgumentError,
    ProviderStreamError,
    Raise,
    Script,
    Stall,
    StreamTruncatedError,
    ToolCallDelta,
    Usage,
)

CALL = Delta(tool_calls=(ToolCallDelta(0, "id", "add", "{}"),))
THOUGHT = Delta(thinking="Hm.")
TEXTS = st.text(alphabet="ab \U0001f600\ud83d", max_size=6)
STEPS = st.one_of(
    TEXTS,
    st.builds(Delta, TEXTS, st.sampled_from(["", "Hm."]), usage=st.sampled_from([None, Usage(1, 2)])),
    st.sampled_from([Delay(0), Delay(2.5), Stall(), Raise(TimeoutError), CALL]),
)
SCRIPTS = st.lists(STEPS, max_size=8).map(lambda steps: Script(tuple(steps)))
RECORDED = sorted((Path(__file__).parent.parent / "data" / "streams").glob("*.jsonl"))


def test_a_script_has_the_text_and_the_deltas_of_its_steps() -> None:
    script = Script.of("Hel", "lo.", Delay(0.2), Delta(" Bye", thinking="hm"), Raise(ValueError("x")), Stall())
    assert script.text == "Hello. Bye"
    assert script.deltas == (Delta("Hel"), Delta("lo."), Delta(" Bye", thinking="hm"))
    assert len(script.steps) == 6


def test_the_last_delta_of_a_script_has_its_finish_reason() -> None:
    script = Script.of("Hel", "lo.", Delay(0.2), finish_reason="stop")
    assert script.steps == ("Hel", Delta("lo.", finish_reason="stop"), Delay(0.2))
    assert Script.of(Delta("x", thinking="y"), finish_reason="stop").deltas == (
        Delta("x", thinking="y", finish_reason="stop"),
    )


def test_a_script_without_deltas_has_its_finish_reason_in_a_new_one() -> None:
    assert Script.of(Delay(1), finish_reason="stop").steps == (Delay(1), Delta(finish_reason="stop"))


@given(text=st.text(), size=st.integers(1, 9))
def test_from_text_divides_a_text_into_deltas_of_one_size(text: str, size: int) -> None:
    script = Script.from_text(text, size)
    assert script.text == text
    assert all(len(step) == size for step in script.steps[:-1])
    assert all(0 < len(step) <= size for step in script.steps[-1:])


def test_scripts_are_values() -> None:
    assert Script.of("a", "b") == Script.from_text("ab") == Script(("a", "b"))
    assert len({Script.of("a"), Script.of("a"), Script.of("b")}) == 2


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Script.of(b"x"), r"Invalid steps\[0\]: b'x'. It must be a str"),
        (lambda: Script.of("x", ValueError("y")), "For a failure, write Raise"),
        (lambda: Script.of(Stall), "For an instance of this class, write Stall"),
        (lambda: Script.from_text("x", 0), "Invalid token_size: 0. .* 1 or more"),
        (lambda: Delay(-1), "Invalid seconds: -1. .* seconds, 0 or more"),
        (lambda: Delay(float("nan")), "Invalid seconds: nan"),
        (lambda: Raise("x"), "Invalid exc: 'x'. .* an exception"),
        (lambda: Raise(int), "Invalid exc: <class 'int'>"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_script_rejects_other_values_than_steps(make: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_from_cassette_returns_the_script_of_a_recorded_stream(path: Path) -> None:
    plain, timed = Script.from_cassette(path), Script.from_cassette(path, timing=True)
    assert plain.text == timed.text != ""
    assert plain.deltas == timed.deltas
    assert plain.deltas[-1].usage is not None
    assert any(delta.finish_reason for delta in plain.deltas)
    assert not any(isinstance(step, Delay) for step in plain.steps)
    assert isinstance(timed.steps[0], Delay)


def test_recordings_of_both_protocols_have_the_same_script(streams: Path) -> None:
    for name in ("water", "list", "code"):
        by_openai = Script.from_cassette(streams / f"openai-{name}.jsonl")
        by_anthropic = Script.from_cassette(streams / f"anthropic-{name}.jsonl")
        assert by_openai.text == by_anthropic.text


def test_from_cassette_has_pauses_that_add_up_to_the_recorded_time(tmp_path: Path) -> None:
    cassette = tmp_path / "three.jsonl"
    frame = '{"choices":[{"index":0,"delta":{"content":"%s"}}]}'
    lines = [
        '{"protocol": "openai"}',
        '{"at": 0.5, "text": "data: ' + (frame % "a").replace('"', '\\"') + '\\n\\n"}',
        '{"at": 0.75, "text": "data: ' + (frame % "b").replace('"', '\\"') + '"}',
        '{"at": 2.0, "text": "\\n\\ndata: [DONE]\\n\\n"}',
    ]
    cassette.write_text("\n".join(lines))
    assert Script.from_cassette(cassette, timing=True).steps == (Delay(0.5), "a", Delay(1.5), "b")


def test_from_cassette_ends_with_the_error_of_a_truncated_stream(tmp_path: Path, streams: Path) -> None:
    lines = (streams / "openai-water.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    cassette = tmp_path / "cut.jsonl"
    cassette.write_text("".join(lines[:10]), encoding="utf-8")
    script = Script.from_cassette(cassette)
    *deltas, failure = script.steps
    assert deltas == list(Script.from_cassette(streams / "openai-water.jsonl").steps[: len(deltas)])
    assert isinstance(failure, Raise)
    assert isinstance(failure.exc, StreamTruncatedError)
    assert failure.exc.text == script.text != ""


@pytest.mark.parametrize("steps", ["abc", ["a"], None], ids=str)
def test_the_steps_of_a_script_are_a_tuple(steps: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid steps: .* Script\.of"):
        Script(steps)


def test_from_cassette_has_the_pause_before_a_recorded_fault(tmp_path: Path) -> None:
    cassette = tmp_path / "fault.jsonl"
    lines = [
        '{"protocol": "openai"}',
        '{"at": 0.5, "text": "data: {\\"choices\\": [{\\"delta\\": {\\"content\\": \\"Hi\\"}}]}\\n\\n"}',
        '{"at": 2.0, "text": "data: {broken\\n\\n"}',
    ]
    cassette.write_text("\n".join(lines))
    *steps, failure = Script.from_cassette(cassette, timing=True).steps
    assert steps == [Delay(0.5), "Hi", Delay(1.5)]
    assert isinstance(failure, Raise)


@pytest.mark.parametrize(
    ("script", "offsets", "steps"),
    [
        (Script.of("Hel", "lo."), [], ("Hello.",)),
        (Script.of("Hel", "lo."), [0, 6, 4, 1, 4], ("H", "ell", "o.")),
        (Script.of("Hel", "", Delta(), Delta("lo.")), [2], ("He", "llo.")),
        (Script.of("Hel", "lo.", finish_reason="stop"), [2], ("He", Delta("llo.", finish_reason="stop"))),
        (Script.of("Hel", "lo.", finish_reason="stop"), [4], ("Hell", Delta("o.", finish_reason="stop"))),
        (Script.of(Delta("Hello", thinking="Hm."), "."), [2], ("He", Delta("llo", thinking="Hm."), ".")),
        (Script.of("Hel", Delay(1), "lo", Stall()), [], ("Hel", Delay(1), "lo", Stall())),
        (Script.of("Hel", Delay(1), "lo", Stall()), [1, 4], ("H", "el", Delay(1), "l", "o", Stall())),
        (Script.of(THOUGHT, "Yes", CALL, Delay(1), THOUGHT), [1], (THOUGHT, "Y", "es", CALL, Delay(1), THOUGHT)),
        (Script.of("", Delay(1)), [0], (Delay(1),)),
        (Script(), [0], ()),
    ],
    ids=repr,
)
def test_recut_moves_boundaries_and_keeps_the_places_of_other_steps(
    script: Script, offsets: list[int], steps: tuple[object, ...]
) -> None:
    assert script.recut(offsets).steps == steps
    assert script.recut(iter(offsets)).steps == steps


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([7], "Invalid offset: 7. .* from 0 to its 6 characters"),
        ([3, -1], "Invalid offset: -1. "),
        ([1.0], r"Invalid offsets: \[1\.0\]. .* whole numbers"),
        ("ab", "Invalid offsets: 'ab'. "),
        (3, "Invalid offsets: 3. "),
    ],
    ids=repr,
)
def test_recut_rejects_an_offset_outside_the_text(offsets: object, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Script.from_text("Hello.").recut(offsets)


def _marks(script: Script) -> list[tuple[int, object]]:
    """Return the steps and fields other than text, each with its place in the text."""
    marks, at = [], 0
    for step in script.steps:
        delta = step if isinstance(step, Delta) else Delta(step) if isinstance(step, str) else None
        at += len(delta.text) if delta else 0
        extras = delta and (delta.thinking, delta.tool_calls, delta.usage, delta.finish_reason)
        if extras is None or any(extras):
            marks.append((at, extras or step))
    return marks


@given(script=SCRIPTS, data=st.data())
def test_recut_changes_boundaries_only(script: Script, data: st.DataObject) -> None:
    offsets = data.draw(st.lists(st.integers(0, len(script.text))))
    cut = script.recut(offsets)
    assert cut.text == script.text
    assert _marks(cut) == _marks(script)
    assert cut.recut(offsets) == cut
    assert all(step not in {"", Delta()} for step in cut.steps)
    boundaries = {0, *accumulate(len(delta.text) for delta in cut.deltas)}
    assert boundaries == {0, len(script.text), *offsets, *(end for end, _ in _marks(script))}


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recut_moves_the_boundaries_of_a_recorded_stream(path: Path) -> None:
    script = Script.from_cassette(path, timing=True)
    cut = script.recut(range(0, len(script.text), 3))
    assert cut.text == script.text
    assert _marks(cut) == _marks(script)


def test_a_script_refuses_the_error_of_an_unknown_protocol() -> None:
    with pytest.raises(InvalidArgumentError, match=r"ProviderStreamError\('opnai', \.\.\.\).*a protocol: .*openai"):
        Raise(ProviderStreamError("opnai", "server_error", "No."))
    assert Raise(ProviderStreamError("openai", "server_error", "No.")).exc
