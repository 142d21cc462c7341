"""What a client does under a fault: what it raises, which text survives, whether it asks again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_streamval import ProviderServer, Script, faults
from tests.sdks.every import EVERY
from tests.sdks.page import Row
from tests.sdks.ways import Patience

if TYPE_CHECKING:
    from pytest_streamval.typing import Fault, ServedRequest
    from tests.sdks.heard import Outcome
    from tests.sdks.ways import Way

PIECES = ("One ", "two ", "thre\u00e9.")
"""What the server says, a delta each."""
TEXT = "".join(PIECES)
LONG = 30.0
"""Seconds that a client waits for bytes which will come."""
SHORT = 1.0
"""Seconds that it waits for those which will not."""
BRIEF = 0.05
"""Seconds of silence that nobody minds."""
_AT_ONCE = 0.3  # seconds at most, while the pauses that clients choose themselves are longer
_NEARLY = 0.95  # of the seconds that were named, while the pauses that clients choose are about half of it


@dataclass(frozen=True)
class Case:
    """A fault as it is tried."""

    name: str
    """What the page calls it."""
    fault: Fault
    """What is played."""
    seconds: float = LONG
    """How long the client waits for bytes."""
    told: str = ""
    """What goes wrong, where the fault itself does not say all of it."""

    @property
    def what(self) -> str:
        """What goes wrong."""
        return self.told or self.fault.what

    def __str__(self) -> str:
        return self.name


def _cases() -> list[Case]:
    """Each of `faults.all()`; where one form of it does not show everything, in the forms that do."""
    forms = {
        "headers_then_silence": [Case("headers_then_silence", faults.headers_then_silence(), SHORT)],
        "rate_limited": [
            Case(f"rate_limited({wait})", faults.rate_limited(wait), told=f"the answer is a 429, `Retry-After: {wait}`")
            for wait in (0, 1)
        ],
        "stall": [
            Case("stall", faults.stall(BRIEF)),
            Case("stall(3600)", faults.stall(3600), SHORT, "nothing comes any more, for longer than the client waits"),
        ],
        "truncate": [
            Case("truncate", faults.truncate()),
            Case(
                "truncate(after_deltas=3)",
                faults.truncate(after_deltas=len(PIECES)),
                told="the body ends after the last delta, before the frame that ends the stream",
            ),
        ],
        "unfinished": [
            Case("unfinished", faults.unfinished()),
            Case(
                "unfinished(after_deltas=99)",
                faults.unfinished(after_deltas=99),
                told="the connection is closed behind the last frame, without the end of the body",
            ),
        ],
    }
    return [case for fault in faults.all() for case in forms.get(fault.name, [Case(fault.name, fault)])]


CASES = _cases()
"""All faults as they are tried."""
_OF_FRAMES = ("duplicated_frame", "out_of_order")  # which an answer that is not streamed does not have
TRIED = [(way, case) for way in EVERY for case in CASES if way.form != "whole" or case.name not in _OF_FRAMES]
"""Every way under every fault that it can have."""


def hear(way: Way, case: Case, *, retries: int | None) -> tuple[Outcome, list[float]]:
    """Ask under a fault, and return how that ended, and when each request came."""
    times: list[float] = []

    def rule(_: ServedRequest) -> Script:
        times.append(time.monotonic())
        return Script.of(*PIECES)

    with ProviderServer(rule, fault=case.fault) as server:
        return way.listen(server, Patience(case.seconds, retries)), times


def measure(way: Way, case: Case) -> Row:
    """Ask as the client is when nobody sets it up otherwise."""
    outcome, times = hear(way, case, retries=None)
    waits = ""
    if len(times) > 1 and case.fault.retry_after is not None:
        pause = times[1] - times[0]
        told = case.fault.retry_after
        waits = "as told" if (pause >= _NEARLY * told if told else pause < _AT_ONCE) else "as it likes"
    return Row(way.sdk, way.method, way.is_async, case.name, outcome.raised, outcome.heard.text, len(times), waits)


def versions() -> dict[str, str]:
    """The version of each client that is installed."""
    return {sdk: version(sdk) for sdk in dict.fromkeys(way.sdk for way in EVERY)}
