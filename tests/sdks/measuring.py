"""Measurements of a client under a fault: its error, its text, and its retries."""

from __future__ import annotations

import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from pytest_streamval import ProviderServer, Script, faults
from tests.sdks.all_methods import ALL
from tests.sdks.client_methods import ClientOptions
from tests.sdks.page import Row

if TYPE_CHECKING:
    from pytest_streamval.server import Fault, ServedRequest
    from tests.sdks.client_methods import ClientMethod
    from tests.sdks.received import Outcome

PIECES = ("One ", "two ", "thre\u00e9.")
"""The deltas of the script."""
TEXT = "".join(PIECES)
LONG = 30.0
"""The seconds that a client waits for bytes that will arrive."""
SHORT = 1.0
"""The seconds that it waits for bytes that will not."""
BRIEF = 0.05
"""The seconds of a harmless stall."""
_AT_ONCE = 0.3  # seconds; the pauses that clients choose are longer
_NEARLY = 0.95  # of the seconds in the header; the pauses that clients choose are about half of them


@dataclass(frozen=True)
class Case:
    """A fault with the options of a measurement."""

    name: str
    """The name on the page."""
    fault: Fault
    """The fault."""
    seconds: float = LONG
    """The seconds that the client waits for bytes."""
    effect: str = ""
    """The effect, if it is more specific than the fault's description."""

    @property
    def description(self) -> str:
        """The effect of the fault."""
        return self.effect or self.fault.description

    def __str__(self) -> str:
        return self.name


def _cases() -> list[Case]:
    """Return a case for each of `faults.all()`, or several if one does not show all effects."""
    forms = {
        "headers_then_silence": [Case("headers_then_silence", faults.headers_then_silence(), SHORT)],
        "rate_limited": [
            Case("rate_limited(0)", faults.rate_limited(0), effect="the response is a 429, `Retry-After: 0`"),
            Case("rate_limited(1)", faults.rate_limited(1), effect="the response is a 429, `Retry-After: 1`"),
        ],
        "stall": [
            Case("stall", faults.stall(BRIEF)),
            Case("stall(3600)", faults.stall(3600), SHORT, "nothing more is sent, for longer than the client waits"),
        ],
        "truncate": [
            Case("truncate", faults.truncate()),
            Case(
                "truncate(after_deltas=3)",
                faults.truncate(after_deltas=len(PIECES)),
                effect="the body ends after the last delta, before the frame that ends the stream",
            ),
        ],
        "unfinished": [
            Case("unfinished", faults.unfinished()),
            Case(
                "unfinished(after_deltas=99)",
                faults.unfinished(after_deltas=99),
                effect="the connection is closed after the last frame, without the end of the body",
            ),
        ],
    }
    return [case for fault in faults.all() for case in forms.get(fault.name, [Case(fault.name, fault)])]


CASES = _cases()
"""All cases."""
_OF_FRAMES = ("duplicated_frame", "out_of_order")  # a response that is not streamed has no frames
TRIED = [(method, case) for method in ALL for case in CASES if method.form != "whole" or case.name not in _OF_FRAMES]
"""Every method with every case that applies to it."""


def call_under(method: ClientMethod, case: Case, *, retries: int | None) -> tuple[Outcome, list[float]]:
    """Call a method under a fault, and return the outcome and the times of the requests."""
    times: list[float] = []

    def rule(_: ServedRequest) -> Script:
        times.append(time.monotonic())
        return Script.of(*PIECES)

    with ProviderServer(rule, fault=case.fault) as server:
        return method.call(server, ClientOptions(case.seconds, retries)), times


def measure(method: ClientMethod, case: Case) -> Row:
    """Return a row of the table, with the default options of the client."""
    outcome, times = call_under(method, case, retries=None)
    waits = ""
    if len(times) > 1 and case.fault.retry_after is not None:
        pause = times[1] - times[0]
        named = case.fault.retry_after
        waits = "as named" if (pause >= _NEARLY * named if named else pause < _AT_ONCE) else "of its own"
    return Row(
        method.sdk, method.name, method.is_async, case.name, outcome.raised, outcome.received.text, len(times), waits
    )


def versions() -> dict[str, str]:
    """Return the versions of the installed clients."""
    return {sdk: version(sdk) for sdk in dict.fromkeys(method.sdk for method in ALL)}
