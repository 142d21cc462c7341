"""What comes of a prompt that was put to a council."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_streamval.model import ToolCall, Usage


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What one member, or the synthesizer, answered, and what went wrong, if anything did."""

    name: str
    """The member's name in its council."""
    model: str
    """The model, in the provider's own word."""
    text: str = ""
    """The answer; where it failed or was stopped, as much of it as had been released."""
    error: str | None = None
    """What ended it before its natural end: the class of the error and its message, secrets redacted."""
    failed_requirement: str | None = None
    """The requirements that it does not fulfil, with their reasons; it was stopped at the chunk that showed it."""
    latency_s: float = field(default=0.0, compare=False)
    """Seconds from the question to the end of the answer; two equal answers may have taken different times."""
    usage: Usage | None = None
    """The provider's token count; None where it gave none, or the answer was cut."""
    finish_reason: str | None = None
    """Why generation ended, in the provider's own word; None where the answer was cut."""
    thinking: str = ""
    """The model's thinking; empty where it gave none, or the answer was cut."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The tools that the model called; empty where the answer was cut."""

    @property
    def ok(self) -> bool:
        """Whether the answer came to its end and fulfils what was required."""
        return self.error is None and self.failed_requirement is None

    @property
    def usable(self) -> bool:
        """Whether there is something in it for a synthesis: it is `ok`, and it is not blank."""
        return self.ok and bool(self.text.strip())


@dataclass(frozen=True, slots=True)
class CouncilResult:
    """What a council answered; streamed or not, cached or not, it has this shape."""

    prompt: str
    """What was asked."""
    mode: str
    """How: `"synthesize"`, `"raw"`, `"debate"` or `"adversarial"`."""
    answers: tuple[ModelAnswer, ...]
    """Each member's answer, its last one, in the order of the members."""
    synthesis: str | None = None
    """The synthesizer's text, a verdict where the mode is adversarial; None where there is none or it failed."""
    cached: bool = field(default=False, compare=False)
    """Whether all answers were kept from an earlier run; how they came here is no part of what was answered."""
    synthesizer: ModelAnswer | None = None
    """The synthesizer's whole answer, its error included; None where it was not asked."""
    rounds: tuple[tuple[ModelAnswer, ...], ...] = ()
    """In debate and adversarial mode: who answered in each round, and what."""

    @property
    def usable_answers(self) -> tuple[ModelAnswer, ...]:
        """The answers that a synthesis is made of."""
        return tuple(answer for answer in self.answers if answer.usable)

    @property
    def ok(self) -> bool:
        """Whether nothing failed and nothing was cut: what a cache keeps."""
        answers = [*self.answers, *(answer for turn in self.rounds for answer in turn)]
        return all(answer.ok for answer in answers) and (self.synthesizer is None or self.synthesizer.ok)

    def as_dict(self) -> dict[str, Any]:
        """Return it as values that JSON knows."""
        return asdict(self)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> CouncilResult:
        """Return what `as_dict` gave.

        Raises:
            KeyError: something is missing.
            TypeError: something is of another kind.
        """
        synthesizer = facts["synthesizer"]
        return cls(
            **{
                **facts,
                "answers": _answers(facts["answers"]),
                "synthesizer": None if synthesizer is None else _answer(synthesizer),
                "rounds": tuple(map(_answers, facts["rounds"])),
            }
        )


def _answers(found: list[dict[str, Any]]) -> tuple[ModelAnswer, ...]:
    return tuple(map(_answer, found))


def _answer(facts: dict[str, Any]) -> ModelAnswer:
    usage = facts["usage"]
    calls = tuple(ToolCall(**call) for call in facts["tool_calls"])
    return ModelAnswer(**{**facts, "usage": None if usage is None else Usage(**usage), "tool_calls": calls})
