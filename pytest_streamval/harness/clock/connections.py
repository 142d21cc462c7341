"""Whom an event loop talks to through its file descriptors."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Ends(NamedTuple):
    """The names of the two ends of a connection, from one of them: the other one has them the other way round."""

    here: Any
    there: Any


class Connections:
    """What a loop waits for at its file descriptors, by where it has to come from."""

    def __init__(self, loop: Any, watched: Iterable[int]) -> None:  # noqa: ANN401  # what is asked of it is private
        """Look at the file descriptors that the selector of a loop watches."""
        self.outer: list[str] = []
        """What has to come from elsewhere, in words."""
        self.has_inner = False
        """Whether a connection has both its ends in the loop."""
        found = {number: _examined(number) for number in watched}
        # one end may be left unwatched for a while, because what it has read has not been taken yet
        ours = {*found.values(), *(_examined(number) for number in loop._transports if number not in found)}
        for number, what in found.items():
            if isinstance(what, str):
                self.outer.append(what)
            elif what is not None:
                if what.here != what.there and Ends(what.there, what.here) in ours:
                    self.has_inner = True
                else:
                    self.outer.append(f"the connection to {_shown(what.there, number)}")


def _examined(number: int) -> Ends | str | None:
    """Return the ends of a connection, words for what is none, and None for what only listens."""
    try:
        sock = socket.socket(fileno=number)
    except OSError:
        return f"the file descriptor {number}, a pipe or the like"
    try:
        if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            return None
        here = sock.getsockname()
        return Ends(_plain(here), _plain(sock.getpeername()))
    except OSError:
        return f"the socket at {_shown(_plain(here), number)}, which has no peer"
    finally:
        sock.detach()  # it is another's


def _plain(name: Any) -> Any:  # noqa: ANN401  # each family of addresses has its own kind of name
    """Return a name as both ends write it, also where one of them writes IPv4 as IPv6."""
    return (name[0].removeprefix("::ffff:"), name[1]) if isinstance(name, tuple) else name


def _shown(name: Any, number: int) -> str:  # noqa: ANN401  # as above
    """Return a name for a message."""
    if isinstance(name, tuple):
        return f"{name[0]}:{name[1]}"
    return repr(name) if name else f"nobody by name, at file descriptor {number}"
