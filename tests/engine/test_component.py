"""Components, the requests to a model."""

from dataclasses import FrozenInstanceError

import pytest

from pytest_streamval.engine.component import CBlock, Component, Instruction, Message, as_action, text_of
from pytest_streamval.engine.thunk import ModelOutputThunk


class Shout:
    """A component as an application writes one, without a base class."""

    def __init__(self, *parts):
        self._parts = parts

    def parts(self):
        return self._parts

    def format_for_llm(self):
        return " ".join(map(text_of, self._parts)).upper()

    def parse(self, computed):
        return str(computed).lower()


@pytest.mark.parametrize(
    ("thing", "is_component"),
    [
        (Instruction("Greet."), True),
        (Message("user", "Hi"), True),
        (Shout(), True),
        (CBlock("Hi"), False),
        ("Hi", False),
        (ModelOutputThunk("Hi"), False),
    ],
    ids=lambda value: "" if isinstance(value, bool) else type(value).__name__,
)
def test_an_object_with_the_three_methods_is_a_component(thing, is_component):
    assert isinstance(thing, Component) is is_component


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("Hi", "Hi"),
        (CBlock("Hi", meta={"kept": "back"}), "Hi"),
        (Message("user", "Hi"), "Hi"),
        (Instruction("Greet."), "Greet."),
        (
            Instruction("Greet.", ("in German", "briefly")),
            "Greet.\n\nThe answer has to fulfil:\n- in German\n- briefly",
        ),
        (Shout(CBlock("Hi"), Message("user", "you")), "HI YOU"),
        (ModelOutputThunk("Hello"), "Hello"),
        (ModelOutputThunk(), ""),
    ],
    ids=["str", "block", "message", "instruction", "with requirements", "of one's own", "output", "unfinished output"],
)
def test_every_entry_of_a_context_has_a_text(thing, words):
    assert text_of(thing) == words


@pytest.mark.parametrize(
    ("action", "parsed"),
    [
        (Instruction("Greet."), "Hello"),
        (Message("user", "Hi"), Message("assistant", "Hello")),
        (Shout(), "hello"),
        (CBlock("Hi"), "Hello"),
        (None, "Hello"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_component_parses_its_answer(action, parsed):
    assert ModelOutputThunk("Hello", action=action).parsed_repr == parsed


@pytest.mark.parametrize("action", [CBlock("Hi"), Message("user", "Hi"), Instruction("Hi"), Shout()])
def test_an_action_is_returned_unchanged(action):
    assert as_action(action) is action


def test_a_string_becomes_a_block():
    assert as_action("Hi") == CBlock("Hi")


@pytest.mark.parametrize("value", [CBlock("Hi"), Instruction("Hi"), Message("user", "Hi")])
def test_components_are_values(value):
    assert value == type(value)(*(getattr(value, name) for name in value.__slots__))
    with pytest.raises(FrozenInstanceError):
        setattr(value, value.__slots__[0], "Ho")
    if isinstance(value, Component):
        assert value.parts() == ()
