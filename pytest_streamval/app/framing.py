"""`ResponseFraming`: the head of a response and the length of its body, with the rules of HTTP that a server holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.app.asgi_requests import is_header

if TYPE_CHECKING:
    from pytest_streamval.app.asgi_requests import Message

_STATUSES = range(200, 600)  # of a response, as uvicorn sends them
_WITHOUT_BODY = {204, 304}
_MOST_DIGITS = 18  # of a length


class ResponseFraming:
    """The head of a response, and the bytes of the body that it announces.

    The rules are those of RFC 9110 and RFC 9112. An application that breaks them gets an error from uvicorn, and its
    client a connection that is closed.
    """

    def __init__(self, method: str, message: Message) -> None:
        """Read the head of a response.

        Args:
            method: The method of the request.
            message: The message of the application.

        Raises:
            RuntimeError: If the head cannot be sent.
        """
        self.status: int = message["status"]
        """The status."""
        self.headers = [_header(name, value) for name, value in message.get("headers", ())]
        """The headers, with names in lower case."""
        self.has_body = method != "HEAD"
        """Whether the client receives the body."""
        if not isinstance(self.status, int) or self.status not in _STATUSES:
            msg = f"Invalid status of a response: {self.status!r}. It must be a number from 200 to 599."
            raise RuntimeError(msg)
        self._left = 0 if self.status in _WITHOUT_BODY else _announced(self.headers) if self.has_body else None
        self.is_limited = self._left is not None
        """Whether the length of the body is known."""

    @property
    def is_satisfied(self) -> bool:
        """Whether the client has all bytes that were announced, so that it does not wait for the application."""
        return self._left == 0

    def add(self, size: int) -> None:
        """Count the bytes of a message.

        Args:
            size: The bytes.

        Raises:
            RuntimeError: If the body is longer than announced.
        """
        if self._left is None:
            return
        if size > self._left:
            msg = f"The response has a longer body than announced: {_reason(self.status)}."
            raise RuntimeError(msg)
        self._left -= size

    def end(self) -> None:
        """Check the length at the end of the body.

        Raises:
            RuntimeError: If the body is shorter than announced.
        """
        if self._left:
            msg = f"The response ended {self._left} bytes before the content-length of its headers."
            raise RuntimeError(msg)


def _header(name: object, value: object) -> tuple[bytes, bytes]:
    """Return a header as a server sends it. uvicorn also takes texts."""
    name, value = (each.encode("ascii") if isinstance(each, str) else b"".join((each,)) for each in (name, value))  # type: ignore[arg-type]
    if not is_header(name.decode("latin-1"), value.decode("latin-1")):  # its value may be a secret
        msg = f"Invalid header of a response: {name!r}. Its value must have neither line breaks nor control characters."
        raise RuntimeError(msg)
    return name.lower(), value


def _announced(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the announced length, None if the body ends with the connection or the last chunk."""
    if any(name == b"transfer-encoding" for name, _ in headers):
        return None
    lengths = {value.strip() for name, value in headers if name == b"content-length"}
    if not lengths:
        return None
    length = lengths.pop()
    if lengths or not length.isdigit() or len(length) > _MOST_DIGITS:
        msg = f"Invalid content-length of a response: {length!r}. It must be one number of bytes."
        raise RuntimeError(msg)
    return int(length)


def _reason(status: int) -> str:
    if status in _WITHOUT_BODY:
        return f"a response with the status {status} has none"
    return "it must have as many bytes as the content-length in its headers"
