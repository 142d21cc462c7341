"""`CountingLoop`: an event loop in virtual time that counts its callbacks."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class HangError(Exception):
    """Raised if nothing is left to do while a task waits."""


class _Selector:
    """A selector that never waits, but moves the clock of the loop."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.now = 0.0

    def select(self, timeout: float | None) -> list[object]:
        if timeout is None:
            raise HangError
        self.now += timeout
        return []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Handle(asyncio.Handle):
    def _run(self) -> None:
        super()._run()
        self._loop.count_callback()  # type: ignore[attr-defined]


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time that calls a function after its n-th callback."""

    def __init__(self) -> None:
        super().__init__()
        self._selector = self._clock = _Selector(self._selector)
        self.count = 0
        self.action: tuple[int, Callable[[], None]] | None = None
        self.errors: list[str] = []
        self.set_exception_handler(lambda _, context: self.errors.append(f"loop: {context['message']}"))

    def time(self) -> float:
        """Return the virtual time in seconds."""
        return self._clock.now

    def _call_soon(self, callback: Any, args: Any, context: Any) -> asyncio.Handle:
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)  # type: ignore[attr-defined]
        return handle

    def count_callback(self) -> None:
        """Count a callback, and call the function after the n-th."""
        self.count += 1
        if self.action is not None and self.count == self.action[0]:
            self.action[1]()
