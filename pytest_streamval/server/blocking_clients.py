"""`BlockedLoopWatch`: clients that block the event loop in which their own server answers."""

from __future__ import annotations

import json
import select
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from pytest_streamval.errors import blocked_loop_error
from pytest_streamval.server.server_thread import AnsweringThread
from pytest_streamval.virtual_time.task_locations import callers_of

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

_PERIOD = 0.5  # seconds between two looks; a loop that accepts nothing for two of them is blocked
_BLOCKING = ("socket", "ssl", "http.client")  # the modules whose functions wait for a connection


class BlockedLoopWatch:
    """A thread that answers a client in the place of a loop that the client blocks.

    A synchronous client waits for an answer in the thread of the event loop that would have to answer it. Without this
    watch, both would wait for ever.
    """

    def __init__(self, listening: socket.socket, on_blocked: Callable[[], object]) -> None:
        """Create a watch.

        Args:
            listening: The socket of the server.
            on_blocked: Called in the thread when a client was found, before it is answered.
        """
        self._listening = listening
        self._on_blocked = on_blocked
        self._stopped = threading.Event()

    def start(self) -> None:
        """Watch the thread that calls this."""
        ident = threading.get_ident()
        AnsweringThread(target=self._run, args=(ident,), name="streamval server watch", daemon=True).start()

    def stop(self) -> None:
        """End the watch, without waiting for its thread."""
        self._stopped.set()

    def _run(self, ident: int) -> None:
        blocked = 0
        while not self._stopped.wait(_PERIOD):
            blocked = blocked + 1 if self._has_waiting_client() and _is_blocked(ident) else 0
            if blocked > 1:
                blocked = 0
                self._answer()

    def _has_waiting_client(self) -> bool:
        with suppress(OSError, ValueError):  # the socket was closed meanwhile
            return bool(select.select([self._listening], [], [], 0)[0])
        return False

    def _answer(self) -> None:
        with suppress(OSError):  # the client has left
            client, _ = self._listening.accept()
            with client:
                client.settimeout(_PERIOD)
                self._on_blocked()
                client.recv(65_536)
                error = {"message": str(blocked_loop_error()), "type": "invalid_request_error"}
                body = json.dumps({"error": error}).encode()
                head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
                client.sendall(f"{head}connection: close\r\n\r\n".encode() + body)


def _is_blocked(ident: int) -> bool:
    """Return whether a thread waits for a connection outside of its event loop."""
    frame = sys._current_frames().get(ident)
    names = [each.f_globals.get("__name__", "") for each in callers_of(frame)]
    return bool(names) and (names[0] in _BLOCKING or names[0].endswith((".sync", ".connection"))) and "bdb" not in names
