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


class RealTimeWarning(UserWarning):
    """An event loop in another thread runs in real time while a virtual clock is in force."""

    def __init__(self, thread: str, by_test_client: bool = False) -> None:  # noqa: FBT001, FBT002  # pickled by args
        super().__init__(thread, by_test_client)
        self.thread = thread
        """The name of the thread."""
        self.by_test_client = by_test_client
        """Whether Starlette's `TestClient` has started it."""

    def __str__(self) -> str:
        who, way_out = "", "Run its coroutines in the test's own event loop, with await or with virtual_clock.run()."
        if self.by_test_client:
            who = " of Starlette's TestClient"
            way_out = (
                "Call the application in the test's own event loop: in an async test, with "
                "httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url='http://test')."
            )
        return (
            f"An event loop{who} runs in the thread {self.thread!r}, in real time, although the test has a virtual "
            "clock: its delays and timeouts take as long as they say, and its timestamps are real. "
            f"{way_out} If real time is intended there, mark the test with "
            '@pytest.mark.filterwarnings("ignore::pytest_streamval.RealTimeWarning").'
        )


class VirtualClockUseError(StreamvalError, RuntimeError):
    """A virtual clock was asked for where there cannot be one."""

    def __init__(self, fault: str, way_out: str) -> None:
        super().__init__(fault, way_out)
        self.fault = fault
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.fault} {self.way_out}"
