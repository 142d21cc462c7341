"""Objects that the user has to close, such as sessions: listeners learn which of them open or are dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Owner(Protocol):
    """An object that keeps threads, sockets or generations until it is closed."""

    @property
    def at_work(self) -> bool:
        """Whether it keeps anything that `close` would end."""

    def close(self) -> None:
        """Close it; once more does nothing."""


on_open: list[Callable[[Owner], None]] = []
"""Called with every owner that opens."""
on_drop: list[Callable[[Owner], None]] = []
"""Called with every owner that is dropped while it keeps something, by its `__del__`."""


def opened(owner: Owner) -> None:
    """Report that an owner has opened."""
    for listener in tuple(on_open):
        listener(owner)


def dropped(owner: Owner) -> None:
    """Report that an owner is dropped."""
    for listener in tuple(on_drop):
        listener(owner)
