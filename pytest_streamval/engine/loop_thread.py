"""`LoopThread`: an event loop in a thread of its own, for callers in other threads."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_abandoned: list[LoopThread] = []


class LoopThread:
    """An event loop that runs in a thread of its own until it is stopped."""

    def __init__(
        self,
        name: str,
        *,
        new_loop: Callable[[], asyncio.AbstractEventLoop],
        thread_type: type[threading.Thread] = threading.Thread,
        daemon: bool = False,
        on_end: Callable[[], object] | None = None,
    ) -> None:
        """Start the thread.

        Args:
            name: The name of the thread.
            new_loop: Makes the event loop.
            thread_type: The class of the thread.
            daemon: Whether the interpreter may exit while the thread runs.
            on_end: Called in the thread after the loop is closed.
        """
        # a factory keeps the runner from making this the event loop of the calling thread
        self._runner = asyncio.Runner(loop_factory=new_loop)
        self.loop = self._runner.get_loop()
        """The event loop."""
        self._on_end = on_end
        self._is_stopped = False
        self._thread = thread_type(target=self._run, name=name, daemon=daemon)
        self._thread.start()

    @property
    def is_current(self) -> bool:
        """Whether the caller runs in this thread."""
        return threading.current_thread() is self._thread

    def stop(self) -> None:
        """Stop the loop soon. This can be called from any thread, and does not wait."""
        self.loop.call_soon_threadsafe(self._stop, context=Context())

    def join(self) -> None:
        """Wait until the thread has ended, unless the caller runs in it."""
        if not self.is_current:
            self._thread.join()

    def abandon(self) -> None:
        """Keep the loop of the parent process from being closed in a forked child, which does not have the thread.

        The two processes share the loop's selector. Closing it in the child, as the garbage collector would, makes the
        parent's loop miss its events.
        """
        _abandoned.append(self)

    def _stop(self) -> None:
        self._is_stopped = True
        self.loop.stop()

    def _run(self) -> None:
        with self._runner:
            while not self._is_stopped:
                # raised by a task whose caller receives it, too
                with suppress(KeyboardInterrupt, SystemExit):
                    self.loop.run_forever()
        if self._on_end is not None:
            self._on_end()
