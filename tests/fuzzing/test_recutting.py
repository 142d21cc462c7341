"""Scripts and mock backends of a test are cut by one rule, in all their channels."""

from __future__ import annotations

import pytest
from hypothesis import given

from pytest_streamval import Delay, Delta, Raise, Script, ToolCallDelta, Usage, strategies
from pytest_streamval.fuzzing.cuts import Cut, Place
from pytest_streamval.fuzzing.recutting import RecutBody, ScriptRecutter
from pytest_streamval.fuzzing.script_content import ScriptContent
from pytest_streamval.model import merge_tool_calls

EVERYWHERE = [*Cut.first(60), Cut("words"), Cut("chars"), Cut("at-1-2e-3.2-joined"), Cut("only-at-0e-2-apart")]


def recut(script: Script | str, cut: str) -> tuple[object, ...]:
    return ScriptRecutter(Cut(cut)).script(script, token_size=2).steps


def test_a_script_recutter_cuts_and_keeps_the_scripts_of_a_test() -> None:
    recutter = ScriptRecutter(Cut("chars"))
    backend = recutter.backend("ab", Script.of("cd", finish_reason="stop"), token_size=2)
    assert [len(script.deltas) for script in backend.scripts] == [2, 2]
    assert recutter.script("ef", token_size=2) == Script.of("e", "f")
    assert [each.script.text for each in recutter.scripts] == ["ab", "cd", "ef"]
    assert recutter.channels == {"text"}


def outputs(script: Script) -> object:
    """Return everything in a script that a cut must not change."""
    calls = [call for delta in script.deltas for call in delta.tool_calls]
    others = [step for step in script.steps if not isinstance(step, str | Delta)]
    usages = [delta.usage for delta in script.deltas if delta.usage is not None]
    reasons = [delta.finish_reason for delta in script.deltas if delta.finish_reason is not None]
    thinking = "".join(delta.thinking for delta in script.deltas)
    return script.text, thinking, merge_tool_calls(calls), others, usages, reasons


@given(strategies.scripts())
def test_a_cut_keeps_everything_of_a_script_but_its_pieces(script: Script) -> None:
    for cut in EVERYWHERE:
        assert outputs(ScriptRecutter(cut).script(script)) == outputs(script)


@given(strategies.scripts())
def test_a_script_that_is_cut_nowhere_else_stays_as_it_is(script: Script) -> None:
    again = ScriptRecutter(Cut("at-b0")).script(script)
    assert [delta for delta in again.deltas if delta != Delta()] == [each for each in script.deltas if each != Delta()]
    assert ScriptContent(script).size == len(ScriptContent(script).text)


TOOL = ToolCallDelta(0, "call_1", "search", '{"q": ')


def test_thinking_and_tool_arguments_are_cut_like_text() -> None:
    script = Script.of(
        Delta(thinking="ab"), "cd", Delta(tool_calls=(ToolCallDelta(0, "c", "f", "{}"),)), Delta(finish_reason="stop")
    )
    assert recut(script, "chars") == (
        Delta(thinking="a"),
        Delta(thinking="b"),
        "c",
        "d",
        Delta(tool_calls=(ToolCallDelta(0, "c", "f", "{"),)),
        Delta(tool_calls=(ToolCallDelta(0, None, None, "}"),)),
        Delta(finish_reason="stop"),
    )
    recutter = ScriptRecutter(Cut("1"))
    recutter.script(script)
    assert recutter.channels == {"text", "thinking", "arguments"}


def test_the_arguments_of_each_tool_call_are_cut_by_themselves() -> None:
    first, second = ToolCallDelta(0, "a", "f", "12"), ToolCallDelta(1, "b", "g", "34")
    more = ToolCallDelta(0, arguments="56")
    script = Script.of(*(Delta(tool_calls=(call,)) for call in (first, second, more)))
    pieces = [call.arguments for step in recut(script, "3") for call in step.tool_calls]
    assert pieces == ["1", "2", "3", "4", "56"]  # one cut in each channel, at its first place


def test_fragments_of_one_call_are_joined_and_those_of_two_are_not() -> None:
    fragments = [TOOL, ToolCallDelta(0, arguments='"x"}'), ToolCallDelta(0, "call_2", "search", "{}")]
    script = Script.of(*(Delta(tool_calls=(call,)) for call in fragments))
    assert [step.tool_calls[0].arguments for step in recut(script, "whole")] == ['{"q": "x"}', "{}"]


def test_a_delta_with_several_channels_stays_together_until_one_of_them_is_cut() -> None:
    delta = Delta("cd", thinking="ab", usage=Usage(1, 2))
    script = Script.of(delta)
    assert recut(script, "whole") == (delta,)
    assert recut(script, "at-3") == (Delta(thinking="ab"), "c", Delta("d", usage=Usage(1, 2)))
    assert recut(script, "at-0e") == ("", delta)
    assert recut(script, "at-2e") == (Delta(thinking="ab"), "", Delta("cd", usage=Usage(1, 2)))


def test_steps_without_content_keep_their_places() -> None:
    failure = Raise(ValueError("x"))
    script = Script.of("ab", Delay(1), "", "cd", failure)
    assert recut(script, "whole") == ("ab", Delay(1), "", "cd", failure)
    assert recut(script, "chars") == ("a", "b", Delay(1), "", "c", "d", failure)


def test_empty_deltas_are_added_at_both_ends_and_after_every_third_piece() -> None:
    assert recut("abcde", "2") == ("", "a", "b", "c", "", "d", "e", "")
    assert recut("", "2") == ()


def test_no_empty_delta_is_added_after_the_finish_reason() -> None:
    end = Delta("e", finish_reason="stop")
    assert recut(Script.of("abcde", finish_reason="stop"), "2") == ("", "a", "b", "c", "", "d", end)


@pytest.mark.parametrize(
    ("steps", "cut", "expected"),
    [
        (("ab", Delta(finish_reason="stop")), "at-joined", (Delta("ab", finish_reason="stop"),)),
        ((Delta("ab", finish_reason="stop"),), "at-apart", ("ab", Delta(finish_reason="stop"))),
        ((Delta("ab", finish_reason="stop"),), "at-joined", (Delta("ab", finish_reason="stop"),)),
        (
            ("ab", Delta(finish_reason="stop", usage=Usage(1))),
            "at-joined",
            (Delta("ab", finish_reason="stop"), Delta(usage=Usage(1))),
        ),
        (("ab", Delay(1), Delta(finish_reason="stop")), "at-joined", ("ab", Delay(1), Delta(finish_reason="stop"))),
        ((Delta("ab", usage=Usage(1)),), "at-apart", (Delta("ab", usage=Usage(1)),)),
        (("ab",), "at-joined", ("ab",)),
        ((Delta(finish_reason="stop"),), "at-joined", (Delta(finish_reason="stop"),)),
    ],
    ids=str,
)
def test_the_finish_reason_moves_between_the_last_delta_and_one_of_its_own(steps, cut, expected) -> None:
    assert ScriptRecutter(Cut(cut)).script(Script(steps)).steps == expected


def test_offsets_cut_the_script_with_their_number() -> None:
    recutter = ScriptRecutter(Cut("only-at-1-1.2-2e.2"))
    assert [recutter.script(text, token_size=9).steps for text in ("abc", "def", "ghi")] == [
        ("a", "bc"),
        ("d", "e", "", "f"),
        ("ghi",),
    ]
    assert list(recutter.places()) == [Place("cut", 1), Place("cut", 1, 2), Place("cut", 2, 2), Place("empty", 2, 2)]


def test_offsets_are_added_to_the_pieces_as_scripted_or_replace_them() -> None:
    assert recut("abcdef", "at-1") == ("a", "b", "cd", "ef")
    assert recut("abcdef", "only-at-1") == ("a", "bcdef")
    assert recut("abcdef", "only-at-0") == ("abcdef",)
    assert recut("abcdef", "only-at-b3") == ("ab", "cd", "ef")
    assert recut("abc def", "words") == ("abc", " def")


def test_numbers_that_cut_a_content_alike_are_left_out() -> None:
    script = Script.of("abcdefgh")
    cuts = [ScriptRecutter(cut).script(script).steps for cut in Cut.first(40)]
    assert len(set(cuts)) == 40


def test_a_small_content_has_few_cuts_and_the_others_are_repeated() -> None:
    new = []
    for cut in Cut.first(30):
        recutter = ScriptRecutter(cut)
        recutter.script("ab")
        new.append(not recutter.is_repeated)
    count = sum(new)
    assert new == [True] * count + [False] * (30 - count)
    assert 2 < count < 10


def test_a_body_keeps_its_bytes_and_the_places_of_its_cuts() -> None:
    recutter = ScriptRecutter(Cut("3"))
    body = recutter.new_body()
    body.add(b"abc", [1])
    body.add(b"de", [0, 1])
    assert body == RecutBody(bytearray(b"abcde"), [1, 3, 4])
    assert recutter.channels == {"bytes"}
    assert list(recutter.places()) == [Place("byte", at) for at in (1, 3, 4)]


@pytest.mark.parametrize(
    ("cut", "byte_cut", "expected"),
    [("at-3", None, None), ("at-b0", None, None), ("only-at-b0", None, "only-at-b0"), ("at-3", "4", "4")],
)
def test_a_cut_without_places_in_bytes_keeps_them(cut, byte_cut, expected) -> None:
    recutter = ScriptRecutter(Cut(cut), None if byte_cut is None else Cut(byte_cut))
    assert recutter.byte_cut == (None if expected is None else Cut(expected))
