"""Observers: objects that telemetry, reports and guards attach to runs, so that the orchestrator needs no others."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_streamval.engine.chunking_strategy import Chunk
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.run_view import RunView

logger = logging.getLogger("pytest_streamval")


class Observer(Protocol):
    """An observer of one run. Every method is synchronous and must not block.

    All methods are called in the task of the run, except `received`, which is called in the consumer's task, and the
    last methods of a run whose task was cancelled before its first step. An observer that raises is logged and
    removed.

    If an observer has a method `deltas(texts)`, it is called once with all deltas of one read, and `delta` is not
    called.
    """

    def started(self, run: RunView) -> None:
        """Called when the run begins."""

    def delta(self, text: str) -> None:
        """Called with each delta that the run takes, as the producer put it."""

    def event(self, event: StreamEvent) -> None:
        """Called with each event."""

    def received(self, chunk: Chunk) -> None:
        """Called with each chunk that the consumer receives from `astream()`."""

    def cancelled(self, reason: str) -> None:
        """Called when the run stops the generation before its end."""

    def ended(self, run: RunView) -> None:
        """Called when the run has ended, after its last event."""


class ResultObserver(Observer, Protocol):
    """An observer of one run and of the use of its result, for guards."""

    def events_read(self, count: int) -> None:
        """Called with the number of events that `events()` has returned so far, after each of them."""

    def history_read(self, count: int) -> None:
        """Called with the number of events in the result's `history` whenever that is read."""

    def dropped(self, run: RunView) -> None:
        """Called when the result is dropped while the run goes on, in any thread."""


ObserverFactory: TypeAlias = "Callable[[], Observer | None]"
"""A function that returns an observer for a new run, or None."""

_METHODS = (
    *("started", "delta", "deltas", "event", "received", "cancelled", "ended"),
    *("events_read", "history_read", "dropped"),
)

_factories: tuple[ObserverFactory, ...] = ()  # replaced, never changed, because other threads iterate over it
_factories_lock = threading.Lock()


@contextmanager
def observing(factory: Callable[[], Observer | None]) -> Iterator[None]:
    """Call `factory()` for every run that starts meanwhile, in any task or thread, and attach the observer it returns.

    Args:
        factory: Returns an observer, or None to ignore the run.
    """
    add_observer(factory)
    try:
        yield
    finally:
        remove_observer(factory)


def add_observer(factory: ObserverFactory) -> None:
    """Call `factory()` for every run that starts from now on. Each call needs one of `remove_observer`."""
    global _factories  # noqa: PLW0603  # one table for the process
    with _factories_lock:
        _factories = (*_factories, factory)


def remove_observer(factory: ObserverFactory) -> None:
    """Undo one call of `add_observer`."""
    global _factories  # noqa: PLW0603  # as above
    with _factories_lock:
        remaining = list(_factories)
        remaining.remove(factory)
        _factories = tuple(remaining)


class ObserverGroup:
    """The observers of one run."""

    __slots__ = ("_methods", "members", "sees_chunks", "sees_events", "sees_reads")

    def __init__(self, members: Sequence[Observer]) -> None:
        self._use(members)

    def _use(self, members: Sequence[Observer]) -> None:
        self.members = tuple(members)
        """The observers that have not raised."""
        self._methods = _methods_of(self.members)
        # A call for each event that no observer defines would cost a run more than the rest of its telemetry.
        self.sees_events = bool(self._methods["event"])
        """Whether an observer has the method `event`."""
        self.sees_chunks = bool(self._methods["received"])
        """Whether an observer has the method `received`."""
        self.sees_reads = bool(self._methods["events_read"])
        """Whether an observer has the method `events_read`."""

    @classmethod
    def for_new_run(cls, *factories: ObserverFactory) -> ObserverGroup | None:
        """Return the observers of a run that starts now, or None if there are none.

        Args:
            factories: Further factories, which are called before those of `observing`.
        """
        members = []
        for factory in (*factories, *_factories):
            try:
                observer = factory()
            except Exception:
                logger.exception("An observer could not be made; the run goes on without it.")
            else:
                if observer is not None:
                    members.append(observer)
        return cls(members) if members else None

    def notify(self, method: str, argument: object) -> None:
        """Call a method of every observer that defines it."""
        for observer, call in self._methods[method]:
            self._call(observer, call, method, argument)

    def _call(self, observer: Observer, call: Callable[[Any], None], method: str, argument: object) -> None:
        """Call a method of an observer. One that raises is logged and removed."""
        try:
            call(argument)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # pytest.fail() is no Exception either
            self._use([each for each in self.members if each is not observer])
            logger.exception("The observer %r raised in %s() and sees no more of this run.", observer, method)

    def notify_of_deltas(self, texts: Sequence[str]) -> None:
        """Call `deltas` with all deltas of one read, or `delta` with each."""
        for observer, call in self._methods["deltas"]:
            self._call(observer, call, "deltas", texts)
        if self._methods["delta"]:
            for text in texts:
                self.notify("delta", text)


def _methods_of(observers: Sequence[Observer]) -> dict[str, tuple[tuple[Observer, Callable[[Any], None]], ...]]:
    """Return the methods to call, by name, without those that an observer inherits from the protocol."""
    return {
        name: tuple(
            (observer, method)
            for observer in observers
            if (method := getattr(observer, name, None)) is not None
            and getattr(type(observer), name, None) is not getattr(ResultObserver, name, method)
            and not (name == "delta" and hasattr(observer, "deltas"))
        )
        for name in _METHODS
    }
