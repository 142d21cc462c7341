"""Virtual time: the clock of a test, and the event loop that it drives."""

from pytest_streamval.virtual_time.clock import VirtualClock

__all__ = ["VirtualClock"]
