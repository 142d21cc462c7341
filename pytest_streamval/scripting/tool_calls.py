"""Tool calls: the steps of an output that is one call of a tool."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.files.json_text import json_line
from pytest_streamval.model import Delta, ToolCallDelta

if TYPE_CHECKING:
    from pytest_streamval.scripting.steps import Step

_DIGITS = 24  # of an identifier, as many as OpenAI's have


def call_steps(name: str, arguments: Mapping[str, object] | str, ident: str | None, pieces: int) -> tuple[Step, ...]:
    """Return the deltas of one tool call. See `Script.tool_call`."""
    _check_name("name", name)
    if ident is not None:
        _check_name("id", ident)
    count: object = pieces
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidArgumentError("pieces", excerpt(pieces), "It must be a number of deltas, 1 or more.")
    text = _json_of(arguments)
    ident = ident or f"call_{hashlib.sha256(f'{name} {text}'.encode(errors='surrogatepass')).hexdigest()[:_DIGITS]}"
    bounds = [len(text) * number // pieces for number in range(pieces + 1)]
    first, *others = (text[start:end] for start, end in pairwise(bounds))
    fragments = [ToolCallDelta(0, ident, name, first), *(ToolCallDelta(0, arguments=piece) for piece in others)]
    *deltas, last = (Delta(tool_calls=(fragment,)) for fragment in fragments)
    return (*deltas, Delta(tool_calls=last.tool_calls, finish_reason="tool_calls"))


def _check_name(argument: str, given: object) -> None:
    if not isinstance(given, str) or not given:
        raise InvalidArgumentError(argument, excerpt(given), "It must be a str that is not empty.")


def _json_of(arguments: Mapping[str, object] | str) -> str:
    """Return the JSON text of arguments. A text is returned as it is, also if it is broken JSON."""
    given: object = arguments
    if isinstance(given, str):
        if _is_json_of_no_object(given):
            rule = 'The arguments of a tool are a JSON object. Pass a dict, or a text such as \'{"city": "Paris"}\'.'
            raise InvalidArgumentError("arguments", excerpt(given), rule)
        return given
    if not isinstance(given, Mapping):
        raise InvalidArgumentError("arguments", excerpt(given), "They must be a dict, or a JSON text.")
    try:
        return json_line(dict(given))
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidArgumentError(
            "arguments", excerpt(given), f"JSON must be able to express them ({error})."
        ) from error


def _is_json_of_no_object(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
