"""Steps: what goes over a connection, and when, as plain values.

An answer is an iterator of steps that knows no socket and no clock. A script becomes steps, a fault turns steps into
other steps, a cut takes them apart, and a connection does what they say.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias


class Head(NamedTuple):
    """The status and the headers go out; without a length the body comes in chunks."""

    status: int
    """The status code."""
    media_type: str
    """The content type."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers."""
    length: int | None = None
    """The bytes of the body, where they are known beforehand."""


class Frame(NamedTuple):
    """Bytes of the body, which go out as one chunk, together with whatever else is due."""

    data: bytes
    """The bytes; none where a delta only adds to what comes later."""
    deltas: int = 0
    """How many deltas are complete with these bytes."""
    text: str = ""
    """The text that they bring, for faults that aim at it."""


class Turn(NamedTuple):
    """What is due goes out, in a write of its own."""


class Pause(NamedTuple):
    """Nothing goes out for some time."""

    seconds: float
    """How long."""


class Silence(NamedTuple):
    """Nothing more goes out, until the client leaves or the server is closed."""

    place: str = "A provider server"
    """The script and the step, for messages."""


class Break(NamedTuple):
    """The connection ends in the middle of the answer."""

    how: Literal["closed", "reset"]
    """Closed without the end of the body, or reset."""


class Work(NamedTuple):
    """Something has to be waited for before the next step is known."""

    wait: Callable[[], Awaitable[object]]
    """What is waited for."""


Step: TypeAlias = Head | Frame | Turn | Pause | Silence | Break | Work
"""What an answer is made of."""

Steps: TypeAlias = Iterator[Step]
"""An answer."""
