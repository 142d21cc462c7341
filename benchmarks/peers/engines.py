"""The engines: the time of a run, its memory, and its stop."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchmarks.peers.environments import OWN, Environment
from benchmarks.peers.rounds import Cell, Plan, hopeless, in_turn
from benchmarks.peers.tables import Table
from benchmarks.peers.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Workers = Mapping[str, Worker]

OURS, NEW, OLD = OWN, "mellea 0.8.0", "mellea 0.7.0"
ENGINES = {
    OURS: (
        "streamval",
        Environment("streamval", OWN, "from pytest_streamval import Requirement, stream_with_chunking"),
    ),
    NEW: (
        "mellea_0_8",
        Environment("mellea-0.8.0", "mellea==0.8.0", "import mellea.core.requirement, mellea.stdlib.streaming"),
    ),
    OLD: (
        "mellea_0_7",
        Environment("mellea-0.7.0", "mellea==0.7.0", "import mellea.core.requirement, mellea.stdlib.streaming"),
    ),
}
CHUNKS = ("sentence", "word", "paragraph")
PACES = {
    "a producer that never waits": {"paced": False},
    "a producer that yields after each token": {"paced": True},
}
DRIVEN = {
    "straight into the queue": {"paced": False},
    "straight, yielding after each": {"paced": True},
    "as by its real backends": {"paced": False, "variant": "backend"},
    "as by its own tests' double": {"paced": True, "variant": "double"},
}
TARGETS: dict[str, tuple[dict[str, Any], float]] = {
    "sentences, 1 requirement": ({"chunking": "sentence", "requirements": 1, "tokens": 16_000}, 0.1),
    "words, 4 requirements": ({"chunking": "word", "requirements": 4, "tokens": 16_000}, 1 / 3),
    "1,000 streams of 200": ({"chunking": "sentence", "requirements": 1, "tokens": 200, "streams": 1_000}, 0.2),
}
UNITS = (
    "Milliseconds of processor time, and in brackets the multiple of the time of a raw `asyncio.Queue(maxsize=20)` for"
    " the same deltas at the same pace in the same process. An engine that has used {plan.budget:.0f} seconds in a"
    " case is not measured there again. `> {plan.limit:.0f} s` is a run that took longer, or would have by its growth."
)
PLAIN = (
    "An unread run of mellea 0.8.0 has `as_events=True`. Its plain form, to which all other figures belong, does"
    " nothing until it is read, and keeps only the text."
)
KEPT = {"chunking": "word", "requirements": 4, "tokens": 16_000}


@contextmanager
def workers(texts: Path) -> Iterator[Workers]:
    """Make the environments, and give a worker in each."""
    made = {}
    for name, (adapter, environment) in ENGINES.items():
        environment.ensure()
        made[name] = Worker(environment, adapter, texts)
    try:
        yield made
    finally:
        for worker in made.values():
            worker.close()


def targets(engines: Workers, plan: Plan) -> Table:
    """Measure the cases that have targets, under each way to drive an engine."""
    table = Table("Against the targets", ["16,000 tokens unless said otherwise", *engines, "of 0.8.0", "target"])
    for case, (request, target) in TARGETS.items():
        for driven, options in DRIVEN.items():
            cells = in_turn(engines, plan, {"do": "run", **request, **options})
            share = cells[OURS].share_of(cells[NEW])
            row = [f"{case}, {driven}", *[_cost(cells[name]) for name in engines], _share(share)]
            table.rows.append([*row, _verdict(share, target)])
    table.rows.append(_memory_target(engines))
    table.notes = [UNITS.format(plan=plan)]
    return table


def _memory_target(engines: Workers) -> list[str]:
    kept = {name: _asked(worker, "kept", how="unread", **KEPT)["megabytes"] for name, worker in engines.items()}
    share = kept[OURS] / kept[OLD]
    verdict = f"≤ 0.50 of 0.7.0: {share:.2f}, {'met' if share <= 0.5 else 'missed'}"
    figures = [f"{kept[name]:.1f} MB" for name in engines]
    return ["kept by an unread run, words, 4 requirements", *figures, f"{kept[OURS] / kept[NEW]:.3f}", verdict]


def series(engines: Workers, plan: Plan, pace: str) -> Table:
    """Measure runs of all sizes."""
    table = Table(f"Runs, with {pace}", ["chunks, requirements, tokens", *engines, "of 0.8.0", "of 0.7.0"])
    for chunking in CHUNKS:
        for requirements in (0, 1, 4):
            request = {"do": "run", "chunking": chunking, "requirements": requirements, **PACES[pace]}
            table.rows += _sizes(engines, plan, request)
    table.notes = [UNITS.format(plan=plan)]
    return table


def _sizes(engines: Workers, plan: Plan, request: dict[str, Any]) -> Iterator[list[str]]:
    earlier: defaultdict[str, list[Cell]] = defaultdict(list)
    for tokens in plan.sizes:
        skipped = {name for name in engines if hopeless(earlier[name], plan)}
        cells = in_turn(engines, plan, {**request, "tokens": tokens}, skipped)
        for name, cell in cells.items():
            earlier[name].append(cell)
        costs = [_cost(cells[name], plan.limit) for name in engines]
        shares = [_share(cells[OURS].share_of(cells[name])) for name in (NEW, OLD)]
        yield [f"{request['chunking']}, {request['requirements']}, {tokens:,}", *costs, *shares]


def others(engines: Workers, plan: Plan) -> Table:
    """Measure the rest."""
    table = Table("Other differences", ["", *engines])
    table.rows += _unbroken(engines, plan)
    table.rows += [_first(engines, plan), *_after_fail(engines), *_memory(engines)]
    table.rows += _installed(engines)
    request = {"do": "run", **TARGETS["sentences, 1 requirement"][0], "paced": False, "variant": "events"}
    events = in_turn({NEW: engines[NEW]}, plan, request)[NEW]
    table.notes = [PLAIN, f"With `as_events=True` its 16,000 tokens of sentences take {_cost(events)} ms."]
    return table


def _unbroken(engines: Workers, plan: Plan) -> Iterator[list[str]]:
    for chunking in CHUNKS:
        request = {"do": "run", "chunking": chunking, "requirements": 0, "tokens": 50_000, "paced": False}
        cells = in_turn(engines, plan, {**request, "text": "unbroken"})
        costs = [_cost(cells[name], plan.limit) for name in engines]
        yield [f"200,000 characters, no boundary, {chunking} chunks, ms", *costs]


def _first(engines: Workers, plan: Plan) -> list[str]:
    cells = in_turn(engines, plan, {"do": "first", "tokens": 200, "paced": True})
    return ["to the first sentence in the reader's hands, µs", *[f"{cells[n].median * 1e6:,.0f}" for n in engines]]


def _after_fail(engines: Workers) -> Iterator[list[str]]:
    for pace, options in PACES.items():
        sent = [_asked(worker, "sent_after_fail", **options)["deltas"] for worker in engines.values()]
        yield [f"deltas sent after the failing one, {pace}, at most", *[f"{count}" for count in sent]]


def _memory(engines: Workers) -> Iterator[list[str]]:
    for how in ("unread", "read"):
        kept = [_asked(worker, "kept", how=how, **KEPT)["megabytes"] for worker in engines.values()]
        yield [f"kept by a finished run, {how}, MB", *[f"{megabytes:.1f}" for megabytes in kept]]


def _installed(engines: Workers) -> Iterator[list[str]]:
    places = [worker.environment for worker in engines.values()]
    sizes = [place.size() for place in places]
    yield ["import of the streaming function, ms", *[f"{place.import_seconds() * 1e3:,.0f}" for place in places]]
    yield ["installed with all it needs, MB", *[f"{megabytes:,.0f}" for megabytes, _ in sizes]]
    yield ["distributions installed", *[f"{count}" for _, count in sizes]]


def _asked(worker: Worker, do: str, **request: Any) -> dict[str, Any]:  # noqa: ANN401
    answer = worker.ask(do, **request)
    assert answer is not None  # without a limit it always comes
    return answer


def _cost(cell: Cell, limit: float = 0.0) -> str:
    return f"> {limit:.0f} s" if cell.over else f"{cell.median * 1e3:,.1f} ({cell.queues:.1f})"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _verdict(share: float | None, target: float) -> str:
    met = share is None or share <= target
    return f"≤ {target:.2f}: {'met' if met else 'missed'}"
