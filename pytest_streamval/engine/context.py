"""Contexts: what was asked and answered so far, immutable."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import Self, TypeAlias
from weakref import WeakSet

from pytest_streamval.engine.component import Action, as_action
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.errors import InvalidArgumentError, excerpt

logger = logging.getLogger("pytest_streamval")

Entry: TypeAlias = Action | ModelOutputThunk
"""What stands in a context: something asked, or an output."""


class Context(ABC):
    """A history to which nothing is ever added in place: `add` returns a longer one.

    A backend answers in the context `ctx.add(action).add(thunk)`.
    """

    def __init__(self) -> None:
        """Make an empty context."""
        self._previous: Context | None = None
        self._entry: Entry | None = None

    def add(self, entry: Entry | str) -> Self:
        """Return a context that has one entry more, a string as a `CBlock`; this one stays as it is."""
        if not isinstance(entry, ModelOutputThunk):
            entry = as_action(entry)
        longer = self._empty()
        longer._previous = self
        longer._entry = entry
        return longer

    def as_list(self) -> list[Entry]:
        """Return all entries, oldest first."""
        entries: list[Entry] = []
        node: Context | None = self
        while node is not None:
            if node._entry is not None:
                entries.append(node._entry)
            node = node._previous
        entries.reverse()
        return entries

    def last_output(self) -> ModelOutputThunk | None:
        """Return the newest output, None where there is none; while it is generated, it is not computed."""
        node: Context | None = self
        while node is not None:
            if isinstance(node._entry, ModelOutputThunk):
                return node._entry
            node = node._previous
        return None

    @abstractmethod
    def view_for_generation(self) -> list[Entry]:
        """Return the entries that a model is shown before the action it is asked, oldest first."""

    def _empty(self) -> Self:
        """Return an empty context of the same kind and settings."""
        return type(self)()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.as_list())} entries>"


class SimpleContext(Context):
    """Each request on its own: the model is shown nothing of what went before."""

    def view_for_generation(self) -> list[Entry]:
        """Return nothing."""
        return []


class ChatContext(Context):
    """A conversation: the model is shown what went before.

    Requests that start from one context at the same time do not see each other's answers; that is logged as a warning.
    """

    def __init__(self, window_size: int | None = None) -> None:
        """Make an empty conversation.

        Args:
            window_size: how many of the newest entries a model is shown; None for all.
        """
        super().__init__()
        if window_size is not None and window_size < 1:
            raise InvalidArgumentError(
                "window_size", excerpt(window_size), "give a positive number of entries, or None."
            )
        self.window_size = window_size
        self._answers: WeakSet[ModelOutputThunk] = WeakSet()  # outputs of requests that began here

    def add(self, entry: Entry | str) -> Self:
        """Return a context that has one entry more."""
        if isinstance(entry, ModelOutputThunk) and isinstance(self._previous, ChatContext):
            self._previous._note_answer(entry)
        return super().add(entry)

    def view_for_generation(self) -> list[Entry]:
        """Return the newest `window_size` entries."""
        entries = self.as_list()
        return entries if self.window_size is None else entries[-self.window_size :]

    def _note_answer(self, output: ModelOutputThunk) -> None:
        """Remember a request that began from this context, and warn while another one is still running."""
        earlier = self.last_output()
        running = [other for other in (*self._answers, earlier) if other is not None and not other.is_computed()]
        if any(other is not output for other in running):
            logger.warning(
                "A request began from a ChatContext while another one on it is still being generated: the context is "
                "stale, and the model is not shown that answer. Await the first output and continue from the context "
                "that its request returned, or use a SimpleContext for independent requests."
            )
        self._answers.add(output)

    def _empty(self) -> Self:
        return type(self)(self.window_size)
