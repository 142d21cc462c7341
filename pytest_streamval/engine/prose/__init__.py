"""The `"prose"` chunker, which splits a stream of prose into sentences."""

from pytest_streamval.engine.prose.strategy import ProseChunker

__all__ = ["ProseChunker"]
