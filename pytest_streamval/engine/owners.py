"""Objects that the user closes, such as sessions, and the listeners that are called when one opens or is dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Owner(Protocol):
    """An object that owns threads, sockets or generations until it is closed."""

    @property
    def at_work(self) -> bool:
        """Whether it owns anything that `close` would end."""

    def close(self) -> None:
        """Close it. A second call has no effect."""


on_open: list[Callable[[Owner], None]] = []
"""Functions that are called with every owner that opens."""
on_drop: list[Callable[[Owner], None]] = []
"""Functions that are called with every owner whose `__del__` runs while it is at work."""


def opened(owner: Owner) -> None:
    """Report that an owner has opened."""
    for listener in tuple(on_open):
        listener(owner)


def dropped(owner: Owner) -> None:
    """Report that an owner is dropped."""
    for listener in tuple(on_drop):
        listener(owner)
