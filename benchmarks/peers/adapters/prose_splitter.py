"""This project's `"prose"` chunks."""

from __future__ import annotations

from pytest_streamval import ProseChunker

STREAMING = True


def split(pieces: list[str]) -> list[str]:
    """Cut a text that comes in pieces."""
    chunker = ProseChunker().chunker()
    feed = chunker.feed
    found = [chunk for piece in pieces for chunk in feed(piece)]
    return [chunk.text for chunk in (*found, *chunker.flush())]
