"""What happens while a council answers, as values in the order in which it happened.

Each member's: (`member_check`, `member_delta`)*, `member_done`, in any order between members. Then, where there is a
synthesizer, `synthesis_delta`*, `synthesis_done`, and on every path, last, `done`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal, TypeAlias

from pytest_streamval.engine.events import QuickCheckEvent, StreamEvent, stream_event

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.council.results import CouncilResult, ModelAnswer

EventType: TypeAlias = Literal[
    "member_delta", "member_done", "member_check", "synthesis_delta", "synthesis_done", "done"
]


@stream_event
class CouncilEvent(StreamEvent, sets_time=True):
    """Something happened in a council."""

    type: EventType
    """What: the fields that it does not name are empty."""
    member: str | None = None
    """Whose event it is, by name; the synthesizer's for those of the synthesis, None for `done`."""
    text: str = ""
    """`*_delta`: the text that is new. A member's join to the text of its answer."""
    answer: ModelAnswer | None = None
    """`*_done`: the whole answer."""
    result: CouncilResult | None = None
    """`done`: the result."""
    check: QuickCheckEvent | None = None
    """`member_check`: what the requirements said about a chunk."""

    @classmethod
    def in_fixed_order(cls, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Return them member by member."""
        return per_member(event for event in events if isinstance(event, CouncilEvent))

    def __str__(self) -> str:
        """Return it in a line, as transcripts show it."""
        who = f"{self.member}: " if self.type.startswith("member") else ""
        what = self.type.removeprefix("member_").replace("_", " ")
        if self.answer is not None:
            return f"{who}{what} {_said(self.answer)}"
        if self.result is not None:
            return f"{what} {self.result.mode}, {len(self.result.usable_answers)} usable of {len(self.result.answers)}"
        if self.check is not None:
            reasons = [_quoted(result.reason) for result in self.check.results if result.reason is not None]
            return f"{who}check {', '.join(['passed' if self.check.passed else 'FAILED', *reasons])}"
        return f"{who}{what} {_quoted(self.text)}"


def per_member(events: Iterable[CouncilEvent]) -> list[CouncilEvent]:
    """Return events member by member, each one's in their order, and then those of the synthesis.

    The order between members differs from run to run and is no part of what happened: compare this.
    """
    found = list(events)
    result = next((event.result for event in found if event.result is not None), None)
    seen = {event.member for event in found if event.type.startswith("member")}
    names = sorted(name for name in seen if name is not None) if result is None else [a.name for a in result.answers]
    rank = {name: place for place, name in enumerate(dict.fromkeys(names))}
    return sorted(found, key=lambda event: rank.get(event.member or "", -1) if _is_member(event) else len(rank))


def _is_member(event: CouncilEvent) -> bool:
    return event.type.startswith("member")


def _said(answer: ModelAnswer) -> str:
    facts = [f"{len(answer.text):,} characters"]
    if answer.error is not None:
        facts.append(f"error {_quoted(answer.error)}")
    if answer.failed_requirement is not None:
        facts.append(f"FAILED {_quoted(answer.failed_requirement)}")
    if answer.finish_reason is not None:
        facts.append(f"finished by {answer.finish_reason}")
    return ", ".join(facts)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
