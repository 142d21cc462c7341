"""`Newest`: a list that forgets its oldest items, so that a server that runs for days does not fill the memory."""

from __future__ import annotations

from collections import deque
from typing import TypeVar

T = TypeVar("T")

_OVERHEAD = 1_000  # bytes of an item beside its content


class Newest(list[T]):
    """The newest items of those that were added."""

    def __init__(self, limit: int | None = None) -> None:
        """Create an empty list.

        Args:
            limit: The most bytes of all items. The newest item stays in any case. None is no limit.
        """
        super().__init__()
        self.limit = limit
        """The most bytes of all items."""
        self.added = 0
        """The number of all items so far, with the forgotten ones."""
        self._sizes: deque[int] = deque()
        self._total = 0

    def add(self, item: T, size: int) -> None:
        """Add an item with its size in bytes, and forget the oldest items that no longer fit."""
        self.append(item)
        self.added += 1
        if self.limit is None:
            return
        self._sizes.append(size + _OVERHEAD)
        self._total += size + _OVERHEAD
        surplus = 0
        while self._total > self.limit and len(self._sizes) > 1:
            self._total -= self._sizes.popleft()
            surplus += 1
        del self[:surplus]
