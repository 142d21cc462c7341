"""A fault as the text of an option: `reset`, or `reset:after_deltas=3`."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_streamval.server import Fault

_FORM = "It must be a name of a fault, with its values: reset, reset:after_deltas=3, stall:seconds=2,after_deltas=1."


def fault_of(text: str) -> Fault:
    """Return the fault that a text names, with the values after its name.

    Raises:
        InvalidArgumentError: A `ValueError`. If there is no such fault, or if it has no such value.
    """
    from pytest_streamval.errors import InvalidArgumentError, excerpt
    from pytest_streamval.server import faults

    name, colon, rest = text.partition(":")
    fault = faults.named(name)
    if not colon:
        return fault
    make = getattr(faults, fault.name)
    values: dict[str, float | str] = {}
    for part in rest.split(","):
        field, _, value = part.partition("=")
        if field not in (parameters := signature(make).parameters):
            known = ", ".join(parameters) or "no values"
            raise InvalidArgumentError("fault", excerpt(text), f"{name} has {known}, and not {excerpt(field)}.")
        if "str" in str(parameters[field].annotation):
            values[field] = value
            continue
        try:
            values[field] = int(value) if value.isdecimal() else float(value)
        except ValueError:
            raise InvalidArgumentError("fault", excerpt(text), _FORM) from None
    made: Fault = make(**values)
    return made
