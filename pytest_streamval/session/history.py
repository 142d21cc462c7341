"""`History`: the context of a session, which grows with each request."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_streamval.engine.context import NO_REQUEST, Context, SimpleContext, requested_by
from pytest_streamval.engine.observer import Observer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.component import Action
    from pytest_streamval.engine.run_view import RunView
    from pytest_streamval.engine.thunk import ModelOutputThunk


class History:
    """A context that grows with each request, from any thread.

    On a `SimpleContext` each request starts from the first context, so a long session keeps only its newest exchange.
    """

    def __init__(self, ctx: Context) -> None:
        self._lock = threading.RLock()
        self._root = self._before = self._ctx = ctx
        self._newest: ModelOutputThunk | None = None

    @property
    def ctx(self) -> Context:
        """The context after the newest exchange. It leaves out an exchange that failed or was cancelled."""
        with self._lock:
            newest = self._newest
            if newest is not None and newest.is_computed() and (newest.cancelled or newest.error is not None):
                return self._before
            return self._ctx

    @property
    def next_ctx(self) -> Context:
        """The context of the next request."""
        return self._root if isinstance(self._root, SimpleContext) else self.ctx

    @contextmanager
    def request(self, method: str) -> Iterator[Context]:
        """Return the context of a request, and let warnings about this context name the method."""
        ctx = self.next_ctx
        token = requested_by.set((ctx, method))
        try:
            yield ctx
        finally:
            requested_by.reset(token)

    def record(self, before: Context, output: ModelOutputThunk, after: Context) -> None:
        """Record an exchange that has started, with the contexts before and after it."""
        with self._lock:
            self._before, self._newest, self._ctx = before, output, after

    def add(self, action: Action, output: ModelOutputThunk) -> None:
        """Add a completed exchange."""
        with self._lock, self.request(NO_REQUEST) as before:
            self.record(before, output, before.add(action).add(output))

    def reset_lock(self) -> None:
        """Replace the lock in a forked child process, where no thread is left to release it."""
        self._lock = threading.RLock()


class HistoryObserver(Observer):
    """An observer that adds the exchange of its run to a history if every requirement passed."""

    def __init__(self, history: History) -> None:
        self._history = history

    def ended(self, run: RunView) -> None:
        """Add the exchange before any reader sees the end of the run."""
        if run.completed and all(run.final_validations):
            self._history.add(run.action, run.output)
