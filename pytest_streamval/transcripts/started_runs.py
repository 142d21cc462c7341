"""The runs that start in a time, wherever they are started."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from pytest_streamval.engine.observer import observing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.engine.observer import Observer
    from pytest_streamval.engine.run_view import RunView


class _RunCollector:
    """An observer that appends its run to a list."""

    def __init__(self, runs: list[RunView]) -> None:
        self._runs = runs

    def started(self, run: RunView) -> None:
        """Append the run."""
        self._runs.append(run)


@contextmanager
def started_runs() -> Iterator[list[RunView]]:
    """Return a list of the runs that start meanwhile, in any task or thread, in order."""
    runs: list[RunView] = []
    with observing(lambda: cast("Observer", _RunCollector(runs))):
        yield runs
