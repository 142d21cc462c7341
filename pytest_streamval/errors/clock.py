"""Errors of virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Sequence

# Virtual time


class VirtualDeadlockError(StreamvalError):
    """Everything on a virtual clock waits, and nothing is left that could wake it."""

    def __init__(self, elapsed: float, waiting: Sequence[tuple[str, str]], threads: Sequence[str] = ()) -> None:
        super().__init__(elapsed, tuple(waiting), tuple(threads))
        self.elapsed = elapsed
        """Seconds of virtual time."""
        self.waiting = tuple(waiting)
        """The name of each task that waits, and where."""
        self.threads = tuple(threads)
        """The names of daemon threads, for which nobody waits."""

    def __str__(self) -> str:
        lines = [
            (
                f"Nothing can wake this program any more: at {self.elapsed:.12g} s of virtual time no timer is due, "
                "and no thread, subprocess or connection is under way. What waits:"
            ),
            *(f"  {name} at {place}" for name, place in self.waiting),
        ]
        if self.threads:
            lines.append(
                f"Daemon threads are not waited for ({', '.join(self.threads)}). Run by asyncio.to_thread() what has "
                "to wake an event loop."
            )
        lines.append(
            "Set what they wait for in a task of the same test, or limit the waiting: by asyncio.timeout(), or by "
            "validator_timeout= where it is a validator that waits."
        )
        return "\n".join(lines)


class UnsupportedLoopError(StreamvalError, RuntimeError):
    """A virtual clock was asked to drive an event loop that it cannot drive."""

    def __init__(self, loop: str) -> None:
        super().__init__(loop)
        self.loop = loop
        """Full name of the loop's class; empty where no event loop of asyncio runs."""

    def __str__(self) -> str:
        if not self.loop:
            return (
                "A virtual clock drives asyncio, and this test is not run by it: on trio, take "
                "trio.testing.MockClock, or let anyio run the test on its backend 'asyncio'."
            )
        if self.loop.startswith("uvloop."):
            return (
                "A virtual clock cannot drive uvloop, whose time is kept in C: let asyncio's own event loop run the "
                "tests that ask for it, for instance by loop_factory=asyncio.SelectorEventLoop."
            )
        return (
            f"A virtual clock cannot drive {self.loop}, which has no selector: let an asyncio.SelectorEventLoop run "
            "the tests that ask for it, for instance by loop_factory=asyncio.SelectorEventLoop."
        )


class VirtualClockUseError(StreamvalError, RuntimeError):
    """A virtual clock was asked for where there cannot be one."""

    def __init__(self, fault: str, way_out: str) -> None:
        super().__init__(fault, way_out)
        self.fault = fault
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.fault} {self.way_out}"
