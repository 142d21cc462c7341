"""Signals that end a command. They cancel its task or interrupt it, as Ctrl-C does, so that it keeps what it has."""

from __future__ import annotations

import signal
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator
    from types import FrameType
    from typing import Any, NoReturn

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

    with _handled(cancel):
        yield


class Interrupts:
    """The interrupts of a command: Ctrl-C, SIGTERM and SIGHUP raise `KeyboardInterrupt` in its main thread.

    While the command holds them, the first one waits. The second one does not, in case the command hangs.
    """

    def __init__(self) -> None:
        self._held = False
        self._waiting = False

    @contextmanager
    def received(self) -> Iterator[None]:
        """Receive the signals. After the first one, SIGTERM and SIGHUP do not disturb the clean-up."""

        def receive(number: int, frame: FrameType | None) -> None:
            del number, frame
            if self._held and not self._waiting:
                self._waiting = True
            else:
                _interrupt()

        with _handled(receive, signal.SIGINT):
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let an interrupt wait until the end of the block."""
        self._held = True
        try:
            yield
        finally:
            self._held = False
        if self._waiting:
            _interrupt()


def _interrupt() -> NoReturn:
    for number in _numbers():
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def _handled(handler: Callable[[int, FrameType | None], object], *more: int) -> Iterator[None]:
    with ExitStack() as undo:
        for number in (*_numbers(), *more):
            if signal.getsignal(number) is not signal.SIG_IGN:
                undo.callback(signal.signal, number, signal.signal(number, handler))
        yield


def _numbers() -> list[int]:
    return [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
