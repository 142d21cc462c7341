"""Guards: that a test leaves nothing behind, and that it does not pass for nothing."""

from pytest_streamval.guards.guard import Guard
from pytest_streamval.plugin.guards import Guards, guards_of

__all__ = ["Guard", "Guards", "guards_of"]
