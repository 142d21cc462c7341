"""pysbd, a splitter of whole texts."""

from __future__ import annotations

from pysbd import Segmenter

STREAMING = False
SEGMENTER = Segmenter(language="en", clean=False)


def split(pieces: list[str]) -> list[str]:
    """Cut a text."""
    return list(SEGMENTER.segment("".join(pieces)))
