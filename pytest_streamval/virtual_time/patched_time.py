"""Functions of `time` on a virtual clock, in the clock's thread.

The wall clock is virtual for every caller in that thread. Functions that measure durations stay real for callers that
wait for threads, processes and sockets, or that report how long a test took.
"""

from __future__ import annotations

import calendar
import time
from contextlib import ExitStack
from functools import wraps
from typing import TYPE_CHECKING, Any

from pytest_streamval.virtual_time import date_mocking, real_time
from pytest_streamval.virtual_time.module_patching import ModulePatcher, patch_item
from pytest_streamval.virtual_time.patched_dates import patch_methods
from pytest_streamval.virtual_time.time_source import REAL_TIME_PACKAGES, active, active_for_durations

if TYPE_CHECKING:
    from collections.abc import Callable

_real = real_time.FUNCTIONS

_replaced: dict[str, Any] = dict(_real)  # the functions that the clock has replaced: the real ones or freezegun's


def patch() -> ExitStack:
    """Make the functions of `time` and the methods of dates virtual until the returned stack is closed."""
    with ExitStack() as undo:
        fakes, originals = {id(_real[name]): fake for name, fake in _FAKES.items()}, {}
        for name, fake in _FAKES.items():
            _replaced[name] = current = vars(time)[name]
            fakes[id(current)], originals[id(fake)] = fake, current
            patch_item(undo, vars(time), name, fake)
        _modules.patch(fakes, undo)
        undo.callback(_modules.replace_in_new_modules, originals)
        date_mocking.patch_freezegun(undo)
        patch_methods(undo)
        return undo.pop_all()


def wall_time() -> float:
    """Replace `time.time`."""
    source = active()
    return float(_replaced["time"]()) if source is None else source.timestamp


def time_ns() -> int:
    """Replace `time.time_ns`."""
    source = active()
    return int(_replaced["time_ns"]()) if source is None else source.microseconds * 1000


def gmtime(seconds: float | None = None, /) -> time.struct_time:
    """Replace `time.gmtime`."""
    source = active()
    if source is None:
        return _replaced["gmtime"](seconds)  # type: ignore[no-any-return]
    return _real["gmtime"](source.microseconds // 1_000_000 if seconds is None else seconds)  # type: ignore[no-any-return]


def localtime(seconds: float | None = None, /) -> time.struct_time:
    """Replace `time.localtime`."""
    source = active()
    if source is None:
        return _replaced["localtime"](seconds)  # type: ignore[no-any-return]
    utc = source.microseconds // 1_000_000 if seconds is None else seconds
    return _real["gmtime"](utc + source.utc_offset.total_seconds())  # type: ignore[no-any-return]


def mktime(moment: Any, /) -> float:  # noqa: ANN401  # a struct_time or a tuple like it
    """Replace `time.mktime`."""
    source = active()
    if source is None:
        return float(_replaced["mktime"](moment))
    return calendar.timegm(moment) - source.utc_offset.total_seconds()


def strftime(form: str, moment: Any = None, /) -> str:  # noqa: ANN401  # as above
    """Replace `time.strftime`."""
    if moment is not None:
        return str(_real["strftime"](form, moment))
    return str(_replaced["strftime"](form)) if active() is None else str(_real["strftime"](form, localtime()))


def asctime(moment: Any = None, /) -> str:  # noqa: ANN401  # as above
    """Replace `time.asctime`."""
    return str(_real["asctime"](localtime() if moment is None else moment))


def ctime(seconds: float | None = None, /) -> str:
    """Replace `time.ctime`."""
    return str(_real["asctime"](localtime(seconds)))


def _measuring(name: str, per_second: float) -> Callable[[], float]:
    """Return a replacement of a function that measures durations. Its result is the time of the event loop."""
    real = _real[name]

    @wraps(real)
    def measure() -> float:
        source = active_for_durations()
        if source is None:
            return real()  # type: ignore[no-any-return]
        return round(source.reading * per_second) if per_second > 1 else source.reading

    return measure


def sleep(seconds: float, /) -> None:
    """Replace `time.sleep`: it moves the clock, and takes no real time. Timers that come due meanwhile fire late."""
    source = active_for_durations()
    if source is None:
        _real["sleep"](seconds)
    else:
        _real["sleep"](min(seconds, 0))  # raises if that is no length of time, and lets other threads run
        source.move(source.reading + seconds)


_FAKES: dict[str, Any] = {
    "time": wall_time,
    **{fake.__name__: fake for fake in (asctime, ctime, gmtime, localtime, mktime, sleep, strftime, time_ns)},
    **{name: _measuring(name, 1) for name in ("monotonic", "perf_counter")},
    **{name: _measuring(name, 1e9) for name in ("monotonic_ns", "perf_counter_ns")},
}


def _excluded_modules() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the modules that keep the real functions."""
    return REAL_TIME_PACKAGES, (f"{__package__}.", *date_mocking.ignored_packages())


_modules = ModulePatcher(_excluded_modules)
