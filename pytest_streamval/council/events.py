"""The events of a council.

Each member has (`member_check`, `member_delta`)*, `member_done`. The events of different members interleave. If there
is a synthesizer, `synthesis_delta`*, `synthesis_done` follow. The last event is always `done`.
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
    """One event of a council.

    Attributes:
        type: The kind of event. It decides which of the other fields are set.
        member: The name of the member, or of the synthesizer, or None for `done`.
        text: `*_delta`: the new text. The texts of a member join to the text of its answer.
        answer: `*_done`: the complete answer.
        result: `done`: the result.
        check: `member_check`: the verdicts of the requirements on a chunk.
        timestamp: The time of the member's event in seconds since the epoch. It is no part of a comparison.
    """

    type: EventType
    member: str | None = None
    text: str = ""
    answer: ModelAnswer | None = None
    result: CouncilResult | None = None
    check: QuickCheckEvent | None = None

    @classmethod
    def in_fixed_order(cls, events: Sequence[StreamEvent]) -> Sequence[StreamEvent]:
        """Return the events member by member."""
        return per_member(event for event in events if isinstance(event, CouncilEvent))

    def __str__(self) -> str:
        """Return the line that a transcript shows for this event of a council."""
        owner = f"{self.member}: " if self.type.startswith("member") else ""
        kind = self.type.removeprefix("member_").replace("_", " ")
        if self.answer is not None:
            return f"{owner}{kind} {_answer_summary(self.answer)}"
        if self.result is not None:
            return f"{kind} {self.result.mode}, {len(self.result.usable_answers)} usable of {len(self.result.answers)}"
        if self.check is not None:
            reasons = [_quoted_answer(result.reason) for result in self.check.results if result.reason is not None]
            return f"{owner}check {', '.join(['passed' if self.check.passed else 'FAILED', *reasons])}"
        return f"{owner}{kind} {_quoted_answer(self.text)}"


def per_member(events: Iterable[CouncilEvent]) -> list[CouncilEvent]:
    """Return the events member by member, followed by the events of the synthesizer.

    The order of events of different members varies from run to run, so compare runs in this order.
    """
    found = list(events)
    result = next((event.result for event in found if event.result is not None), None)
    of_members = [event for event in found if event.type.startswith("member")]
    others = [event for event in found if not event.type.startswith("member")]
    names = sorted({event.member or "" for event in of_members})
    if result is not None:
        names = [answer.name for answer in result.answers]
    rank = {name: place for place, name in enumerate(names)}
    return [*sorted(of_members, key=lambda event: rank.get(event.member or "", -1)), *others]


def _answer_summary(answer: ModelAnswer) -> str:
    facts = [f"{len(answer.text):,} characters"]
    if answer.error is not None:
        facts.append(f"error {_quoted_answer(answer.error)}")
    if answer.failed_requirement is not None:
        facts.append(f"FAILED {_quoted_answer(answer.failed_requirement)}")
    if answer.finish_reason is not None:
        facts.append(f"finished by {answer.finish_reason}")
    return ", ".join(facts)


def _quoted_answer(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
