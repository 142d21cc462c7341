"""Files that are there as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

if TYPE_CHECKING:
    from pathlib import Path


def put_file(path: Path, data: bytes) -> None:
    """Put a file in its place in one step; missing folders are made.

    Raises:
        OSError: it cannot be written; whatever was there before still is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid4().hex}.tmp")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
