"""The result of a council: `CouncilResult` with a `ModelAnswer` for each member."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pytest_streamval.council.endings import problem_of_end
from pytest_streamval.errors import excerpt, plural
from pytest_streamval.files.typed_json import from_json
from pytest_streamval.model import ToolCall, Usage  # noqa: TC001  # the annotations are read when a result is loaded


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """The answer of one member or of the synthesizer."""

    name: str
    """The member's name in its council."""
    model: str
    """The provider's name of the model."""
    text: str = ""
    """The text of the member's answer, or after an error or a failed check the text released before that."""
    error: str | None = None
    """The class and the message of the error that ended the member's answer early, without secrets."""
    failed_requirement: str | None = None
    """The requirements that the answer failed, with their reasons."""
    latency_s: float = field(default=0.0, compare=False)
    """Seconds from the request to the end of the answer. Comparisons ignore it."""
    usage: Usage | None = None
    """The last token count that the provider sent, also if the answer was cut, or None if it sent none."""
    finish_reason: str | None = None
    """The provider's reason for the end of the answer, or None if the answer was cut."""
    thinking: str = ""
    """The model's thinking, empty if the answer was cut."""
    tool_calls: tuple[ToolCall, ...] = ()
    """The model's tool calls, empty if the answer was cut."""
    refusal: str = ""
    """The words of the member's refusal, if its provider separates them from the text, empty if the answer was cut."""
    signature: str = ""
    """The provider's signatures of the thinking, empty if the answer was cut."""

    @property
    def ok(self) -> bool:
        """Whether the answer is complete and passed every requirement."""
        return self.error is None and self.failed_requirement is None

    @property
    def usable(self) -> bool:
        """Whether the answer is `ok` and not blank, so that a synthesis can use it."""
        return self.ok and bool(self.text.strip())

    @property
    def degraded(self) -> bool:
        """Whether the answer is `usable`, but the provider cut it at its limit or stopped it by a filter."""
        return self.usable and problem_of_end(self.finish_reason) is not None

    @property
    def problem(self) -> str | None:
        """The reason why the answer is not complete, such as `no text (finished by SAFETY)`, or None if it is."""
        if not self.ok:
            return self.error or f"failed {self.failed_requirement}"
        problem = problem_of_end(self.finish_reason) if self.text.strip() else f"no text{self._instead}"
        finished = "" if self.finish_reason is None else f" (finished by {self.finish_reason})"
        return None if problem is None else f"{problem}{finished}"

    @property
    def _instead(self) -> str:
        """The description of the parts that a member's answer without text has."""
        if self.refusal:
            return f", but a refusal: {excerpt(self.refusal)}"
        if self.tool_calls:
            return f", but {plural(len(self.tool_calls), 'tool call')}"
        return ", only thinking" if self.thinking else ""

    def as_dict(self) -> dict[str, Any]:
        """Return the answer as JSON values, with `ok`, `usable` and `degraded`."""
        facts = asdict(self)
        facts["tool_calls"] = list(facts["tool_calls"])
        return {**facts, "ok": self.ok, "usable": self.usable, "degraded": self.degraded}


@dataclass(frozen=True, slots=True)
class CouncilResult:
    """The result of one prompt to a council, streamed or not, cached or not."""

    prompt: str
    """The prompt."""
    mode: str
    """The mode: `"synthesize"`, `"raw"`, `"debate"` or `"adversarial"`."""
    answers: tuple[ModelAnswer, ...]
    """The last answer of each member, in the order of the members."""
    synthesis: str | None = None
    """The synthesizer's text, or its verdict in adversarial mode, or None if there is none or it failed."""
    cached: bool = field(default=False, compare=False)
    """Whether all answers came from the cache. Comparisons ignore it."""
    synthesizer: ModelAnswer | None = None
    """The synthesizer's complete answer, or None if it received no request."""
    rounds: tuple[tuple[ModelAnswer, ...], ...] = ()
    """The answers of each round in debate and adversarial mode."""

    @property
    def usable_answers(self) -> tuple[ModelAnswer, ...]:
        """The answers that a synthesis can use."""
        return tuple(answer for answer in self.answers if answer.usable)

    @property
    def ok(self) -> bool:
        """Whether every answer of the run is `ok`. A cache stores no other result."""
        answers = [*self.answers, *(answer for turn in self.rounds for answer in turn)]
        return all(answer.ok for answer in answers) and (self.synthesizer is None or self.synthesizer.ok)

    @property
    def usable(self) -> bool:
        """Whether at least one answer is `usable`."""
        return bool(self.usable_answers)

    @property
    def degraded(self) -> bool:
        """Whether the synthesizer was asked and gave no `usable` answer. The answers of the members may be usable."""
        return self.synthesizer is not None and not self.synthesizer.usable

    def as_dict(self) -> dict[str, Any]:
        """Return the result as JSON values, with `ok`, `usable` and `degraded` of itself and of every answer."""
        return {
            **asdict(self),
            "answers": [answer.as_dict() for answer in self.answers],
            "synthesizer": None if self.synthesizer is None else self.synthesizer.as_dict(),
            "rounds": [[answer.as_dict() for answer in turn] for turn in self.rounds],
            **self._verdicts,
        }

    @property
    def _verdicts(self) -> dict[str, bool]:
        return {"ok": self.ok, "usable": self.usable, "degraded": self.degraded}

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> CouncilResult:
        """Return the result that `as_dict` was called on.

        Raises:
            ValueError: If a field is missing, or has a value of another type.
        """
        result: CouncilResult = from_json(cls, facts)
        for name in result._verdicts:  # the answers decide about them, but they may not be anything
            from_json(bool, facts.get(name, False), name)
        return result
