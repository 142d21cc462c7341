"""A virtual clock for one test."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.plugin.async_tests import wrapped_async_test
from pytest_streamval.virtual_time.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from pytest_streamval.virtual_time.instants import Instant


@contextmanager
def clock_of_test(item: pytest.Item, live_markers: Iterable[str] = ()) -> Iterator[VirtualClock]:
    """Run a test on virtual time, as the fixture `virtual_clock` does.

    The marker `streamval_clock(start)` sets the start of the clock. The function of an async test is wrapped inside
    this context, for every plugin that may run it.

    Args:
        item: The test.
        live_markers: The markers of tests that call a live model, whose time cannot be virtual.

    Raises:
        InvalidArgumentError: If the start of the marker is no instant (a `ValueError`).
        VirtualClockUseError: If the test has one of the live markers.
    """
    for name in live_markers:
        if item.get_closest_marker(name) is not None:
            raise VirtualClockUseError(
                f"virtual_clock was used by a test that is marked {name}, but a live model takes real time.",
                "Remove the fixture, or replay a recording of the model.",
            )
    marker = item.get_closest_marker("streamval_clock")
    with (
        VirtualClock(*_start(*marker.args, **marker.kwargs) if marker else ()) as clock,
        wrapped_async_test(item, clock.supervise),
    ):
        yield clock


def _start(start: Instant | None = None) -> tuple[Instant | None]:
    """Return the arguments of the marker, which may be given by position or by name."""
    return (start,)
