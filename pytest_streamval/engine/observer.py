"""Observers: how telemetry, reports and guards see runs, without the orchestrator knowing them."""

from __future__ import annotations

import logging
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_streamval.engine.chunking import Chunk
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.run import Run

logger = logging.getLogger("pytest_streamval")


class Observer(Protocol):
    """Sees one run. Every method is synchronous and must not block.

    All are called in the task of the run, but for `received`, which is called in the consumer's, and for what is left
    to tell of a run whose task was cancelled before its first step. An observer that raises is logged and dropped.

    An observer that has a method `deltas(texts)` is told there of all deltas of one read, once, instead of by `delta`
    of each.
    """

    def started(self, run: Run) -> None:
        """The run begins."""

    def delta(self, text: str) -> None:
        """The run took a delta, as the producer put it."""

    def event(self, event: StreamEvent) -> None:
        """An event happened."""

    def received(self, chunk: Chunk) -> None:
        """The consumer got a chunk through `astream()`."""

    def cancelled(self, reason: str) -> None:
        """The run stops the generation before its end."""

    def ended(self, run: Run) -> None:
        """The run is over; its last event has been told."""


def _telemetry() -> Observer | None:
    """Return what tells OpenTelemetry of a run; nobody can have set that up where it was never imported."""
    if "opentelemetry" not in sys.modules:
        return None
    from pytest_streamval.engine.telemetry.spans import telemetry

    return telemetry()


_factories: tuple[Callable[[], Observer | None], ...] = (
    _telemetry,
)  # replaced, never changed: threads iterate over it
_factories_lock = threading.Lock()


@contextmanager
def observing(factory: Callable[[], Observer | None]) -> Iterator[None]:
    """Give every run that starts meanwhile, in whatever task or thread, an observer made by `factory()`, or none."""
    global _factories  # noqa: PLW0603  # one table for the process
    with _factories_lock:
        _factories = (*_factories, factory)
    try:
        yield
    finally:
        with _factories_lock:
            rest = list(_factories)
            rest.remove(factory)
            _factories = tuple(rest)


class Audience:
    """The observers of one run."""

    __slots__ = ("_hearers", "observers")

    def __init__(self, observers: Sequence[Observer]) -> None:
        self.observers = tuple(observers)
        """Those who have not raised yet."""
        self._hearers = _hearers(self.observers)

    @classmethod
    def assembled(cls) -> Audience | None:
        """Return the audience of a run that starts now, None where nobody watches."""
        observers = []
        for factory in _factories:
            try:
                observer = factory()
            except Exception:
                logger.exception("An observer could not be made; the run goes on without it.")
            else:
                if observer is not None:
                    observers.append(observer)
        return cls(observers) if observers else None

    def tell(self, what: str, fact: object) -> None:
        """Call the method `what` of every observer that has one of its own."""
        for observer, method in self._hearers[what]:
            try:
                method(fact)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # pytest.fail() is no Exception either
                self.observers = tuple(each for each in self.observers if each is not observer)
                self._hearers = _hearers(self.observers)
                logger.exception("The observer %r raised in %s() and sees no more of this run.", observer, what)

    def tell_deltas(self, texts: Sequence[str]) -> None:
        """Tell of the deltas of one read: together whoever takes them so, the others one by one."""
        self.tell("deltas", texts)
        if self._hearers["delta"]:
            for text in texts:
                self.tell("delta", text)


def _hearers(observers: Sequence[Observer]) -> dict[str, tuple[tuple[Observer, Callable[[Any], None]], ...]]:
    """Return who is told what: not whoever leaves a method at what the protocol does, which is nothing."""
    return {
        what: tuple(
            (observer, method)
            for observer in observers
            if (method := getattr(observer, what, None)) is not None
            and getattr(type(observer), what, None) is not getattr(Observer, what, method)
            and not (what == "delta" and hasattr(observer, "deltas"))
        )
        for what in ("started", "delta", "deltas", "event", "received", "cancelled", "ended")
    }
