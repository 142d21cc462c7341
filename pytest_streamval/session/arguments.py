"""What the methods of a session are given: texts, templates, objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

from pytest_streamval.engine.component import CBlock, Component, Instruction, text_of
from pytest_streamval.engine.orchestrator import checked_requirements
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.requirement import Requirement

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def checked_text(argument: str, text: object) -> str:
    """Return a text that says something.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; it is empty, or no text.
    """
    if not isinstance(text, str):
        raise InvalidArgumentError(argument, excerpt(text), "It must be a str.")
    if not text.strip():
        raise InvalidArgumentError(argument, excerpt(text), "There is nothing in it that a model could answer.")
    return text


def checked_action(action: object) -> Component | CBlock:
    """Return something that a model can be asked, a string as a `CBlock`.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; it is nothing of that kind, or an empty text.
    """
    if isinstance(action, str | CBlock):
        checked_text("action", str(action))
        return CBlock(action) if isinstance(action, str) else action
    if isinstance(action, Component) and not isinstance(action, type):
        return action
    rule = "It must be a Component, which has parts(), format_for_llm() and parse(), a CBlock or a str."
    raise InvalidArgumentError("action", excerpt(action), rule)


def readable(obj: object) -> str:
    """Return an object in words for a model: what a component says, else what `str()` makes of it.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; there are no words for it, or none yet.
    """
    if isinstance(obj, ModelOutputThunk) and not obj.is_computed():
        raise InvalidArgumentError("obj", excerpt(obj), "It must be being generated; await its avalue() first.")
    if isinstance(obj, Component | CBlock | ModelOutputThunk):
        return checked_text("obj", text_of(obj))
    if obj is None or (type(obj).__str__ is object.__str__ and type(obj).__repr__ is object.__repr__):
        raise InvalidArgumentError("obj", excerpt(obj), "A model has to read it; pass a text, or give it a __str__.")
    return checked_text("obj", str(obj))


def filled(argument: str, text: str, variables: Mapping[str, object] | None) -> str:
    """Return a text with the values of its `{{ variables }}`; without variables it stays as it is.

    A value is put in as it is: what looks like a variable inside it is none.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; one of its variables has no value.
    """
    if variables is None:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1] not in variables:
            rule = (
                f"The {argument} has {match[0]}, for which it gives no value; it gives: {', '.join(variables) or '-'}."
            )
            raise InvalidArgumentError("user_variables", excerpt(variables), rule)
        return str(variables[match[1]])

    return _VARIABLE.sub(value, text)


def instruction_of(
    description: str, requirements: Sequence[Requirement] | None, variables: Mapping[str, object] | None
) -> tuple[Instruction, list[Requirement]]:
    """Return a task with its variables filled in, and copies of its requirements.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; one of them does not fit.
    """
    check_variables(variables)
    text = filled("description", checked_text("description", description), variables)
    judges = [copy(each) for each in checked_requirements(requirements)]
    for each in judges:
        if variables is not None and each.description:
            each.description = filled("requirement", each.description, variables)
    told = (each.format_for_llm() for each in judges if not each.check_only)
    return Instruction(text, tuple(words for words in told if words)), judges


def about(task: str, label: str, told: str, obj: object) -> Instruction:
    """Return a task that is about an object."""
    return Instruction(f"{task}\n\n{label}: {told}\n\nText:\n{readable(obj)}")


def output_of(output: object) -> ModelOutputThunk:
    """Return an output, a text as one that is computed.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; it is neither.
    """
    if isinstance(output, ModelOutputThunk):
        return output
    if isinstance(output, str | CBlock):
        return ModelOutputThunk(str(output))
    raise InvalidArgumentError("output", excerpt(output), "It must be an output of a session, a CBlock or a str.")


def needed(requirements: Sequence[Requirement] | None) -> Sequence[Requirement]:
    """Return requirements, without which there is nothing to judge by.

    Raises:
        InvalidArgumentError: a `TypeError` and a `ValueError`; there are none.
    """
    if requirements is None:
        raise InvalidArgumentError("requirements", "None", "They must be a list of Requirement instances.")
    return requirements


def check_variables(variables: object) -> None:
    """Raise `InvalidArgumentError` for what are no variables by name."""
    if variables is None or (isinstance(variables, Mapping) and all(isinstance(name, str) for name in variables)):
        return
    rule = 'They must be a dict of names and values: {"topic": "rain"} for a text with {{topic}} in it.'
    raise InvalidArgumentError("user_variables", excerpt(variables), rule)


def check_attempts(limit: object) -> None:
    """Raise `InvalidArgumentError` for what is no number of attempts."""
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidArgumentError("max_attempts", excerpt(limit), "It must be a whole number from 1 on, or None.")
