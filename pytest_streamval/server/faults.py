"""Faults: what goes wrong between a provider and its client, as data.

`faults.reset(after_deltas=3)` is a value. It goes with all scripts of a server, `provider_server(script, fault=...)`,
with one of them, `fault.on(script)`, or in the place of one. `faults.all()` returns one of each kind, for
`@pytest.mark.parametrize("fault", faults.all())`.

A fault strikes behind a number of deltas or of bytes. An answer that ends before that is struck at its end, and one
that is not streamed, which is one piece, in its middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.server.spoiling import KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.server.rendering import Question

__all__ = [
    "Fault",
    "Faulty",
    "all",
    "bad_request",
    "close_mid_frame",
    "cut_character",
    "duplicated_frame",
    "empty_body",
    "headers_then_silence",
    "invalid_utf8",
    "malformed_json",
    "named",
    "one_byte_writes",
    "one_write",
    "out_of_order",
    "overloaded",
    "rate_limited",
    "refuse",
    "reset",
    "server_error",
    "slow_drip",
    "stall",
    "truncate",
    "unauthorized",
    "unfinished",
    "wrong_content_type",
]


_STATUSES = {"bad_request": 400, "unauthorized": 401, "rate_limited": 429, "server_error": 500, "overloaded": 529}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that goes wrong; made by the functions of this module."""

    name: str
    """What it is called: the name of the function that made it."""
    after_deltas: int | None = None
    """How many deltas come before it."""
    after_bytes: int | None = None
    """How many bytes of the body come before it."""
    seconds: float = 0.0
    """How long it lasts, where it does."""
    status: int | None = None
    """The status of the answer that comes instead."""
    retry_after: float | None = None
    """The seconds that a client is to wait before it asks again."""

    def __post_init__(self) -> None:
        if self.name not in KINDS:
            raise InvalidArgumentError("name", excerpt(self.name), f"A fault is one of {', '.join(KINDS)}.")
        wholes, numbers = ("a whole number, 0 or more.", int), ("a number, 0 or more.", int | float)
        places = dict.fromkeys(("after_deltas", "after_bytes"), wholes)
        for name, (rule, kind) in {**places, "seconds": numbers, "retry_after": numbers}.items():
            value: object = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, kind) or not value >= 0):
                raise InvalidArgumentError(name, excerpt(value), f"It must be {rule}")
        if self.status != _STATUSES.get(self.name):
            rule = f"The function makes it: faults.{self.name}(). A script fails in its own way: Raise(...)."
            raise InvalidArgumentError("status", excerpt(self.status), rule)
        if self.after_deltas is not None and self.after_bytes is not None:
            given = f"{self.after_deltas} and {self.after_bytes}"
            raise InvalidArgumentError("after_deltas and after_bytes", given, "A fault has one place: give one.")

    @property
    def __name__(self) -> str:
        """The name, by which pytest calls a case that has this fault."""
        return self.name

    @property
    def what(self) -> str:
        """What goes wrong, in a few words."""
        return KINDS[self.name].what

    @property
    def ruins(self) -> bool:
        """Whether the answer is lost or damaged, so that a client may ask again; otherwise it only comes oddly."""
        return KINDS[self.name].ruins

    @property
    def refuses(self) -> bool:
        """Whether nobody gets a connection."""
        return self.name == "refuse"

    def on(self, script: Script | str) -> Faulty:
        """Return a script with this fault, which strikes this once."""
        return Faulty(script, self)

    def applied(self, steps: Steps, question: Question) -> Steps:
        """Yield the steps of an answer with this fault."""
        return KINDS[self.name].spoil(steps, self, question)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A script with a fault."""

    script: Script | str
    """What is played."""
    fault: Fault
    """What goes wrong."""


def _placed(name: str, after_deltas: int | None, after_bytes: int | None, seconds: float = 0.0) -> Fault:
    """Return a fault that strikes behind the first delta, unless it is said where."""
    if after_deltas is None and after_bytes is None:
        after_deltas = 1
    return Fault(name, after_deltas, after_bytes, seconds)


# In the order in which they strike: the connection, the answer, the stream, its writes


def refuse() -> Fault:
    """Nobody gets a connection. This is a fault of the server, for all its requests."""
    return Fault("refuse")


def bad_request() -> Fault:
    """The answer is a 400, in the provider's form."""
    return Fault("bad_request", status=_STATUSES["bad_request"])


def unauthorized() -> Fault:
    """The answer is a 401, in the provider's form."""
    return Fault("unauthorized", status=_STATUSES["unauthorized"])


def rate_limited(retry_after: float | None = 1) -> Fault:
    """The answer is a 429, with `Retry-After` in seconds, in the provider's form."""
    return Fault("rate_limited", status=_STATUSES["rate_limited"], retry_after=retry_after)


def server_error() -> Fault:
    """The answer is a 500, in the provider's form."""
    return Fault("server_error", status=_STATUSES["server_error"])


def overloaded() -> Fault:
    """The answer is a 529, in the provider's form."""
    return Fault("overloaded", status=_STATUSES["overloaded"])


def headers_then_silence() -> Fault:
    """The headers come, and nothing more."""
    return Fault("headers_then_silence")


def empty_body() -> Fault:
    """The headers come, and a body of no bytes."""
    return Fault("empty_body")


def wrong_content_type() -> Fault:
    """The content type is that of a page of HTML."""
    return Fault("wrong_content_type")


def stall(seconds: float = 0.2, *, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Nothing comes for a time; then the stream goes on."""
    return _placed("stall", after_deltas, after_bytes, seconds)


def close_mid_frame(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """The connection is closed within a frame."""
    return _placed("close_mid_frame", after_deltas, after_bytes)


def reset(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """The connection is reset."""
    return _placed("reset", after_deltas, after_bytes)


def truncate(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """The body ends as if it were complete: in the middle of the text, or at the given place.

    Real traffic, whose length is not known beforehand, ends after its first delta. `after_deltas=N`, with all deltas of
    a script, leaves out only the frames that end the stream.
    """
    return Fault("truncate", after_deltas, after_bytes)


def unfinished(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """The connection is closed between two frames, without the end of the body."""
    return _placed("unfinished", after_deltas, after_bytes)


def malformed_json(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """A frame holds JSON that breaks off."""
    return _placed("malformed_json", after_deltas, after_bytes)


def duplicated_frame(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """A frame comes twice."""
    return _placed("duplicated_frame", after_deltas, after_bytes)


def out_of_order(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Two frames have changed places."""
    return _placed("out_of_order", after_deltas, after_bytes)


def invalid_utf8(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """A frame holds a byte that is no UTF-8, in its text where it brings some."""
    return _placed("invalid_utf8", after_deltas, after_bytes)


def cut_character(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """A character of several bytes is cut between two writes; a stream without any is cut within a frame."""
    return _placed("cut_character", after_deltas or (0 if after_bytes is None else None), after_bytes)


def one_byte_writes() -> Fault:
    """Every byte comes by itself."""
    return Fault("one_byte_writes")


def one_write() -> Fault:
    """The whole body comes at once, when its last frame is due."""
    return Fault("one_write")


def slow_drip(seconds: float = 0.01) -> Fault:
    """Every frame comes some time after the one before."""
    return Fault("slow_drip", seconds=seconds)


_MAKERS = (
    refuse,
    bad_request,
    unauthorized,
    rate_limited,
    server_error,
    overloaded,
    headers_then_silence,
    empty_body,
    wrong_content_type,
    stall,
    close_mid_frame,
    reset,
    truncate,
    unfinished,
    malformed_json,
    duplicated_frame,
    out_of_order,
    invalid_utf8,
    cut_character,
    one_byte_writes,
    one_write,
    slow_drip,
)
_BY_NAME: Mapping[str, Fault] = MappingProxyType({make.__name__: make() for make in _MAKERS})


def checked_fault(given: object) -> Fault | None:
    """Return a fault, given as one or by its name.

    Raises:
        InvalidArgumentError: a `ValueError`; it is neither, or there is none of that name.
    """
    if given is None or isinstance(given, Fault):
        return given
    if isinstance(given, str):
        return named(given)
    check_made("fault", given)
    raise InvalidArgumentError(
        "fault", excerpt(given), "It must be a fault, such as faults.reset(), or the name of one."
    )


def check_made(argument: str, given: object) -> None:
    """Raise `InvalidArgumentError` for a function that makes a fault, given in the place of one."""
    for make in _MAKERS:
        if given is make:
            rule = f"That is what makes the fault; call it: faults.{make.__name__}()."
            raise InvalidArgumentError(argument, excerpt(given), rule)


def all() -> list[Fault]:  # noqa: A001  # read as faults.all()
    """Return one fault of each kind."""
    return list(_BY_NAME.values())


def named(name: str) -> Fault:
    """Return the fault of a name.

    Raises:
        InvalidArgumentError: a `ValueError`; there is none.
    """
    if name not in _BY_NAME:
        raise InvalidArgumentError("fault", excerpt(name), f"It must be one of {', '.join(_BY_NAME)}.")
    return _BY_NAME[name]
