"""Contexts: immutable histories of requests and outputs."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import Any, Self, SupportsIndex, TypeAlias

from pytest_streamval.engine.component import Action, as_action
from pytest_streamval.engine.thunk import ModelOutputThunk
from pytest_streamval.engine.weak_objects import WeakObjects
from pytest_streamval.errors import InvalidArgumentError, excerpt

logger = logging.getLogger("pytest_streamval")

Entry: TypeAlias = Action | ModelOutputThunk
"""An entry of a context: a request or an output."""

requested_by: ContextVar[tuple[Context, str] | None] = ContextVar("requested_by", default=None)
"""The context in which a method of a session begins a request, and the method's name."""
NO_REQUEST = ""
"""The method's name if a session adds a finished exchange to a context."""


class Context(ABC):
    """An immutable history of requests and outputs. `add` returns a longer one.

    A backend returns the context `ctx.add(action).add(thunk)` with its output. If two requests begin in one context at
    the same time, neither is shown the other's answer. If the context shows models its history, this is logged as a
    warning.
    """

    def __init__(self) -> None:
        """Create an empty context."""
        self._previous: Context | None = None
        self._entry: Entry | None = None

    def add(self, entry: Entry | str) -> Self:
        """Return a context that ends with one more entry. A string becomes a `CBlock`."""
        if not isinstance(entry, ModelOutputThunk):
            entry = as_action(entry)
        elif self._previous is not None:
            self._previous._add_answer(entry)
        return self._with(entry)

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
        """Return the newest output, or None if there is none. During its generation it is not computed."""
        node: Context | None = self
        while node is not None:
            if isinstance(node._entry, ModelOutputThunk):
                return node._entry
            node = node._previous
        return None

    def with_last_output(self, output: ModelOutputThunk) -> Context:
        """Return a context that has another output in the place of the newest one."""
        later: list[Entry] = []
        node: Context | None = self
        while node is not None and not isinstance(node._entry, ModelOutputThunk):
            if node._entry is not None:
                later.append(node._entry)
            node = node._previous
        if node is None or node._previous is None:
            return self
        return _extended(node._previous, [output, *reversed(later)])

    @abstractmethod
    def view_for_generation(self) -> list[Entry]:
        """Return the entries that a model is shown before the next action, oldest first."""

    def _empty(self) -> Self:
        """Return an empty context of the same class and settings."""
        return type(self)()

    def _with(self, entry: Entry) -> Self:
        longer = self._empty()
        longer._previous = self
        longer._entry = entry
        return longer

    def __reduce_ex__(self, protocol: SupportsIndex) -> str | tuple[Any, ...]:
        """Return the first context and the list of the entries.

        Each context refers to the one before it, so that the default copy of a long one would recurse too deep.
        """
        root: Context = self
        while root._previous is not None:
            root = root._previous
        return super().__reduce_ex__(protocol) if root is self else (_extended, (root, self.as_list()))

    def _add_answer(self, output: ModelOutputThunk) -> None:
        """Remember the output of a request that began here, and warn if another one is still being generated."""
        if not self._shows(output):  # the requests are independent, and may be thousands
            return
        answers: WeakObjects[ModelOutputThunk] = self.__dict__.setdefault("_answers", WeakObjects())
        answers.add(output)  # before the check of the others, so that of two threads each sees the other's
        others = [other for other in (*answers, self.last_output()) if other is not None and other is not output]
        if not any(self._shows(other) for other in others if not other.is_computed()):
            return
        context, method = requested_by.get() or (None, None)
        if context is not self:
            logger.warning(
                "A request began from a %s while another one on it is still being generated: the context is stale, "
                "and the model is not shown that answer. Await the first output and continue from the context that "
                "its request returned, or use a SimpleContext for independent requests.",
                type(self).__name__,
            )
        elif method != NO_REQUEST:
            logger.warning(
                "%s() was called while an earlier request of the session's conversation is still being generated: the "
                "context is stale, and the model is not shown that answer. Await the first output before the next "
                "call, or start a session for each conversation.",
                method,
            )

    def _shows(self, output: ModelOutputThunk) -> bool:
        """Return whether the next request would show an output to the model."""
        return any(entry is output for entry in self._with(output).view_for_generation())

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self.as_list())} entries>"


def _extended(ctx: Context, entries: list[Entry]) -> Context:
    for entry in entries:
        ctx = ctx._with(entry)
    return ctx


class SimpleContext(Context):
    """A context of independent requests, which shows a model no history."""

    def view_for_generation(self) -> list[Entry]:
        """Return no entries."""
        return []


class ChatContext(Context):
    """A conversation, which shows a model its history."""

    def __init__(self, window_size: int | None = None) -> None:
        """Create an empty conversation.

        Args:
            window_size: The number of the newest entries that a model is shown, or None for all entries.

        Raises:
            InvalidArgumentError: A `ValueError`. If `window_size` is below 1.
        """
        super().__init__()
        if window_size is not None and window_size < 1:
            raise InvalidArgumentError(
                "window_size", excerpt(window_size), "It must be a positive number of entries, or None."
            )
        self.window_size = window_size

    def view_for_generation(self) -> list[Entry]:
        """Return the newest `window_size` entries."""
        entries = self.as_list()
        return entries if self.window_size is None else entries[-self.window_size :]

    def _empty(self) -> Self:
        return type(self)(self.window_size)
