"""Measure this project beside its peers, each in an environment of its own: python -m benchmarks.peers --help."""

from __future__ import annotations

import json
import os
import platform
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.peers import engines, splitters
from benchmarks.peers.environments import CACHE
from benchmarks.peers.rounds import Plan
from benchmarks.workloads import prose, tokens, unbroken

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.peers.tables import Table

QUICK = Plan(rounds=3, sizes=(1_000, 4_000), limit=10.0, budget=5.0)
PARTS = ("targets", "series", "others", "splitters")


def arguments() -> Namespace:
    """Read the command line."""
    parser = ArgumentParser(prog="python3 dev.py bench-peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds and shorter series, for a first look")
    parser.add_argument("--markdown", type=Path, metavar="PATH", help="write the tables to a page too")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be given again")
    parser.add_argument("--cases", type=Path, action="append", metavar="FILE", help="a test set for the splitters")
    return parser.parse_args()


def texts() -> Path:
    """Write the texts and tokens that all contenders work on."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = CACHE / "texts.json"
    content = {"prose": tokens(prose(64_000)), "unbroken": tokens(unbroken(200_000))}
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def tables(options: Namespace, plan: Plan) -> Iterator[Table]:
    """Measure one table after the other."""
    parts, path = options.only or PARTS, texts()
    with engines.workers(path) as workers:
        if "targets" in parts:
            yield engines.targets(workers, plan)
        if "series" in parts:
            yield from (engines.series(workers, plan, pace) for pace in engines.PACES)
        if "others" in parts:
            yield engines.others(workers, plan)
    if "splitters" in parts:
        yield splitters.compared(path, splitters.cases(options.cases or []), plan)


def main() -> None:
    """Print the tables as they come."""
    options = arguments()
    plan = QUICK if options.quick else Plan()
    began = time.monotonic()
    heading = f"{os.cpu_count()} cores, CPython {platform.python_version()}, medians of {plan.rounds} rounds in turn."
    print(heading, end="\n\n")
    pages = [heading + "\n"]
    for table in tables(options, plan):
        print(table.text(), flush=True)
        pages.append(table.markdown())
        if options.markdown:
            options.markdown.write_text("\n".join(pages), encoding="utf-8")
    print(f"{(time.monotonic() - began) / 60:.0f} minutes.")


if __name__ == "__main__":
    main()
