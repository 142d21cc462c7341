"""A clock for one test of pytest."""

from __future__ import annotations

import inspect
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.virtual_time.clock import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pytest

    from pytest_streamval.virtual_time.instants import Instant


@contextmanager
def clock_of_test(item: pytest.Item, live_markers: Iterable[str] = ()) -> Iterator[VirtualClock]:
    """Let a test live on virtual time: what the fixture `virtual_clock` is.

    Args:
        item: the test; if it is async, its function is wrapped meanwhile, whichever plugin will run it.
        live_markers: the markers of tests that talk to a live model, whose time cannot be virtual.

    The marker `streamval_clock(start)` of the test says when the clock starts.

    Raises:
        InvalidArgumentError: a `ValueError`; the marker's start is no point in time.
        VirtualClockUseError: the test has one of these markers.
    """
    for name in live_markers:
        if item.get_closest_marker(name) is not None:
            raise VirtualClockUseError(
                f"virtual_clock was asked for by a test that is marked {name}: a live model takes real time.",
                "Leave the fixture out there, or play a recording of the model in its place.",
            )
    test: Any = getattr(item, "obj", None)
    marker = item.get_closest_marker("streamval_clock")
    with VirtualClock(*_start(*marker.args, **marker.kwargs) if marker else ()) as clock, ExitStack() as undo:
        for owner, name in ((item, "obj"), (getattr(test, "hypothesis", None), "inner_test")):
            function = getattr(owner, name, None)
            if inspect.iscoroutinefunction(function):
                setattr(owner, name, clock.supervised(function))
                undo.callback(setattr, owner, name, function)
        yield clock


def _start(start: Instant | None = None) -> tuple[Instant | None]:
    """Return what the marker `streamval_clock` was given."""
    return (start,)
