"""Freezing the functions of `time` and `datetime` at a clock, in the thread that it belongs to.

The frozen dates are freezegun's, and so are the functions of the wall clock; starting freezegun itself would look
through every attribute of every module that is loaded. What measures durations is replaced here: it keeps real time
for callers who use it to wait in earnest.
"""

from __future__ import annotations

import copyreg
import datetime as dt
import sys
import time
from threading import get_ident
from typing import TYPE_CHECKING, Any

from freezegun import api, config

from pytest_streamval.errors import VirtualClockUseError
from pytest_streamval.harness.clock.references import References, swap

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pytest_streamval.harness.clock.virtual import VirtualClock

_real_sleep = time.sleep
_START = api.real_datetime(2026, 1, 1)  # freezegun reckons with UTC that does not say so

# Whoever waits by these for threads, processes and sockets, and whoever judges how long a test took.
_WAIT_IN_EARNEST = sys.stdlib_module_names | {
    "_pytest",
    "coverage",
    "execnet",
    "freezegun",
    "hypothesis",
    "pluggy",
    "pytest",
    "pytest_asyncio",
    "pytest_timeout",
    "trio",
    "xdist",
}

_clock: VirtualClock | None = None


def freeze(clock: VirtualClock, undo: ExitStack) -> None:
    """Let every function that tells the time tell that of a clock, until the stack is closed.

    Raises:
        VirtualClockUseError: they tell another clock's already.
    """
    if _clock is not None:
        raise VirtualClockUseError(
            "A virtual clock was started while another one is running.",
            "A process has one time: use the clock that is there.",
        )
    swap(undo, globals(), "_clock", clock)
    _take_over_freezegun(undo)
    fakes, thawed = dict(_FAKE_OF), {}
    for module in (time, dt):
        for name, (_, fake) in _FAKES[module.__name__].items():
            current = vars(module)[name]  # the real one, unless somebody has frozen it already
            fakes[id(current)], thawed[id(fake)] = fake, current
            swap(undo, vars(module), name, fake)
    _references.replace(fakes, undo)
    undo.callback(_references.replace_in_new, thawed)


def _take_over_freezegun(undo: ExitStack) -> None:
    """Put the clock on top of what freezegun takes the time from; a `freeze_time` inside goes above it in turn."""
    stacks: tuple[list[Any], ...] = (api.freeze_factories, api.tz_offsets, api.ignore_lists, api.tick_flags)
    for stack, ours in zip(stacks, (_moment, dt.timedelta(), (), False), strict=True):
        stack.append(ours)

    def give_back() -> None:
        place = stacks[0].index(_moment)
        for stack in stacks:
            del stack[place]

    undo.callback(give_back)
    swap(undo, copyreg.dispatch_table, api.real_datetime, api.pickle_fake_datetime)
    swap(undo, copyreg.dispatch_table, api.real_date, api.pickle_fake_date)


def _moment() -> dt.datetime:
    """Return the time as freezegun wants it: in UTC, without saying so."""
    clock = _clock
    if clock is None or clock._thread != get_ident():
        return api.real_datetime.now(dt.UTC).replace(tzinfo=None)
    return _START + dt.timedelta(microseconds=clock._microseconds())


def _clock_of_caller() -> VirtualClock | None:
    """Return the clock, if whoever called the function that asks lives on it."""
    clock = _clock
    if clock is None or clock._thread != get_ident():
        return None
    caller: str = sys._getframe(2).f_globals.get("__name__", "")
    return None if caller.partition(".")[0] in _WAIT_IN_EARNEST else clock


def wall_time() -> float:
    """As `time.time`, and quicker than freezegun's: every event asks."""
    clock = _clock
    if clock is None or clock._thread != get_ident() or api.freeze_factories[-1] is not _moment:
        return api.fake_time()
    return clock.now


def monotonic() -> float:
    """As `time.monotonic`, and the same as the time of the event loop."""
    clock = _clock_of_caller()
    return api.real_monotonic() if clock is None else clock._reading


def monotonic_ns() -> int:
    """As `time.monotonic_ns`."""
    clock = _clock_of_caller()
    return api.real_monotonic_ns() if clock is None else round(clock._reading * 1e9)


def perf_counter() -> float:
    """As `time.perf_counter`."""
    clock = _clock_of_caller()
    return api.real_perf_counter() if clock is None else clock._reading


def perf_counter_ns() -> int:
    """As `time.perf_counter_ns`."""
    clock = _clock_of_caller()
    return api.real_perf_counter_ns() if clock is None else round(clock._reading * 1e9)


def sleep(seconds: float, /) -> None:
    """As `time.sleep`, but it takes no real time: the clock moves on, and whoever is due meanwhile is late."""
    clock = _clock_of_caller()
    if clock is None:
        _real_sleep(seconds)
    else:
        _real_sleep(min(seconds, 0))  # refuses what is no length of time, and lets other threads run
        clock._reading += seconds


_FAKES: dict[str, dict[str, tuple[Any, Any]]] = {
    "time": {
        "time": (api.real_time, wall_time),
        "time_ns": (api.real_time_ns, api.fake_time_ns),
        "gmtime": (api.real_gmtime, api.fake_gmtime),
        "localtime": (api.real_localtime, api.fake_localtime),
        "strftime": (api.real_strftime, api.fake_strftime),
        "monotonic": (api.real_monotonic, monotonic),
        "monotonic_ns": (api.real_monotonic_ns, monotonic_ns),
        "perf_counter": (api.real_perf_counter, perf_counter),
        "perf_counter_ns": (api.real_perf_counter_ns, perf_counter_ns),
        "sleep": (_real_sleep, sleep),
    },
    "datetime": {
        "datetime": (api.real_datetime, api.FakeDatetime),
        "date": (api.real_date, api.FakeDate),
    },
}
_FAKE_OF = {id(real): fake for fakes in _FAKES.values() for real, fake in fakes.values()}


def _left_out() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return which modules keep their own names for the real functions."""
    return _WAIT_IN_EARNEST, (__package__, *config.settings.default_ignore_list)


_references = References(_left_out)
