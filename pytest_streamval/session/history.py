"""`History`: where the requests of a session begin, and what came of them."""

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
    """One context as it grows, request by request, from whatever thread.

    If each request is on its own, it begins where the first one did, so that a session which lives long keeps its
    newest exchange only.
    """

    def __init__(self, ctx: Context) -> None:
        self._lock = threading.RLock()
        self._root = self._before = self._ctx = ctx
        self._newest: ModelOutputThunk | None = None

    @property
    def ctx(self) -> Context:
        """The context that the newest exchange has led to; one that failed or was cancelled has led nowhere."""
        with self._lock:
            newest = self._newest
            if newest is not None and newest.is_computed() and (newest.cancelled or newest.error is not None):
                return self._before
            return self._ctx

    def forked(self) -> None:
        """Begin anew in a child process, where no thread is left that could release the lock."""
        self._lock = threading.RLock()

    def start(self) -> Context:
        """Return the context in which the next request begins."""
        return self._root if isinstance(self._root, SimpleContext) else self.ctx

    @contextmanager
    def request(self, method: str) -> Iterator[Context]:
        """Give the context in which a request begins, and the name of its method to warnings about that context."""
        ctx = self.start()
        token = requested_by.set((ctx, method))
        try:
            yield ctx
        finally:
            requested_by.reset(token)

    def note(self, before: Context, newest: ModelOutputThunk, after: Context) -> None:
        """Note that a request has begun, and in which context its output stands."""
        with self._lock:
            self._before, self._newest, self._ctx = before, newest, after

    def keep(self, action: Action, output: ModelOutputThunk) -> None:
        """Add an exchange that is over."""
        with self._lock, self.request(NO_REQUEST) as before:
            self.note(before, output, before.add(action).add(output))


class AnswerKeeper(Observer):
    """An observer that adds the exchange of its run to a history, once every requirement has passed the answer."""

    def __init__(self, history: History) -> None:
        self._history = history

    def ended(self, run: RunView) -> None:
        """Keep a valid answer, before any reader learns that the run is over."""
        if run.completed and all(run.final_validations):
            self._history.keep(run.action, run.thunk)
