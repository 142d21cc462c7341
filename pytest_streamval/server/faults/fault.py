"""`Fault`, and the registry of all kinds of faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, ParamSpec, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import repr_without_defaults

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

P = ParamSpec("P")

_WHOLE = ("It must be a whole number, 0 or more.", int)
_NUMBER = ("It must be a number, 0 or more.", int | float)
_RANGES = {
    "after_deltas": _WHOLE,
    "after_bytes": _WHOLE,
    "seconds": _NUMBER,
    "retry_after": _NUMBER,
    "size": _WHOLE,
}


@dataclass(frozen=True, slots=True, repr=False)
class Fault:
    """An error of a provider or of the network, made by the functions of `pytest_streamval.faults`."""

    name: str
    """The name of the function that made it."""
    after_deltas: int | None = None
    """The number of deltas before it."""
    after_bytes: int | None = None
    """The number of bytes of the body before it."""
    seconds: float = 0.0
    """The duration of a fault that waits."""
    status: int | None = None
    """The status of the error that replaces the response."""
    retry_after: float | None = None
    """The seconds that a client should wait before it sends the request again."""
    size: int = 0
    """The least bytes of a write, of a fault that joins frames."""
    coding: str | None = None
    """The content coding of a fault that compresses the body. None lets the client choose."""

    __repr__ = repr_without_defaults

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise InvalidArgumentError("name", excerpt(self.name), f"It must be one of {', '.join(KINDS)}.")
        for name, (rule, kind) in _RANGES.items():
            value: object = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not value >= 0):
                raise InvalidArgumentError(name, excerpt(value), rule)
        if self.status != KINDS[self.name].status:
            rule = f"It must be the status of faults.{self.name}(). For another one, use a script with Raise(...)."
            raise InvalidArgumentError("status", excerpt(self.status), rule)
        if self.after_deltas is not None and self.after_bytes is not None:
            given = f"{self.after_deltas} and {self.after_bytes}"
            raise InvalidArgumentError(
                "after_deltas and after_bytes", given, "A fault has one place. Give one of them."
            )

    @property
    def __name__(self) -> str:
        """The name that pytest uses in the id of a case with this fault."""
        return self.name

    @property
    def description(self) -> str:
        """The effect of the fault in a few words."""
        return KINDS[self.name].description

    @property
    def ruins(self) -> bool:
        """Whether the response is lost or damaged, so that a client may send the request again."""
        return KINDS[self.name].ruins

    @property
    def refuses(self) -> bool:
        """Whether all connections are refused."""
        return self.name == "refuse"

    def on(self, script: Script | str) -> Faulty:
        """Return a script with this fault, which strikes once."""
        return Faulty(script, self)

    def apply(self, actions: Actions, renderer: Renderer) -> Actions:
        """Return the actions of a response with this fault."""
        return KINDS[self.name].transform(actions, self, renderer)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A script with a fault."""

    script: Script | str
    """The script or the text."""
    fault: Fault
    """The fault of the response."""


Transform: TypeAlias = "Callable[[Actions, Fault, Renderer], Actions]"
"""A function that returns the actions of a response with a fault."""


class FaultKind(NamedTuple):
    """The properties that all faults of one name share."""

    make: Callable[[], Fault]
    """The function that makes a fault of this kind."""
    description: str
    """The effect in a few words."""
    transform: Transform
    """The function that applies the fault to a response."""
    ruins: bool
    """Whether the response is lost or damaged."""
    status: int | None
    """The status of the error that replaces the response."""


KINDS: dict[str, FaultKind] = {}
"""All kinds of faults by name, in the order in which they strike: the connection, the response, its stream, its writes.
"""


def register(
    description: str, transform: Transform, *, ruins: bool = True, status: int | None = None
) -> Callable[[Callable[P, Fault]], Callable[P, Fault]]:
    """Register the decorated function as the maker of a kind of fault. It must need no argument."""

    def add(make: Callable[P, Fault]) -> Callable[P, Fault]:
        KINDS[make.__name__] = FaultKind(make, description, transform, ruins, status)
        return make

    return add


def all_faults() -> list[Fault]:
    """Return one fault of each kind."""
    return [kind.make() for kind in KINDS.values()]


def named(name: str) -> Fault:
    """Return the fault with this name.

    Raises:
        InvalidArgumentError: A `ValueError`. If there is no such fault.
    """
    if name not in KINDS:
        raise InvalidArgumentError("fault", excerpt(name), f"It must be one of {', '.join(KINDS)}.")
    return KINDS[name].make()


def checked_fault(given: object) -> Fault | None:
    """Return a fault that is given as a value or by its name.

    Raises:
        InvalidArgumentError: A `ValueError`. If it is neither, or if there is no fault with this name.
    """
    if given is None or isinstance(given, Fault):
        return given
    if isinstance(given, str):
        kind, colon, _ = given.partition(":")
        if colon and kind in KINDS:
            raise InvalidArgumentError("fault", excerpt(given), f"A fault with values is a call: faults.{kind}(...).")
        return named(given)
    check_is_called("fault", given)
    rule = "It must be a fault, such as faults.reset(), or the name of one."
    raise InvalidArgumentError("fault", excerpt(given), rule)


def check_is_called(argument: str, given: object) -> None:
    """Raise `InvalidArgumentError` if a function of `faults` is given instead of a fault."""
    for name, kind in KINDS.items():
        if given is kind.make:
            raise InvalidArgumentError(argument, excerpt(given), f"It must be a fault. Call it: faults.{name}().")
