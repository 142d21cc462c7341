"""sentencex, a splitter of whole texts."""

from __future__ import annotations

from sentencex import segment

STREAMING = False


def split(pieces: list[str]) -> list[str]:
    """Cut a text."""
    return list(segment("en", "".join(pieces)))
