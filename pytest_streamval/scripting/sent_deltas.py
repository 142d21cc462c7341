"""The number of deltas that the mocks and servers of this process have sent."""

from __future__ import annotations

from threading import Lock

_lock = Lock()  # mocks run in any thread, and servers in one of their own
_count = 0


def note_sent(deltas: int = 1) -> None:
    """Count deltas that a producer has sent."""
    global _count  # noqa: PLW0603  # one number for the process
    with _lock:
        _count += deltas


def sent_deltas() -> int:
    """Return the number of deltas that were sent since the start of the process."""
    return _count
