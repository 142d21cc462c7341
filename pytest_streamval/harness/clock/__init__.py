"""Virtual time: the clock that a test lives on, and how it drives an event loop."""

from pytest_streamval.harness.clock.item import clock_of_test
from pytest_streamval.harness.clock.virtual import VirtualClock

__all__ = ["VirtualClock", "clock_of_test"]
