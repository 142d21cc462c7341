"""Virtual time: the clock of a test, which jumps to the next timer while nothing can run."""

from pytest_streamval.virtual_time.clock import VirtualClock

__all__ = ["VirtualClock"]
