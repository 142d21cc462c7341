"""Errors of an application under test and its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, StreamvalError, check_failed
from pytest_streamval.errors.text import excerpt, listed, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 400  # characters of a page that a message shows


class ClientDisconnected(OSError):  # noqa: N818  # the name in uvicorn
    """Raised in `send` of an application whose client has left, as uvicorn and the ASGI specification do."""


@dataclass(eq=False, repr=False)
class BrokenResponseError(StreamvalError, ConnectionError):
    """The application ended in the middle of its response. A client sees a connection that was closed too early."""

    request: str
    """The method and the path."""
    reason: str
    """The application's error, or the message that is missing."""
    text: str
    """The text that arrived before."""

    def __str__(self) -> str:
        return (
            f"The response to {self.request} broke off: {self.reason}. A client gets {excerpt(self.text)} and then a "
            "connection that is closed too early. The error is in page.error, and the text in page.text."
        )


@dataclass(eq=False, repr=False)
class NotJsonError(StreamvalError, ValueError):
    """The body of a page is not JSON."""

    request: str
    """The method and the path."""
    content_type: str
    """The content type of the response, empty if it has none."""
    text: str
    """The body so far."""
    events: int
    """The number of its server-sent events."""
    reason: str
    """The fault of the body."""

    def __str__(self) -> str:
        kind = f"Its content type is {self.content_type!r}" if self.content_type else "It has no content type"
        if self.events:
            advice = (
                f"It has {plural(self.events, 'server-sent event')}: use page.events, such as page.events[0].json()."
            )
        else:
            advice = "Use page.text, and read a page to its end before page.json()."
        return f"The body of {self.request} is not JSON: {self.reason}. {kind}: {excerpt(self.text)}. {advice}"


@dataclass(eq=False, repr=False)
class LifespanError(StreamvalError, RuntimeError):
    """The application reported that its start or its shutdown failed, so a server would exit."""

    phase: str
    """`startup` or `shutdown`."""
    message: str
    """The application's own message."""

    def __str__(self) -> str:
        message = self.message.rstrip() or "no message given"
        return f"The {self.phase} of the application failed, so a server would exit. Mend its lifespan:\n{message}"


@dataclass(eq=False, repr=False)
class WebSocketClosedError(StreamvalError, ConnectionError):
    """The application closed a WebSocket, or its task ended."""

    path: str
    code: int
    """The code of the close frame, 1006 if there was none."""
    reason: str

    def __str__(self) -> str:
        reason = f" and the reason {excerpt(self.reason)}" if self.reason else ""
        return (
            f"The application closed the WebSocket {self.path} with the code {self.code}{reason}. It takes and sends "
            "no more messages. Expect it with pytest.raises(WebSocketClosedError) if that is intended."
        )


@dataclass(eq=False, repr=False)
class WebSocketRejectedError(StreamvalError, ConnectionError):
    """The application did not accept a WebSocket, so the client got an HTTP response."""

    path: str
    status: int
    """The status of the response: 403 if the application closed the WebSocket, 500 after an error."""
    body: bytes

    def __str__(self) -> str:
        body = f": {excerpt(self.body)}" if self.body else ""
        return (
            f"The application rejected the WebSocket {self.path} with the status {self.status}{body}. 403 means that "
            "it closed the WebSocket, and 500 that it raised an error or ended. Expect it with "
            "pytest.raises(WebSocketRejectedError) if that is intended."
        )


def text_missing_error(request: str, wanted: str, found: str, end: str) -> CheckFailedError:
    """Return the error for a page that ended without a text.

    Args:
        request: The method and the path.
        wanted: The text.
        found: The text of the page.
        end: How the page ended.
    """
    lines = [f"{excerpt(wanted)} never came: {request} {end}. Its text:", f"  {excerpt(found, _SHOWN)}"]
    return check_failed("text missing", lines)


def app_still_running_error(
    seconds: float, requests: Sequence[tuple[str, str]], *, were_left: bool
) -> CheckFailedError:
    """Return the error for an application that did not end its requests.

    Args:
        seconds: The seconds that it had.
        requests: Each request with its state, and the line of the application that waits.
        were_left: Whether their clients have left.
    """
    ignored = (
        "An application that ignores the disconnect of its client goes on to use its provider. Await "
        "request.is_disconnected() between chunks, or cancel the work when receive() returns http.disconnect."
    )
    opened = "Their clients have not left. End the context of a page with async with, or await page.leave()."
    return check_failed(
        "leak",
        [
            f"The application still worked on requests {seconds:g} s after its client was closed:",
            *(f"  {request}, {place}" for request, place in requests),
            ignored if were_left else opened,
            "If this is intended, mark the test with @pytest.mark.streamval_allow_leaks.",
        ],
    )


def secret_sent_error(secret: str, form: str, around: str, arrival: str) -> CheckFailedError:
    """Return the error for a text that left the application and must not.

    Args:
        secret: The text.
        form: The place: the body, the data of events, or the strings at a path of their JSON.
        around: The text around it, decoded.
        arrival: The read that completed it, empty if it is not in the body as it is.
    """
    return check_failed(
        "secret sent",
        [
            f"{excerpt(secret)} left the application, in {form}{f', with {arrival}' if arrival else ''}:",
            f"  {excerpt(around, _SHOWN)}",
            "Text may leave when every requirement has passed it. Stream the chunks of astream(), not the deltas.",
        ],
    )


def not_streamed_error(request: str, fault: str, middleware: Sequence[str]) -> CheckFailedError:
    """Return the error for an application that did not stream its response.

    Args:
        request: The method and the path.
        fault: The fault, in words.
        middleware: The names of the classes of middleware that keep a response back.
    """
    if middleware:
        advice = f"Middleware that keeps a response back until its end: {listed(middleware)}. Leave it out, or mend it."
    else:
        advice = (
            "No middleware of the application keeps a response back. Either all deltas came at one moment, and the "
            "script needs a Delay between two of them, or the endpoint itself keeps it back."
        )
    return check_failed("not streamed", [f"{request} did not stream: {fault}.", advice])
