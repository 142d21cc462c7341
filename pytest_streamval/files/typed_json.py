"""Dataclasses as JSON, and back: the annotations say which values are valid."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from pytest_streamval.errors import excerpt

_LARGEST = 2**63  # whole numbers of 64 bits, which every reader can compute with
OPTIONAL = MappingProxyType({"optional": True})
"""The metadata of a field that is left out if it is empty. Parts of older versions lack it."""
_SCALARS: dict[Any, tuple[str, set[type]]] = {
    str: ("a text", {str}),
    bool: ("true or false", {bool}),
    int: ("a whole number of 64 bits", {int}),
    float: ("a number", {int, float}),
}


def to_json(value: object) -> str:
    """Return dataclasses, and what else JSON can hold, as JSON. A named tuple becomes an array."""
    return json.dumps(value, default=_fields_of, allow_nan=False, separators=(",", ":"))


def _fields_of(value: Any) -> dict[str, Any]:  # noqa: ANN401  # any dataclass
    values = {each: getattr(value, each.name) for each in fields(value)}
    return {each.name: found for each, found in values.items() if found or each.metadata != OPTIONAL}


def from_json(kind: Any, value: Any, *where: str | int) -> Any:  # noqa: ANN401  # any annotation, any value
    """Return a decoded JSON value as an instance of an annotation. Fields that the annotation lacks are left out.

    Args:
        kind: `str`, `bool`, `int`, `float`, a dataclass, a named tuple, or a list, a tuple of any length, an optional
            or a literal of those.
        value: What JSON holds.
        where: The names and indexes that lead to the value, for the error.

    Raises:
        ValueError: If the value, or a value in it, does not fit the annotation. It names the place.
    """
    if kind in _SCALARS:
        rule, types = _SCALARS[kind]
        _require_valid_json(type(value) in types and not _is_too_large(value), rule, value, where)
        return value
    arguments = get_args(kind)
    if NoneType in arguments:
        return None if value is None else from_json(arguments[0], value, *where)
    if get_origin(kind) is Literal:
        _require_valid_json(value in arguments, f"one of {', '.join(arguments)}", value, where)
        return value
    if get_origin(kind) in {list, tuple}:
        _require_valid_json(isinstance(value, list), "a list", value, where)
        items = (from_json(arguments[0], item, *where, at) for at, item in enumerate(value))
        return get_origin(kind)(items)
    annotations = _annotations(kind)
    if issubclass(kind, tuple):
        size = len(annotations)
        _require_valid_json(isinstance(value, list) and len(value) == size, f"a list of {size}", value, where)
        pairs = zip(annotations.values(), value, strict=True)
        return kind(*(from_json(each, item, *where, at) for at, (each, item) in enumerate(pairs)))
    _require_valid_json(isinstance(value, dict), "an object", value, where)
    optional = {each.name for each in fields(kind) if each.metadata == OPTIONAL}
    for name in annotations:
        if name not in value and name not in optional:
            raise ValueError(f"{_json_path(where)} has no {name!r}")
    given = {name: each for name, each in annotations.items() if name in value}
    return kind(**{name: from_json(each, value[name], *where, name) for name, each in given.items()})


def _is_too_large(value: object) -> bool:
    return isinstance(value, int) and not -_LARGEST <= value < _LARGEST


@cache
def _annotations(kind: Any) -> dict[str, Any]:  # noqa: ANN401  # as above
    """Return the annotations of the fields of a dataclass or a named tuple, by name."""
    names = kind._fields if issubclass(kind, tuple) else [each.name for each in fields(kind)]
    found = get_type_hints(kind)
    return {name: found[name] for name in names}


def _require_valid_json(valid: bool, rule: str, value: object, where: tuple[str | int, ...]) -> None:  # noqa: FBT001  # private
    if not valid:
        raise ValueError(f"{_json_path(where)} is {excerpt(value)}, it must be {rule}")


def _json_path(where: tuple[str | int, ...]) -> str:
    """Return the path of a JSON value as JavaScript writes it, such as `tests[0].streams[2].why`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in where)
    return "".join(parts).removeprefix(".") or "it"
