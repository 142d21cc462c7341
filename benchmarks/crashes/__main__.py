"""Crash while files are written: `python -m benchmarks.crashes [TIMES] [SEED] [KIND ...]`, so many times for each."""

from __future__ import annotations

import logging
import sys
import time

from benchmarks.crashes.kinds import KINDS
from benchmarks.crashes.trials import trials


def main() -> int:
    """Crash, and print the damages."""
    times = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    logging.getLogger("pytest_streamval").setLevel(logging.CRITICAL)
    found = 0
    for kind in sys.argv[3:] or KINDS:
        began = time.perf_counter()
        for crash, outcomes in trials(kind, times, seed):
            faults = [outcome.fault for outcome in outcomes if outcome.fault]
            for fault in faults[:5]:
                print(f"  {kind}, {crash}: {fault}")
            killed = sum(outcome.code < 0 for outcome in outcomes)
            facts = f"{len(outcomes):,} times, {killed:,} killed, {len(faults):,} damaged"
            print(f"{kind}, {crash}: {facts if outcomes else 'not allowed here'}", flush=True)
            found += len(faults)
        print(f"{kind}: {time.perf_counter() - began:.0f} s", flush=True)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
