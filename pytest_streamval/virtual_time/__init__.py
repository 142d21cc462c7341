"""Virtual time: the clock that a test lives on, and how it drives an event loop."""

from pytest_streamval.plugin.clock import clock_of_test
from pytest_streamval.virtual_time.clock import VirtualClock

__all__ = ["VirtualClock", "clock_of_test"]
