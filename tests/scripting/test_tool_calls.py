"""`Script.tool_call` makes the deltas of one call, as a provider streams them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import Delta, InvalidArgumentError, Script, ToolCallDelta
from pytest_streamval.model import merge_tool_calls

if TYPE_CHECKING:
    from pytest_streamval import ToolCall


def call_of(script: Script) -> ToolCall:
    """Return the only call of a script."""
    (call,) = merge_tool_calls([call for delta in script.deltas for call in delta.tool_calls])
    return call


@pytest.mark.parametrize("calls", [ToolCallDelta(0, "call_1", "weather"), ({"name": "weather"},), None])
def test_tool_calls_of_a_script_are_a_tuple_of_tool_call_deltas(calls) -> None:
    rule = r"Invalid steps\[1\]\.tool_calls: .*A tuple of one has a comma: \(ToolCallDelta\(\.\.\.\),\)\."
    with pytest.raises(InvalidArgumentError, match=rule):
        Script.of("Let me see.", Delta(tool_calls=calls))


def test_a_tool_call_is_one_delta_by_default() -> None:
    assert Script.tool_call("weather", {"city": "Ulm"}, id="call_1").steps == (
        Delta(
            tool_calls=(ToolCallDelta(0, "call_1", "weather", '{"city": "Ulm"}'),),
            finish_reason="tool_calls",
        ),
    )


@given(
    st.dictionaries(st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists)),
    st.integers(1, 40),
)
def test_the_arguments_of_a_tool_call_come_in_a_number_of_deltas(arguments: dict[str, Any], pieces: int) -> None:
    script = Script.tool_call("weather", arguments, pieces=pieces)
    assert len(script.deltas) == len(script.steps) == pieces
    assert json.loads(call_of(script).arguments) == arguments
    assert call_of(script).name == "weather"
    fragments = [call for delta in script.deltas for call in delta.tool_calls]
    assert [fragment.name for fragment in fragments] == ["weather", *[None] * (pieces - 1)]
    assert [delta.finish_reason for delta in script.deltas] == [*[None] * (pieces - 1), "tool_calls"]


def test_the_arguments_of_a_tool_call_are_cut_in_pieces_of_equal_length() -> None:
    script = Script.tool_call("f", '{"a": 12}', pieces=3)
    assert [call.arguments for delta in script.deltas for call in delta.tool_calls] == ['{"a', '": ', "12}"]


def test_a_json_text_is_sent_as_it_is() -> None:
    assert call_of(Script.tool_call("f", '{"a":  1')).arguments == '{"a":  1'


def test_a_tool_call_has_a_stable_id() -> None:
    def ident(*args: Any) -> str:
        return str(call_of(Script.tool_call(*args)).id)

    assert ident("f", {"a": 1}) == ident("f", {"a": 1}) == "call_6f7869a3ee8621c89ef1fe45"
    assert len({ident("f", {"a": 1}), ident("f", {"a": 2}), ident("g", {"a": 1})}) == 3
    assert call_of(Script.tool_call("f", {}, pieces=2)).id == ident("f", {})


INVALID: dict[str, tuple[tuple[Any, ...], dict[str, Any], str]] = {
    "no name": (("", {}), {}, r"name: ''\. It must be a str that is not empty"),
    "a name that is no text": ((5, {}), {}, "name: 5"),
    "an empty id": (("f", {}), {"id": ""}, "id: ''"),
    "a list of arguments": (("f", [1]), {}, r"arguments: \[1\]\. They must be a dict, or a JSON text"),
    "the JSON text of a list": (("f", "[1]"), {}, r"arguments: '\[1\]'\. The arguments of a tool are a JSON object"),
    "the JSON text of a number": (("f", "5"), {}, "arguments: '5'"),
    "bytes": (("f", b"{}"), {}, "They must be a dict"),
    "a value that is not in JSON": (("f", {"a": {1}}), {}, "JSON must be able to express them"),
    "NaN": (("f", {"a": float("nan")}), {}, "JSON must be able to express them"),
    "no piece": (("f", {}), {"pieces": 0}, r"pieces: 0\. It must be a number of deltas, 1 or more"),
    "a bool": (("f", {}), {"pieces": True}, "pieces: True"),
    "half a piece": (("f", {}), {"pieces": 1.5}, r"pieces: 1\.5"),
}


@pytest.mark.parametrize(("args", "options", "message"), INVALID.values(), ids=INVALID)
def test_an_invalid_tool_call_raises(args: tuple[Any, ...], options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        Script.tool_call(*args, **options)


def test_a_tool_call_may_have_broken_json() -> None:
    for text in ('{"city": ', "no JSON", "[" * 100_000):
        assert call_of(Script.tool_call("f", text)).arguments == text
