"""Signals that end a command. They cancel its task, as Ctrl-C does, so that it keeps what it has."""

from __future__ import annotations

import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator
    from types import FrameType
    from typing import Any

ENDED = 128
"""The exit code that a shell gives to a command ended by a signal, less the number of the signal."""

_NAMES = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def cancelled_by_signals(task: asyncio.Task[Any], received: list[int]) -> Iterator[None]:
    """Cancel a task at SIGTERM and SIGHUP. A signal that is ignored, as by nohup, stays ignored.

    Args:
        task: A task of the running event loop, in the main thread.
        received: The list to which the numbers of received signals are added.
    """
    loop = task.get_loop()

    def cancel(number: int, frame: FrameType | None) -> None:
        del frame
        received.append(number)
        loop.call_soon_threadsafe(task.cancel)

    with ExitStack() as undo:
        for number in (getattr(signal, name) for name in _NAMES if hasattr(signal, name)):
            if signal.getsignal(number) is not signal.SIG_IGN:
                undo.callback(signal.signal, number, signal.signal(number, cancel))
        yield
