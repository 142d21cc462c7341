"""What a part of a report has to be like for a page to show it."""

from __future__ import annotations

from itertools import cycle
from typing import TYPE_CHECKING, TypeAlias, cast

from pytest_streamval.errors import excerpt
from pytest_streamval.report.timeline import OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator

Shape: TypeAlias = "type | frozenset[str] | list[Shape] | tuple[Shape, ...] | dict[str, Shape] | _Maybe"
"""A type; one of some words; a list of one shape; an array of several; an object by its names."""


class _Maybe:
    """A shape, or null."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape


_VERDICT = (str, _Maybe(str), int, int)
_BAR = (int, int, int, int)
_STREAM: Shape = {
    "asked": str,
    "outcome": frozenset(OUTCOMES),
    "why": str,
    "span": int,
    "released": int,
    "tokens": int,
    "characters": int,
    "times": [int],
    "texts": [str],
    "chunks": [_BAR],
    "received": [_BAR],
    "lanes": [(str, [_VERDICT], _Maybe(_VERDICT))],
    "stop": _Maybe((int, int, str, int)),
}
_ENTRY: Shape = {
    "test": str,
    "outcome": str,
    "seconds": float,
    "message": str,
    "streams": [_STREAM],
    "left_out": int,
    "run": str,
}
_PART: Shape = {"tests": [_ENTRY], "tests_run": int, "lost": [str]}
_WORDS = {str: "a text", int: "a whole number", float: "a number"}


def fault_of_part(part: object) -> str:
    """Return what is wrong with a part as JSON brings it, if anything is."""
    return _fault(part, _PART, "")


def _fault(value: object, shape: Shape, where: str) -> str:
    """Return what is wrong with a value, and where it is."""
    if isinstance(shape, _Maybe):
        return "" if value is None else _fault(value, shape.shape, where)
    if not _fits(value, shape):
        return f"{where or 'it'} is {excerpt(value)}, and has to be {_told(shape)}"
    parts: Iterator[tuple[object, Shape, str]] = iter(())
    if isinstance(value, dict) and isinstance(shape, dict):
        missing = next((name for name in shape if name not in value), None)
        if missing is not None:
            return f"{where or 'it'} has no {missing!r}"
        parts = ((value[name], inner, f"{where}.{name}".lstrip(".")) for name, inner in shape.items())
    elif isinstance(value, list):
        inner = cycle(shape) if isinstance(shape, list) else cast("tuple[Shape, ...]", shape)
        parts = ((item, each, f"{where}[{at}]") for at, (item, each) in enumerate(zip(value, inner, strict=False)))
    return next(filter(None, (_fault(*part) for part in parts)), "")


def _fits(value: object, shape: Shape) -> bool:
    """Return whether a value is of the right kind, whatever is in it."""
    match shape:
        case dict():
            return isinstance(value, dict)
        case list():
            return isinstance(value, list)
        case tuple():
            return isinstance(value, list) and len(value) == len(shape)
        case frozenset():
            return isinstance(value, str) and value in shape
        case _:
            return type(value) in ((int, float) if shape is float else (shape,))


def _told(shape: Shape) -> str:
    match shape:
        case dict():
            return "an object"
        case list():
            return "a list"
        case tuple():
            return f"a list of {len(shape)}"
        case frozenset():
            return f"one of {', '.join(sorted(shape))}"
        case _:
            return _WORDS[cast("type", shape)]
