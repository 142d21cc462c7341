"""Guards: that a test leaves nothing behind, and that it does not pass for nothing."""

from pytest_streamval.harness.leaks.guard import Guard
from pytest_streamval.harness.leaks.hooks import GUARD_FIXTURE, guards_of

__all__ = ["GUARD_FIXTURE", "Guard", "guards_of"]
