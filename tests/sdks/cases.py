"""Faults with the options of their measurement. It needs no client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_streamval import faults

if TYPE_CHECKING:
    from pytest_streamval.typing import Fault

PIECES = ("One ", "two ", "thre\u00e9.")
"""The deltas of the script."""
TEXT = "".join(PIECES)
LONG = 30.0
"""The seconds that a client waits for bytes that will arrive."""
SHORT = 1.0
"""The seconds that it waits for bytes that will not."""
BRIEF = 0.05
"""The seconds of a harmless stall."""


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
OF_FRAMES = ("duplicated_frame", "out_of_order")
"""The cases that need frames. A response that is not streamed has none."""
