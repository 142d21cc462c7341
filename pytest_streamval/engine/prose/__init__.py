"""Sentences as a reader sees them, while they stream: the `"prose"` chunker."""

from pytest_streamval.engine.prose.strategy import ProseChunker

__all__ = ["ProseChunker"]
