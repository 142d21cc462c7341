"""The values that a producer puts."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import pytest

from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage, merge_tool_calls

VALUES = [
    Delta("Hi", "hm", (ToolCallDelta(0, "id", "f", "{}"),), Usage(1, 2), "stop"),
    Usage(1, 2),
    ToolCallDelta(1, "id", "f", '{"a"'),
    ToolCall("id", "f", "{}"),
]


def pickled(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301  # its own


every_value = pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)


def test_a_delta_is_empty_by_default():
    assert Delta() == Delta(text="", thinking="", tool_calls=(), usage=None, finish_reason=None)
    assert Delta("Hi") == Delta(text="Hi")


@every_value
def test_the_values_of_model_are_frozen_and_slotted(value):
    name = value.__slots__[0]
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, None)
    assert not hasattr(value, "__dict__")


@every_value
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_the_values_of_model_are_equal_to_their_copies_and_hashable(value, copied):
    assert copied(value) == value
    assert hash(copied(value)) == hash(value)


@pytest.mark.parametrize(
    ("fragments", "calls"),
    [
        ([], ()),
        ([ToolCallDelta()], (ToolCall(None, None, ""),)),
        (
            [ToolCallDelta(0, "a", "clock", '{"zo'), ToolCallDelta(0, arguments='ne": 1}')],
            (ToolCall("a", "clock", '{"zone": 1}'),),
        ),
        (
            [
                ToolCallDelta(1, "b", "late"),
                ToolCallDelta(0, None, "clock", "{"),
                ToolCallDelta(1, arguments="[]"),
                ToolCallDelta(0, "a", "ignored", "}"),
            ],
            (ToolCall("b", "late", "[]"), ToolCall("a", "clock", "{}")),
        ),
        ([ToolCallDelta(0, "", ""), ToolCallDelta(0, "a", "f")], (ToolCall("", "", ""),)),
    ],
    ids=["none", "an empty one", "one in two pieces", "two interleaved", "an empty name is a name"],
)
def test_fragments_of_equal_index_make_one_call_in_the_order_in_which_the_calls_began(fragments, calls):
    assert merge_tool_calls(fragments) == calls
