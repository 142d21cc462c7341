"""Observers: how telemetry, reports and guards see runs, without the orchestrator knowing them."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pytest_streamval.engine.chunking import Chunk
    from pytest_streamval.engine.events import StreamEvent
    from pytest_streamval.engine.orchestrator import Run

logger = logging.getLogger("pytest_streamval")


class Observer(Protocol):
    """Sees one run. Every method is synchronous and must not block.

    All are called in the task of the run, but for `received`, which is called in the consumer's, and for what is left
    to tell of a run whose task was cancelled before its first step. An observer that raises is logged and dropped.
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


_factories: list[Callable[[], Observer]] = []


@contextmanager
def observing(factory: Callable[[], Observer]) -> Iterator[None]:
    """Give every run that starts meanwhile, in whatever task or thread, an observer made by `factory()`."""
    _factories.append(factory)
    try:
        yield
    finally:
        _factories.remove(factory)


class Audience:
    """The observers of one run."""

    __slots__ = ("_observers",)

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    @classmethod
    def assembled(cls) -> Audience | None:
        """Return the audience of a run that starts now, None where nobody watches."""
        observers = []
        for factory in _factories:
            try:
                observers.append(factory())
            except Exception:
                logger.exception("An observer could not be made; the run goes on without it.")
        return cls(observers) if observers else None

    def tell(self, what: str, fact: object) -> None:
        """Call the method `what` of every observer."""
        for observer in tuple(self._observers):
            try:
                getattr(observer, what)(fact)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # pytest.fail() is no Exception either
                self._observers.remove(observer)
                logger.exception("The observer %r raised in %s() and sees no more of this run.", observer, what)
