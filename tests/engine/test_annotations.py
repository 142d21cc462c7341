"""Annotations with the package's generic classes, which can be evaluated."""

import dataclasses
import inspect
from typing import Any, get_args, get_origin, get_type_hints

from pytest_streamval import CBlock, Component, Instruction, ModelOutputThunk


@dataclasses.dataclass
class Report:
    question: Component[Any]
    answer: ModelOutputThunk[str]
    others: list[ModelOutputThunk[int]] | None = None


class Number:
    def parts(self) -> "list[Component[Any] | CBlock]":
        return []

    def format_for_llm(self) -> str:
        return "A number, please."

    def parse(self, computed: "ModelOutputThunk[int]") -> int:
        return int(str(computed))


def test_annotations_with_parameters_can_be_evaluated():
    hints = get_type_hints(Report)
    assert hints["question"] == Component[Any]
    assert (get_origin(hints["answer"]), get_args(hints["answer"])) == (ModelOutputThunk, (str,))
    assert get_type_hints(Number.parse) == {"computed": ModelOutputThunk[int], "return": int}
    assert inspect.signature(Number.parse, eval_str=True).return_annotation is int


def test_a_class_with_a_parameter_makes_the_same_objects():
    output = ModelOutputThunk[str]("Well.")
    assert isinstance(output, ModelOutputThunk)
    assert (output.value, output.parsed_repr) == ("Well.", "Well.")
    assert Report(Instruction("Go."), output).answer is output


def test_a_component_is_recognised_by_its_methods_as_before():
    assert isinstance(Number(), Component)
    assert not isinstance("text", Component)
    assert ModelOutputThunk("7", action=Number()).parsed_repr == 7


def test_a_component_may_name_its_result_as_a_base():
    class Word(Component[str]):
        def parts(self):
            return ()

        def format_for_llm(self):
            return "A word."

        def parse(self, computed):
            return str(computed)

    assert ModelOutputThunk("Yes", action=Word()).parsed_repr == "Yes"
