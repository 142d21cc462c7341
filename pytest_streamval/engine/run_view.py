"""`RunView`: the read-only interface of a run, for observers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.thunk import ModelOutputThunk

Outcome: TypeAlias = Literal["done", "stopped", "failed", "left"]
"""How a run ended: naturally, by a failed check, by an error, or because it was closed, cancelled or dropped."""


class RunView(Protocol):
    """The state of one run, as its observers and its `pace` function receive it."""

    @property
    def action(self) -> Action:
        """The request."""

    @property
    def ctx(self) -> Context:
        """The context that ends with the output."""

    @property
    def thunk(self) -> ModelOutputThunk:
        """The output. Only the run may read it until the run validates the complete output."""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The run's own copies of the requirements."""

    @property
    def history(self) -> Sequence[StreamEvent]:
        """The events so far."""

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text up to the end of the last released chunk."""

    @property
    def chunks_released(self) -> int:
        """The number of released chunks."""

    @property
    def streaming_failures(self) -> Sequence[tuple[Requirement, PartialValidationResult]]:
        """The requirements that failed a chunk, with their results."""

    @property
    def final_validations(self) -> Sequence[ValidationResult]:
        """The results of the final validation, in the order of the requirements."""

    @property
    def completed(self) -> bool:
        """Whether the stream ended naturally."""

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""

    @property
    def outcome(self) -> Outcome | None:
        """How the run ended, or None while it goes on."""

    @property
    def accepted(self) -> bool:
        """Whether the stream ended naturally and every requirement accepted the complete output."""

    @property
    def error(self) -> BaseException | None:
        """The error that ended the run, or None."""
