"""The number of deltas that the mocks and servers of this process have sent."""

from __future__ import annotations

from itertools import count
from threading import Lock

_lock = Lock()  # mocks run in any thread, and servers in one of their own
_many = 0
_singles = count()  # counts without the lock, which would take a third of the time of a delta
_reads = 0  # each reading of a counter counts, too

note_one_sent = _singles.__next__
"""Count a delta that a producer has sent."""


def note_sent(deltas: int) -> None:
    """Count deltas that a producer has sent."""
    global _many  # noqa: PLW0603  # one number for the process
    with _lock:
        _many += deltas


def sent_deltas() -> int:
    """Return the number of deltas that were sent since the start of the process."""
    global _reads  # noqa: PLW0603  # as above
    with _lock:
        _reads += 1
        return _many + next(_singles) - (_reads - 1)
