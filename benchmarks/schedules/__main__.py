"""Search for schedules that break the contract: `python -m benchmarks.schedules [SCHEDULES] [SEED]`."""

from __future__ import annotations

import sys
import time

from benchmarks.schedules.search import search


def main() -> int:
    """Search, and print the violations."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    began = time.perf_counter()
    played, broken = search(limit, seed)
    for line in broken[:50]:
        print(line)
    print(f"{played:,} schedules in {time.perf_counter() - began:.0f} s, seed {seed}: {len(broken):,} violations")
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main())
