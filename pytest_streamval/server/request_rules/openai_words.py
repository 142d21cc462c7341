"""Checks of plain fields, with the words of OpenAI's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.rule import (
    Fault,
    RequestRule,
    dicts_in,
    is_integer,
    is_number,
    kind_of,
    shown,
    value_at,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.server.request_rules.rule import Body, Check


def missing(path: str) -> Fault:
    """Return the fault of a field that is missing."""
    return Fault(f"Missing required parameter: '{path}'.", path, "missing_required_parameter")


def wrong_type(path: str, expected: str, value: object) -> Fault:
    """Return the fault of a value of another type."""
    words = f"Invalid type for '{path}': expected {expected}, but got {kind_of(value)} instead."
    return Fault(words, path, "invalid_type")


def wrong_value(path: str, value: object, supported: Sequence[str]) -> Fault:
    """Return the fault of a value that is none of a list."""
    names = ", ".join(f"'{each}'" for each in supported[:-1]) + f", and '{supported[-1]}'"
    return Fault(f"Invalid value: '{shown(value)}'. Supported values are: {names}.", path, "invalid_value")


def empty_array(path: str) -> Fault:
    """Return the fault of an empty array."""
    words = f"Invalid '{path}': empty array. Expected an array with minimum length 1, but got an empty array instead."
    return Fault(words, path, "empty_array")


def required(name: str) -> Check:
    """Return the check of a field that must be there."""

    def check(body: Body) -> Iterator[Fault]:
        if body.get(name) is None:
            yield missing(name)

    return check


def typed(expected: str, kinds: type | tuple[type, ...], *names: str) -> Check:
    """Return the check of the types of fields. Null counts as missing.

    Args:
        expected: The types in words, such as `a boolean`.
        kinds: The types of Python. `bool` is no number here.
        names: The names of the fields.
    """
    allows_bool = kinds is bool or (isinstance(kinds, tuple) and bool in kinds)

    def check(body: Body) -> Iterator[Fault]:
        for name in names:
            value = body.get(name)
            if value is None:
                continue
            if not isinstance(value, kinds) or (isinstance(value, bool) and not allows_bool):
                yield wrong_type(name, expected, value)

    return check


def numbers(path: str, lowest: float | None, highest: float | None, *, whole: bool = False) -> Check:
    """Return the check of a number and its range, both ends included. None is no end."""
    kind = "an integer" if whole else "a decimal"
    noun = "integer" if whole else "decimal"

    def check(body: Body) -> Iterator[Fault]:
        value = value_at(body, path)
        if value is None:
            return
        if not isinstance(value, int | float) or not (is_integer(value) if whole else is_number(value)):
            yield wrong_type(path, kind, value)
        elif lowest is not None and value < lowest:
            words = f"Invalid '{path}': {noun} below minimum value. Expected a value >= {lowest:g}, but got {value}"
            yield Fault(f"{words} instead.", path, f"{noun}_below_min_value")
        elif highest is not None and value > highest:
            words = f"Invalid '{path}': {noun} above maximum value. Expected a value <= {highest:g}, but got {value}"
            yield Fault(f"{words} instead.", path, f"{noun}_above_max_value")

    return check


def at_most(name: str, most: int) -> Check:
    """Return the check of the length of an array."""

    def check(body: Body) -> Iterator[Fault]:
        value = body.get(name)
        if isinstance(value, list) and len(value) > most:
            words = f"Invalid '{name}': array too long. Expected an array with maximum length {most}"
            yield Fault(f"{words}, but got an array with length {len(value)} instead.", name, "array_above_max_length")

    return check


def open_objects(schema: object, title: str, path: str, code: str | None = None) -> Iterator[Fault]:
    """Yield the faults of a schema in strict mode: every object must be closed, and require all of its properties.

    Args:
        schema: The JSON schema.
        title: The owner of the schema in the provider's words, such as `function 'add'`.
        path: The path of the schema in the request.
        code: The provider's code of the error.
    """
    left: list[tuple[object, tuple[str, ...]]] = [(schema, ())]
    while left:
        part, context = left.pop()
        if not isinstance(part, dict):
            continue
        properties = part.get("properties")
        place = f"Invalid schema for {title}: In context={context!r}"
        kind = part.get("type")
        is_object = kind == "object" or (isinstance(kind, list) and "object" in kind)
        if is_object and part.get("additionalProperties") is not False:
            words = "'additionalProperties' is required to be supplied and to be false."
            yield Fault(f"{place}, {words}", path, code)
        elif isinstance(properties, dict):
            listed = part.get("required")
            names = {name for name in listed if isinstance(name, str)} if isinstance(listed, list) else set()
            if absent := [name for name in properties if name not in names]:
                words = "'required' is required to be supplied and to be an array including every key in properties."
                yield Fault(f"{place}, {words} Missing '{shown(absent[0])}'.", path, code)
        for key in ("properties", "$defs", "definitions"):
            inner = part.get(key)
            if isinstance(inner, dict):
                left += [(each, (*context, key, name)) for name, each in inner.items()]
        left.append((part.get("items"), (*context, "items")))
        left += [(each, (*context, "anyOf", str(number))) for number, each in dicts_in(part.get("anyOf"))]


_MOST_PAIRS, _LONGEST_KEY, _LONGEST_VALUE = 16, 64, 512


def _metadata(body: Body) -> Iterator[Fault]:
    pairs = body.get("metadata")
    if pairs is None:
        return
    if not isinstance(pairs, dict):
        yield wrong_type("metadata", "an object", pairs)
        return
    if len(pairs) > _MOST_PAIRS:
        words = f"Invalid 'metadata': too many properties. Expected an object with at most {_MOST_PAIRS} properties"
        words += f", but got an object with {len(pairs)} properties instead."
        yield Fault(words, "metadata", "object_above_max_properties")
    for name, value in pairs.items():
        path = f"metadata.{shown(name)}"
        if len(name) > _LONGEST_KEY:
            words = f"Invalid property name in 'metadata': '{shown(name)}' is too long. Expected a property name with"
            yield Fault(f"{words} maximum length {_LONGEST_KEY}.", "metadata", "property_name_above_max_length")
        elif not isinstance(value, str):
            yield wrong_type(path, "a string", value)
        elif len(value) > _LONGEST_VALUE:
            words = f"Invalid '{path}': string too long. Expected a string with maximum length {_LONGEST_VALUE}"
            yield Fault(f"{words}, but got a string with length {len(value)} instead.", path, "string_above_max_length")


METADATA = RequestRule(
    "Metadata has at most 16 pairs, with keys of 64 characters and texts of 512 characters at most.",
    "https://platform.openai.com/docs/api-reference/chat/create#chat_create-metadata",
    _metadata,
)
"""The rule of the metadata of chat completions and of responses."""
