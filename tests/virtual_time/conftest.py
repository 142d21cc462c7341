"""Fixtures of the tests of virtual time."""

import threading

import pytest

from pytest_streamval.plugin.clock import clock_of_test
from pytest_streamval.virtual_time.loop_driver import LoopDriver


@pytest.fixture
def clock(request):
    with clock_of_test(request.node) as clock:
        yield clock


@pytest.fixture
def gate(monkeypatch):
    """Return an event that is set when an event loop begins to wait in real time."""
    opened = threading.Event()
    wait = LoopDriver._wait_in_real_time

    def opening(self, due):
        opened.set()
        return wait(self, due)

    monkeypatch.setattr(LoopDriver, "_wait_in_real_time", opening)
    yield opened
    opened.set()
