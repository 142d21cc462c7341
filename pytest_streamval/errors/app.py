"""Errors of an application under test and its client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import CheckFailedError, StreamvalError, check_failed
from pytest_streamval.errors.text import excerpt

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 400  # characters of a page that a message shows


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


def app_still_running_error(seconds: float, requests: Sequence[tuple[str, str]]) -> CheckFailedError:
    """Return the error for an application that did not end its requests.

    Args:
        seconds: The seconds that it had.
        requests: Each request with its state, and the line of the application that waits.
    """
    return check_failed(
        "leak",
        [
            f"The application still worked on requests {seconds:g} s after its client was closed:",
            *(f"  {request}, {place}" for request, place in requests),
            (
                "An application that ignores the disconnect of its client goes on to use its provider. Await "
                "request.is_disconnected() between chunks, or cancel the work when receive() returns http.disconnect."
            ),
            "If this is intended, mark the test with @pytest.mark.streamval_allow_leaks.",
        ],
    )
