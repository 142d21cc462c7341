"""Guards: a test leaves nothing running, and does not pass without playing its scripts."""

from pytest_streamval.guards.guard import Guard

__all__ = ["Guard"]
