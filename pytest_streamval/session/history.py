"""`History`: where the requests of a session begin, and what came of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.engine.context import Context, SimpleContext
from pytest_streamval.engine.observer import Observer

if TYPE_CHECKING:
    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.run import Run
    from pytest_streamval.engine.thunk import ModelOutputThunk


class History:
    """One context as it grows, request by request.

    Where each request is on its own, it begins where the first one did, so that a session which lives long keeps its
    newest exchange only.
    """

    def __init__(self, ctx: Context) -> None:
        self._root = self._before = self._ctx = ctx
        self._newest: ModelOutputThunk | None = None

    @property
    def ctx(self) -> Context:
        """The context that the newest exchange has led to; one that failed or was cancelled has led nowhere."""
        newest = self._newest
        if newest is not None and newest.is_computed() and (newest.cancelled or newest.error is not None):
            return self._before
        return self._ctx

    def start(self) -> Context:
        """Return the context in which the next request begins."""
        return self._root if isinstance(self._root, SimpleContext) else self.ctx

    def note(self, before: Context, newest: ModelOutputThunk, after: Context) -> None:
        """Note that a request has begun, and in which context its output stands."""
        self._before, self._newest, self._ctx = before, newest, after

    def keep(self, action: Action, output: ModelOutputThunk) -> None:
        """Add an exchange that is over."""
        before = self.start()
        self.note(before, output, before.add(action).add(output))


class _KeptAnswer(Observer):
    """Sees a run, and keeps its answer once every requirement has passed it."""

    def __init__(self, history: History | None) -> None:
        self._history = history

    def ended(self, run: Run) -> None:
        """Keep a valid answer; told before any reader learns that the run is over."""
        if self._history is not None and run.completed and all(run.final_validations):
            self._history.keep(run.action, run.thunk)


def kept_answer(history: History | None) -> Observer:
    """Return what has the answer of a run kept in a history; None for a run that is somebody else's."""
    return _KeptAnswer(history)  # type: ignore[abstract]  # what a protocol leaves empty does nothing
