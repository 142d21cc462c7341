"""Read hostile files, so many for each reader: `python -m benchmarks.hostile_files [FILES] [SEED] [READER ...]`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.hostile_files.readers import READERS
from benchmarks.hostile_files.search import search

_MEMORY = Path("/dev/shm")  # noqa: S108  # Linux has a folder in memory


def main() -> int:
    """Read, and print the faults."""
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    found = 0
    for reader in sys.argv[3:] or READERS:
        began = time.perf_counter()
        with TemporaryDirectory(dir=_MEMORY if _MEMORY.is_dir() else None) as folder:
            faults = list(search(reader, limit, seed, Path(folder)))
        for line in faults[:20]:
            print(line)
        print(f"{reader}: {limit:,} files in {time.perf_counter() - began:.0f} s, seed {seed}: {len(faults):,} faults")
        found += len(faults)
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
