"""The listening socket of a server."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

BACKLOG = 1_024
"""The connections that may wait for their acceptance."""

_HOST = "127.0.0.1"


def bound_socket(port: int) -> socket.socket:
    """Return a socket that is bound to a port on loopback, 0 for any free port.

    Raises:
        OSError: If the port is taken.
    """
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # connections inherit it; asyncio sets it only for sockets that name their protocol
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        bound.bind((_HOST, port))
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address of a server with this socket."""
    return f"http://{_HOST}:{bound.getsockname()[1]}"


def peer_of(transport: asyncio.Transport) -> str:
    """Return the address of a client, such as `127.0.0.1:54321`, empty if the client has left at once."""
    name = transport.get_extra_info("peername")
    return f"{name[0]}:{name[1]}" if name else ""
