"""Calls from a search in a thread into the event loop that waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import Callable


class CallsInLoop:
    """Runs a synchronous search, and the functions that it calls in the event loop of its caller."""

    def __init__(self) -> None:
        """Remember the running event loop.

        Raises:
            RuntimeError: If no event loop of asyncio is running.
        """
        self._loop = asyncio.get_running_loop()
        self._current: concurrent.futures.Future[object] | None = None
        self._is_cancelled = False
        self._lock = Lock()  # so that a call either is cancelled or never begins

    async def run_in_thread(self, search: Callable[[], None]) -> None:
        """Run a search in a thread, and wait until it has ended, also after a cancellation."""
        __tracebackhide__ = True
        running = asyncio.ensure_future(asyncio.to_thread(search))
        try:
            await asyncio.shield(running)
        except asyncio.CancelledError:
            with self._lock:
                self._is_cancelled = True
                if self._current is not None:
                    self._current.cancel()
            await asyncio.wait([running])
            raise

    def call(self, function: Callable[[list[str]], object], pieces: list[str]) -> object:
        """Return the result of a function that is called in the event loop, and awaited if it is asynchronous.

        Raises:
            asyncio.CancelledError: If the caller of the search was cancelled.
        """
        with self._lock:
            if self._is_cancelled:
                raise asyncio.CancelledError
            self._current = asyncio.run_coroutine_threadsafe(_result(function, pieces), self._loop)
        try:
            return self._current.result()
        except BaseException:
            if self._is_cancelled:
                raise asyncio.CancelledError from None
            raise


async def _result(function: Callable[[list[str]], object], pieces: list[str]) -> object:
    result = function(pieces)
    return await result if isinstance(result, Awaitable) else result
