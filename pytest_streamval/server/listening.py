"""The listening socket of a server."""

from __future__ import annotations

import socket

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
        bound.bind((_HOST, port))
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


def address_of(bound: socket.socket) -> str:
    """Return the address of a server with this socket."""
    return f"http://{_HOST}:{bound.getsockname()[1]}"
