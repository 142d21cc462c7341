"""`RunState`: the events of a run, its attempts and its end, as readers and observers see them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pytest_streamval.engine.event_history import EventHistory
from pytest_streamval.errors import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.attempt import Attempt, AttemptState, Failure
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.observer import ObserverGroup
    from pytest_streamval.engine.output_text import OutputText
    from pytest_streamval.engine.requirement import Requirement, ValidationResult
    from pytest_streamval.engine.run_view import Outcome
    from pytest_streamval.engine.tasks import OwnedTask
    from pytest_streamval.engine.thunk import ModelOutputThunk
    from pytest_streamval.engine.validators import ValidatorGroup


class RunState:
    """The state of one run. Readers keep a position in `history`, so nothing is queued twice."""

    def __init__(self, action: Action, attempt: AttemptState, observers: ObserverGroup | None) -> None:
        self.action = action
        self.attempt = attempt
        """The current attempt."""
        self.observers = observers
        self.history = EventHistory()
        self.completed = False
        self.finished = False
        self.streaming_failures: list[Failure] = []
        self.error: BaseException | None = None
        self.cleanup_error: BaseException | None = None
        """The error of a clean-up, if the run was cancelled."""
        self.outcome: Outcome | None = None
        self.task: OwnedTask[None] | None = None
        self._attempts = [attempt]
        self._waiters: list[asyncio.Future[None]] = []

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.outcome or 'running'}, {plural(len(self.history), 'event')}>"

    # The current attempt

    @property
    def thunk(self) -> ModelOutputThunk:
        """The output of the current attempt."""
        return self.attempt.thunk

    @property
    def ctx(self) -> Context:
        """The context that ends with that output."""
        return self.attempt.ctx

    @property
    def validators(self) -> ValidatorGroup:
        """The requirements as a group."""
        return self.attempt.validators

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """The copies of the requirements for the current attempt."""
        return self.attempt.validators.requirements

    @property
    def final_validations(self) -> tuple[ValidationResult, ...]:
        """The results on the complete output."""
        return self.attempt.final_validations

    @property
    def full_text(self) -> str:
        """The complete text after a natural end, otherwise the text up to the end of the last released chunk."""
        return self.attempt.full_text

    @property
    def generated_text(self) -> str:
        """The text that the current attempt has read so far, with its replacements, released or not."""
        return self.attempt.text.up_to()

    @property
    def accepted(self) -> bool:
        """Whether the stream ended naturally and every requirement accepted the complete output."""
        return self.outcome == "done" and all(self.final_validations)

    @property
    def chunks_released(self) -> int:
        """The number of released chunks."""
        return self.attempt.chunks_released

    @property
    def output(self) -> ModelOutputThunk:
        """The output with the text that the consumer gets, which is the output itself if nothing was edited."""
        return self.attempt.released_output()

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """The attempts so far, each with the text that it released."""
        return tuple(each.view() for each in self._attempts)

    def text_of_attempt(self, number: int) -> OutputText:
        """Return the text of an attempt, for readers that are slower than the run."""
        return self._attempts[number - 1].text

    # The events

    def _emit_all(self, events: Sequence[StreamEvent]) -> None:
        """Emit events that happen at the same time."""
        if self.observers is not None and self.observers.sees_events:
            for event in events:
                self._emit(event)
        elif events:
            self.history.extend(events)
            self._wake_readers()

    def _emit(self, event: StreamEvent) -> None:
        self.history.append(event)
        if self._waiters:
            self._wake_readers()
        if (observers := self.observers) is not None and observers.sees_events:
            observers.notify("event", event)

    def _wake_readers(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def next_event(self) -> None:
        """Wait until an event is emitted."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:  # cancelled before an event came
                self._waiters.remove(waiter)
