"""sentence-stream, a streaming splitter."""

from __future__ import annotations

from sentence_stream import stream_to_sentences

STREAMING = True


def split(pieces: list[str]) -> list[str]:
    """Cut a text that comes in pieces."""
    return list(stream_to_sentences(iter(pieces)))
