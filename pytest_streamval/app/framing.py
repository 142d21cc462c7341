"""`ResponseFraming`: the head of a response and the length of its body, with the rules of HTTP that a server holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from pytest_streamval.app.asgi_requests import is_header

if TYPE_CHECKING:
    from pytest_streamval.app.asgi_requests import Message

_STATUSES = range(200, 600)  # of a response, as uvicorn sends them
_WITHOUT_BODY = {204, 304}
_MOST_DIGITS = 20  # of a length, as h11 takes them


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
        announced = _announced(self.headers)
        length = announced if self.has_body and self.status not in _WITHOUT_BODY else 0
        self.is_limited = length is not None
        """Whether the length of the body is known."""
        self._left = length or 0
        self._fault = ""  # of the body

    @property
    def is_satisfied(self) -> bool:
        """Whether the client has all bytes that were announced, so that it does not wait for the application."""
        return self.is_limited and not self._left

    def add(self, size: int) -> None:
        """Count the bytes of a message, if the length of the body is known.

        Args:
            size: The bytes that the client receives.

        Raises:
            RuntimeError: If the body is longer than announced.
        """
        if self._fault:  # once a server has found one, it sends nothing more
            raise RuntimeError(self._fault)
        if size > self._left:
            self._fail(f"The response has a longer body than announced: {_reason(self.status)}.")
        self._left -= size

    def end(self) -> None:
        """Check the length at the end of the body.

        Raises:
            RuntimeError: If the body is shorter than announced.
        """
        if self._left:
            self._fail(f"The response ended {self._left} bytes before the content-length of its headers.")

    def _fail(self, fault: str) -> NoReturn:
        self._fault = fault
        raise RuntimeError(fault)


def _header(name: object, value: object) -> tuple[bytes, bytes]:
    """Return a header as a server sends it. uvicorn also takes texts."""
    name, value = (each.encode("ascii") if isinstance(each, str) else b"".join((each,)) for each in (name, value))  # type: ignore[arg-type]
    if not is_header(name.decode("latin-1"), value.decode("latin-1")) or value != value.strip():
        rule = "Its value must have neither line breaks nor control characters, and no spaces at its ends."
        msg = f"Invalid header of a response: {name!r}. {rule}"  # without the value, which may be a secret
        raise RuntimeError(msg)
    return name.lower(), value


def _announced(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return the announced length, None if the body ends with the connection or the last chunk."""
    codings = [value for name, value in headers if name == b"transfer-encoding"]
    if codings and [coding.lower() for coding in codings] != [b"chunked"]:
        msg = f"Invalid transfer-encoding of a response: {b', '.join(codings)!r}. A server only sends b'chunked'."
        raise RuntimeError(msg)
    given = [part.strip() for name, value in headers if name == b"content-length" for part in value.split(b",")]
    lengths = set(given)
    if lengths and (len(lengths) > 1 or not given[0].isdigit() or len(given[0]) > _MOST_DIGITS):
        msg = f"Invalid content-length of a response: {b', '.join(given)!r}. It must be one number of bytes."
        raise RuntimeError(msg)
    return int(given[0]) if lengths and not codings else None


def _reason(status: int) -> str:
    if status in _WITHOUT_BODY:
        return f"a response with the status {status} has none"
    return "it must have as many bytes as the content-length in its headers"
