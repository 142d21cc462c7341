"""`RunView`: the read-only interface of a run, for observers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.attempt import Attempt
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
        """The output of this attempt. Only the run may read it until the run validates the complete output."""

    @property
    def output(self) -> ModelOutputThunk:
        """The output with the text that the consumer gets. It is `thunk` itself if nothing was replaced or kept."""

    @property
    def attempts(self) -> Sequence[Attempt]:
        """The attempts so far, each with the text that it released."""

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The copies of the requirements for this attempt."""

    @property
    def history(self) -> Sequence[StreamEvent]:
        """The events so far."""

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text up to the end of the last released chunk."""

    @property
    def generated_text(self) -> str:
        """The text that this attempt has read so far, with its replacements, released or not."""

    @property
    def chunks_released(self) -> int:
        """The number of chunks that this attempt has released."""

    @property
    def streaming_failures(self) -> Sequence[tuple[Requirement, PartialValidationResult]]:
        """The requirements that failed a chunk, with their results: those of all attempts if none was accepted."""

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
