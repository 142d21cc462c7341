"""`IncomingRequest`: a complete request, as the connection hands it on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import h11


class IncomingRequest(NamedTuple):
    """A complete request."""

    method: str
    """The method, or an empty text for bytes that are no HTTP."""
    target: str
    headers: list[tuple[str, str]]
    body: bytes
    names_address: bool = False
    """Whether the target was a complete address."""
    peer: str = ""
    """The address of the client."""

    def __repr__(self) -> str:  # without headers and parameters, because tracebacks with locals show it
        return f"<IncomingRequest {self.method} {self.target.partition('?')[0]}, {len(self.body)} bytes>"


def incoming_request(
    head: h11.Request, target: str, body: bytes = b"", *, names_address: bool = False, peer: str = ""
) -> IncomingRequest:
    """Return a request with the method and the headers of a head."""
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head.headers]
    return IncomingRequest(head.method.decode(), target, headers, body, names_address, peer)
