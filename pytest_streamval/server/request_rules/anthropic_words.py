"""Checks of plain fields, with the words of Anthropic's errors, which are those of Pydantic."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.request_rules.rule import Fault, is_integer, is_number, value_at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.server.request_rules.rule import Body, Check


def required(*names: str) -> Check:
    """Return the check of fields that must be there."""

    def check(body: Body) -> Iterator[Fault]:
        yield from (Fault(f"{name}: Field required") for name in names if body.get(name) is None)

    return check


def numbers(path: str, lowest: float, highest: float | None = None, *, whole: bool = False, label: str = "") -> Check:
    """Return the check of a number and its range, both ends included.

    Args:
        path: The path of the field.
        lowest: The lowest value.
        highest: The highest value, None for no end.
        whole: Whether it is a whole number.
        label: The name of the field in the messages. By default, it is the path.
    """
    name = label or path

    def check(body: Body) -> Iterator[Fault]:
        value = value_at(body, path)
        if value is None:
            return
        if not isinstance(value, int | float) or not (is_integer(value) if whole else is_number(value)):
            yield Fault(f"{name}: Input should be a valid {'integer' if whole else 'number'}")
        elif value < lowest:
            yield Fault(f"{name}: Input should be greater than or equal to {lowest:g}")
        elif highest is not None and value > highest:
            yield Fault(f"{name}: Input should be less than or equal to {highest:g}")

    return check


def typed(expected: str, kinds: type | tuple[type, ...], *names: str) -> Check:
    """Return the check of the types of fields. Null counts as missing."""

    def check(body: Body) -> Iterator[Fault]:
        for name in names:
            value = body.get(name)
            if value is not None and not isinstance(value, kinds):
                yield Fault(f"{name}: Input should be a valid {expected}")

    return check


def forbidden(*names: str) -> Check:
    """Return the check of fields that do not exist at this provider."""

    def check(body: Body) -> Iterator[Fault]:
        yield from (Fault(f"{name}: Extra inputs are not permitted") for name in names if name in body)

    return check
