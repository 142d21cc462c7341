"""Guards: a test must leave nothing running, and must play its scripts."""

from pytest_streamval.guards.guard import Guard

__all__ = ["Guard"]
