"""The search: mutations of valid files, each read by its reader, which raises nothing but its own error."""

from __future__ import annotations

import logging
import random
import traceback
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benchmarks.hostile_files.mutation import mutated
from benchmarks.hostile_files.readers import READERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def hostile_file(reader: str, seed: int, number: int) -> bytes:
    """Return a mutation for a reader, the same one each time."""
    return mutated(READERS[reader].samples, random.Random(f"{reader} {seed} {number}"))


def search(reader: str, limit: int, seed: int, folder: Path) -> Iterator[str]:
    """Read mutations, and yield a line for each one that raises another error than the reader's own.

    Args:
        reader: The name of the reader.
        limit: The number of mutations.
        seed: The seed of the mutations.
        folder: A folder for the files.
    """
    with _without_warnings():
        for number in range(limit):
            if fault := fault_of(reader, hostile_file(reader, seed, number), folder):
                yield f"{reader}, seed {seed}, file {number}: {fault}"


def fault_of(reader: str, data: bytes, folder: Path) -> str:
    """Return the error that a file causes, if it is not one of the reader's own, else an empty string."""
    path = folder / "file"
    path.write_bytes(data)
    try:
        READERS[reader].read(path)
    except READERS[reader].errors:
        return ""
    except Exception as error:  # noqa: BLE001  # these are the faults to be found
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {str(error)[:200]!r} at {place.filename}:{place.lineno}"
    return ""


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Silence the warnings about files that a cache cannot read."""
    logger = logging.getLogger("pytest_streamval")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
