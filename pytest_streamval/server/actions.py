"""Actions: the parts of a response, as plain values.

A response is an iterator of actions that knows neither socket nor clock. A script becomes actions, a fault or a cut
turns them into other actions, and a connection performs them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Literal, NamedTuple, TypeAlias


class SendHead(NamedTuple):
    """Send the status and the headers. Without a length, the body is sent in chunks."""

    status: int
    """The status code."""
    media_type: str
    """The content type."""
    headers: tuple[tuple[str, str], ...] = ()
    """Further headers."""
    length: int | None = None
    """The bytes of the body, or None if they are not known yet."""


class SendData(NamedTuple):
    """Send bytes of the body as one chunk, in one write with everything else that is pending."""

    data: bytes
    """The bytes. They are empty if a delta only adds to later bytes."""
    deltas: int = 0
    """The number of deltas that these bytes complete."""
    text: str = ""
    """The text of those deltas, for faults that damage it."""


class Flush(NamedTuple):
    """Write everything that is pending, in a write of its own."""


class Sleep(NamedTuple):
    """Send nothing for some time."""

    seconds: float
    """The seconds to wait."""


class Hang(NamedTuple):
    """Send nothing more until the client leaves or the server is closed."""

    place: str = "A provider server"
    """The script and the step, for messages."""


class Disconnect(NamedTuple):
    """End the connection in the middle of the response."""

    how: Literal["closed", "reset"]
    """Whether the connection is closed without the end of the body, or reset."""


class Await(NamedTuple):
    """Wait for a coroutine that decides about the next action."""

    function: Callable[[], Awaitable[object]]
    """The function that makes the coroutine."""


Action: TypeAlias = SendHead | SendData | Flush | Sleep | Hang | Disconnect | Await
"""One part of a response."""

Actions: TypeAlias = Iterator[Action]
"""A response."""


async def do_nothing() -> None:
    """Close nothing, for a response that opens nothing."""


class Response(NamedTuple):
    """A response and its clean-up."""

    actions: Actions
    """The actions to perform."""
    close: Callable[[], Awaitable[None]] = do_nothing
    """Awaited after the last action that was performed, even if the client has left."""
