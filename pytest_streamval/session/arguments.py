"""Checks and conversions of the arguments of sessions: each raises an `InvalidArgumentError`."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING

from pytest_streamval.engine.backend import Backend
from pytest_streamval.engine.component import CBlock, Component, Instruction, text_of
from pytest_streamval.engine.orchestrator import checked_requirements
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, UnknownNameError, excerpt, listed
from pytest_streamval.scripting.script import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.requirement import Requirement

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")


def make_backend(given: object, model_options: Mapping[str, object] | None) -> Backend:
    """Return the backend of a session: the given one, or one for a spec, a script or a list of scripts."""
    if isinstance(given, Backend):
        return given
    if given is None or isinstance(given, str):
        return _live_backend(given, model_options)
    if isinstance(given, Script | list | tuple):
        from pytest_streamval.scripting.mock import StreamingMockBackend

        return StreamingMockBackend(*([given] if isinstance(given, Script) else given))
    rule = 'It must be a Backend, a spec such as "ollama:granite4:micro", or a Script, or a list of them, for the mock.'
    if isinstance(given, type):
        rule += f" This is a class. Pass an instance, {given.__name__}(...)."
    raise InvalidArgumentError("backend", excerpt(given), rule)


def _live_backend(spec: str | None, model_options: Mapping[str, object] | None) -> Backend:
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.providers import DEFAULT

    url = None
    if spec is None:  # the address belongs to the chosen backend only
        spec, url = os.environ.get("STREAMVAL_BACKEND") or DEFAULT, os.environ.get("STREAMVAL_URL")
    try:
        # the backend also gets the options, for direct calls of session.backend
        return LiveBackend(spec, base_url=url, model_options=model_options)
    except UnknownNameError as error:
        error.add_note("To let the mock send a text, pass a script: start_session(Script.from_text(...)).")
        raise


def checked_text(argument: str, text: object) -> str:
    """Return a text that is not blank."""
    if not isinstance(text, str):
        raise InvalidArgumentError(argument, excerpt(text), "It must be a str.")
    if not text.strip():
        raise InvalidArgumentError(argument, excerpt(text), "It must not be empty or blank.")
    return text


def checked_action(action: object) -> Component | CBlock:
    """Return the action, a string as a `CBlock`."""
    if isinstance(action, str | CBlock):
        checked_text("action", str(action))
        return CBlock(action) if isinstance(action, str) else action
    if isinstance(action, Component) and not isinstance(action, type):
        return action
    rule = "It must be a Component, which has parts(), format_for_llm() and parse(), a CBlock or a str."
    raise InvalidArgumentError("action", excerpt(action), rule)


def text_of_object(obj: object) -> str:
    """Return the text of an object for a model: the text of a component or an output, or else `str(obj)`."""
    if isinstance(obj, ModelOutputThunk) and not obj.is_computed():
        raise InvalidArgumentError("obj", excerpt(obj), "An output must be computed. Await its avalue() first.")
    if isinstance(obj, Component | CBlock | ModelOutputThunk):
        return checked_text("obj", text_of(obj))
    if obj is None or (type(obj).__str__ is object.__str__ and type(obj).__repr__ is object.__repr__):
        rule = "It must have a text that a model can read. Pass a str, or give its class a __str__."
        raise InvalidArgumentError("obj", excerpt(obj), rule)
    return checked_text("obj", str(obj))


def make_instruction(
    description: str, requirements: Sequence[Requirement] | None, variables: Mapping[str, object] | None
) -> tuple[Instruction, list[Requirement]]:
    """Return an instruction with its variables filled in, and copies of its requirements."""
    _check_variables(variables)
    text = _filled_variables("description", checked_text("description", description), variables)
    copies = [copy(each) for each in checked_requirements(requirements)]
    for each in copies:
        if each.description:
            each.description = _filled_variables("requirement", each.description, variables)
    lines = (each.format_for_llm() for each in copies if not each.check_only)
    return Instruction(text, tuple(line for line in lines if line)), copies


def instruction_about(task: str, label: str, request: str, obj: object) -> Instruction:
    """Return an instruction that contains a request and the text of an object."""
    return Instruction(f"{task}\n\n{label}: {request}\n\nText:\n{text_of_object(obj)}")


def as_output(output: object) -> ModelOutputThunk:
    """Return an output. A text becomes a computed output."""
    if isinstance(output, ModelOutputThunk):
        return output
    if isinstance(output, str | CBlock):
        return ModelOutputThunk(str(output))
    raise InvalidArgumentError("output", excerpt(output), "It must be an output of a session, a CBlock or a str.")


def check_attempts(limit: object) -> None:
    """Raise an `InvalidArgumentError` unless it is a number of attempts or None."""
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidArgumentError("max_attempts", excerpt(limit), "It must be a whole number from 1 on, or None.")


def _check_variables(variables: object) -> None:
    if variables is None or (isinstance(variables, Mapping) and all(isinstance(name, str) for name in variables)):
        return
    rule = 'They must be a dict of values by name, such as {"topic": "rain"} for a text with {{topic}} in it.'
    raise InvalidArgumentError("user_variables", excerpt(variables), rule)


def _filled_variables(argument: str, text: str, variables: Mapping[str, object] | None) -> str:
    """Replace each `{{ variable }}` by its value, once: a variable in a value is text. None replaces nothing."""
    if variables is None:
        return text

    def value(match: re.Match[str]) -> str:
        if match[1] in variables:
            return str(variables[match[1]])
        rule = f"They must have a value for {match[0]} in the {argument}. They have values for: {listed(variables)}."
        raise InvalidArgumentError("user_variables", excerpt(variables), rule)

    return _VARIABLE.sub(value, text)
