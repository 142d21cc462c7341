"""Rounds in turn: every contender is measured once before any of them is measured again."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from benchmarks.peers.workers import Worker


@dataclass(frozen=True)
class Plan:
    """How much is measured."""

    rounds: int = 5
    """Of which the median counts."""
    sizes: tuple[int, ...] = (1_000, 4_000, 16_000, 64_000)
    """Tokens of the runs in a series."""
    limit: float = 20.0
    """Seconds that one run may take."""
    budget: float = 8.0
    """The most seconds of a contender in one case, after which it has no further rounds."""


@dataclass
class Cell:
    """The times of one contender for one case."""

    seconds: list[float] = field(default_factory=list)
    """Processor time of each round."""
    queue: list[float] = field(default_factory=list)
    """Processor time of the raw queue in each round."""
    over: bool = False
    """Whether a run took, or would have taken, longer than the limit."""

    @property
    def median(self) -> float:
        """The time that counts."""
        return statistics.median(self.seconds)

    @property
    def queues(self) -> float:
        """The same in hand-overs of the same tokens by a raw queue."""
        return self.median / statistics.median(self.queue)

    def share_of(self, other: Cell) -> float | None:
        """Return this time as a share of another, or None if one of them is missing."""
        return None if self.over or other.over else self.median / other.median


def in_turn(
    workers: Mapping[str, Worker], plan: Plan, request: dict[str, Any], skipped: set[str] | None = None
) -> dict[str, Cell]:
    """Measure a case.

    Args:
        workers: The contenders by name.
        plan: The number of rounds, and the limits of time.
        request: The request to each worker.
        skipped: The contenders that would take too long.
    """
    cells = {name: Cell(over=name in (skipped or set())) for name in workers}
    for _ in range(plan.rounds):
        for name, worker in workers.items():
            if not cells[name].over and sum(cells[name].seconds) < plan.budget:
                _measure(worker, plan, request, cells[name])
    return cells


def _measure(worker: Worker, plan: Plan, request: dict[str, Any], cell: Cell) -> None:
    answer = worker.ask(limit=plan.limit, **request)
    if answer is None:
        cell.over = True
        return
    cell.seconds.append(answer["seconds"])
    cell.queue.append(answer.get("queue", answer["seconds"]))


def hopeless(earlier: list[Cell], plan: Plan) -> bool:
    """Tell from the smaller sizes of a series that the next one, four times the last, would take longer than the limit.

    A time that grows faster from one size to the next is taken to go on like that.
    """
    if any(cell.over for cell in earlier):
        return True
    times = [cell.median for cell in earlier]
    growths = [later / sooner for sooner, later in pairwise(times)]
    growth = max([4.0, *growths[-1:]])
    if len(growths) > 1:
        growth *= max(1.0, growths[-1] / growths[-2])
    return bool(times) and times[-1] * growth > plan.limit
