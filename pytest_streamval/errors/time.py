"""Errors of virtual time and of telemetry that a test captures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(eq=False, repr=False)
class VirtualDeadlockError(StreamvalError):
    """Everything on a virtual clock waits, and nothing is left that could wake it."""

    elapsed: float
    """The seconds of virtual time that have passed."""
    waiting: Sequence[tuple[str, str]]
    """The name of each task that waits, and its line."""
    threads: Sequence[str] = ()
    """The names of daemon threads, which the clock does not wait for."""

    def __str__(self) -> str:
        lines = [
            (
                f"Nothing can wake this program any more: at {self.elapsed:.12g} s of virtual time no timer is due, "
                "and no thread, subprocess or connection is active. Waiting:"
            ),
            *(f"  {name} at {place}" for name, place in self.waiting),
        ]
        if self.threads:
            lines.append(
                f"The clock does not wait for daemon threads ({', '.join(self.threads)}). Use asyncio.to_thread() for "
                "code that has to wake an event loop."
            )
        lines.append(
            "Set what they wait for in a task of the same test, or limit the wait: with asyncio.timeout(), or with "
            "validator_timeout= if a validator waits."
        )
        return "\n".join(lines)


@dataclass(eq=False, repr=False)
class VirtualClockUseError(StreamvalError, RuntimeError):
    """A virtual clock was requested in a place that cannot have one."""

    fault: str
    way_out: str

    def __str__(self) -> str:
        return f"{self.fault} {self.way_out}"


@dataclass(eq=False, repr=False)
class FrozenClockError(StreamvalError, RuntimeError):
    """A scripted delay waits for a clock that freezegun has frozen, and that nothing moves."""

    seconds: float
    """The length of the delay in seconds."""

    def __str__(self) -> str:
        return (
            f"A scripted Delay({self.seconds:g}) would wait for ever: freezegun has frozen the clock of the event "
            "loop, and nothing moves it. Use freeze_time(..., real_asyncio=True), which delays in real time, or "
            "freeze_time(..., tick=True). The fixture virtual_clock beside the freeze moves the frozen date by itself."
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
        whose, way_out = "", "Run its coroutines in the test's own event loop, with await or virtual_clock.run()."
        if self.by_test_client:
            whose = " of Starlette's TestClient"
            way_out = (
                "Call the application in the test's own event loop: in an async test, with "
                "httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url='http://test')."
            )
        return (
            f"An event loop{whose} runs in the thread {self.thread!r}, in real time, although the test has a virtual "
            "clock: its delays and timeouts take real time, and its timestamps are real. "
            f"{way_out} If this is intended, mark the test with "
            '@pytest.mark.filterwarnings("ignore::pytest_streamval.RealTimeWarning").'
        )


@dataclass(eq=False, repr=False)
class TelemetryConflictError(StreamvalError, RuntimeError):
    """The program has set a telemetry provider that cannot be joined."""

    provider: str
    method: str

    def __str__(self) -> str:
        return (
            f"captured_telemetry cannot join {self.provider}, which has no {self.method}(). OpenTelemetry lets a "
            "process set its provider once. Set none in the tests, or one of a recent opentelemetry-sdk."
        )
