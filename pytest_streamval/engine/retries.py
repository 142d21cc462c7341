"""The retries of a run: the conditions of another attempt, and its request."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from pytest_streamval.engine.component import CBlock, Component, as_action, text_of
from pytest_streamval.engine.requirement import PartialValidationResult
from pytest_streamval.errors import InvalidArgumentError, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.engine.attempt import AttemptState, Failure
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

OnRetry: TypeAlias = Literal["restart", "hold", "continue"]
"""The effect of another attempt on the text that was released: it is void, there was none, or it stands."""

_WAYS = ("restart", "hold", "continue")


class Restart(str):
    """A marker among the chunks of `astream()`: another attempt begins, and the chunks before it are void.

    It is an empty `str`, so that chunks can still be joined.
    """

    __slots__ = ("attempt", "reason")

    attempt: int
    """The number of the attempt that begins, from 2."""
    reason: str
    """The reason why the previous attempt was not accepted."""

    def __new__(cls, attempt: int, reason: str) -> Self:
        """Create a marker."""
        marker = super().__new__(cls)
        marker.attempt, marker.reason = attempt, reason
        return marker

    def __getnewargs__(self) -> tuple[int, str]:  # type: ignore[override]  # those of __new__ above
        return self.attempt, self.reason

    def __repr__(self) -> str:
        return f"Restart(attempt={self.attempt}, reason={self.reason!r})"


@dataclass(frozen=True, slots=True)
class Repair:
    """A request with the reasons why an answer to it was rejected."""

    action: Action
    """The request."""
    failures: tuple[str, ...]
    """The failed requirements with their reasons."""
    answer: str = ""
    """The rejected answer."""
    accepted: str = ""
    """The beginning of the rejected answer, in which nothing was wrong."""
    continues: bool = False
    """Whether the next answer continues the accepted beginning."""

    def parts(self) -> Sequence[Component | CBlock]:
        """Return the request."""
        return (self.action,)

    def format_for_llm(self) -> str:
        """Return the request, the answer, the reasons, and the task."""
        reasons = "\n".join(f"- {failure}" for failure in self.failures)
        answer = f"This answer was not accepted:\n{self.answer}" if self.answer else "An answer was not accepted."
        paragraphs = [text_of(self.action), answer, f"What is wrong with it:\n{reasons}"]
        if self.accepted:
            paragraphs.append(f"Its beginning was right:\n{self.accepted}")
        if self.continues:
            paragraphs.append("Continue that beginning from its last character, without repeating any of it.")
        else:
            paragraphs.append("Answer again, and put that right.")
        return "\n\n".join(paragraphs)

    def parse(self, computed: ModelOutputThunk) -> object:
        """Parse an answer as the request does."""
        return self.action.parse(computed)


def failure_text(requirement: Requirement, result: PartialValidationResult | ValidationResult) -> str:
    """Return a failed requirement with the reason, for a model."""
    rule = requirement.format_for_llm() or requirement.name
    return f"{rule}: {result.reason}" if result.reason else rule


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The conditions of further attempts."""

    max_attempts: int = 1
    """The largest number of attempts."""
    on_retry: OnRetry = "restart"
    repair: Callable[[Action, Sequence[Failure], str], object] | None = None
    """Returns the request of the next attempt."""

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            InvalidArgumentError: A `ValueError` and a `TypeError`. If one of them is invalid.
        """
        attempts: object = self.max_attempts
        if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
            raise InvalidArgumentError("max_attempts", excerpt(attempts), "It must be an int of at least 1.")
        if self.on_retry not in _WAYS:
            rule = 'It must be "restart", "hold" or "continue".'
            raise InvalidArgumentError("on_retry", excerpt(self.on_retry), rule)
        if self.repair is not None and not callable(self.repair):
            rule = "It must be a function repair(action, failures, released_text), or None."
            raise InvalidArgumentError("repair", excerpt(self.repair), rule)

    @property
    def holds(self) -> bool:
        """Whether only an accepted attempt is released."""
        return self.on_retry == "hold"

    @property
    def decides(self) -> bool:
        """Whether an output that is not accepted at the end counts as a failure of the run."""
        return self.max_attempts > 1 or self.holds

    async def next_action(self, action: Action, attempt: AttemptState) -> Action:
        """Return the request of the attempt after this one.

        Raises:
            InvalidArgumentError: A `TypeError`. If `repair` returned no request.
        """
        accepted, continues = attempt.accepted_text, self.on_retry == "continue"
        if self.repair is None:
            failures = tuple(failure_text(*failure) for failure in attempt.failures)
            if continues or not attempt.natural_end:
                return Repair(action, failures, accepted=accepted, continues=continues and bool(accepted))
            return Repair(action, failures, answer=attempt.text.up_to())
        repaired: object = self.repair(action, tuple(attempt.failures), accepted)
        if inspect.isawaitable(repaired):
            repaired = await repaired
        if not isinstance(repaired, str | CBlock | Component):
            rule = "It must return the request of the next attempt: a str, a CBlock or a Component."
            raise InvalidArgumentError("repair()", excerpt(repaired), rule)
        return as_action(repaired)


def reason_text(failures: Sequence[Failure]) -> str:
    """Return the names of failed requirements with their reasons, for a person."""
    return "; ".join(f"{each.name}: {result.reason or 'no reason given'}" for each, result in failures)


def rejections(requirements: Sequence[Requirement], results: Sequence[ValidationResult]) -> list[Failure]:
    """Return the requirements that did not accept the complete output, with their results."""
    return [
        (requirement, PartialValidationResult("fail", reason=each.reason, score=each.score, thunk=each.thunk))
        for requirement, each in zip(requirements, results, strict=True)
        if not each
    ]
