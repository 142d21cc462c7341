"""The functions of `time` on a clock, in the thread that the clock belongs to.

The wall clock is virtual for every caller in that thread. Functions that measure durations keep real time for callers
who use them to wait for threads, processes and sockets, or to say how long a test took.
"""

from __future__ import annotations

import calendar
import time
from contextlib import ExitStack
from typing import Any

from pytest_streamval.virtual_time import other_libraries, real_time
from pytest_streamval.virtual_time.active_clock import WAIT_IN_EARNEST, here, measured_by
from pytest_streamval.virtual_time.module_patching import References, swap
from pytest_streamval.virtual_time.patched_dates import replace_methods

_real = real_time.FUNCTIONS

_below: dict[str, Any] = dict(_real)  # the functions on top of which a clock was put: the real ones, or freezegun's


def put_on() -> ExitStack:
    """Let the functions that tell the time tell that of the clock, until the stack that is returned is closed."""
    with ExitStack() as undo:
        fakes, thawed = {id(_real[name]): fake for name, fake in _FAKES.items()}, {}
        for name, fake in _FAKES.items():
            _below[name] = current = vars(time)[name]
            fakes[id(current)], thawed[id(fake)] = fake, current
            swap(undo, vars(time), name, fake)
        _references.replace(fakes, undo)
        undo.callback(_references.replace_in_new, thawed)
        other_libraries.on_top(undo)
        replace_methods(undo)
        return undo.pop_all()


def wall_time() -> float:
    """As `time.time`."""
    clock = here()
    return float(_below["time"]()) if clock is None else clock.now


def time_ns() -> int:
    """As `time.time_ns`."""
    clock = here()
    return int(_below["time_ns"]()) if clock is None else clock._wall() * 1000


def gmtime(seconds: float | None = None, /) -> time.struct_time:
    """As `time.gmtime`."""
    clock = here()
    if clock is None:
        return _below["gmtime"](seconds)  # type: ignore[no-any-return]
    return _real["gmtime"](clock._wall() // 1_000_000 if seconds is None else seconds)  # type: ignore[no-any-return]


def localtime(seconds: float | None = None, /) -> time.struct_time:
    """As `time.localtime`."""
    clock = here()
    if clock is None:
        return _below["localtime"](seconds)  # type: ignore[no-any-return]
    utc = clock._wall() // 1_000_000 if seconds is None else seconds
    return _real["gmtime"](utc + clock._local().total_seconds())  # type: ignore[no-any-return]


def mktime(moment: Any, /) -> float:  # noqa: ANN401  # a struct_time, or a tuple like it
    """As `time.mktime`."""
    clock = here()
    if clock is None:
        return float(_below["mktime"](moment))
    return calendar.timegm(moment) - clock._local().total_seconds()


def strftime(form: str, moment: Any = None, /) -> str:  # noqa: ANN401  # as above
    """As `time.strftime`."""
    if moment is None:
        return str(_below["strftime"](form)) if here() is None else str(_real["strftime"](form, localtime()))
    return str(_real["strftime"](form, moment))


def asctime(moment: Any = None, /) -> str:  # noqa: ANN401  # as above
    """As `time.asctime`."""
    return str(_real["asctime"](localtime() if moment is None else moment))


def ctime(seconds: float | None = None, /) -> str:
    """As `time.ctime`."""
    return str(_real["asctime"](localtime(seconds)))


def monotonic() -> float:
    """As `time.monotonic`, and the same as the time of the event loop."""
    clock = measured_by()
    return float(_real["monotonic"]()) if clock is None else clock._reading


def monotonic_ns() -> int:
    """As `time.monotonic_ns`."""
    clock = measured_by()
    return _real["monotonic_ns"]() if clock is None else round(clock._reading * 1e9)


def perf_counter() -> float:
    """As `time.perf_counter`."""
    clock = measured_by()
    return float(_real["perf_counter"]()) if clock is None else clock._reading


def perf_counter_ns() -> int:
    """As `time.perf_counter_ns`."""
    clock = measured_by()
    return _real["perf_counter_ns"]() if clock is None else round(clock._reading * 1e9)


def sleep(seconds: float, /) -> None:
    """As `time.sleep`, but it takes no real time: the clock moves on, and what is due meanwhile is late."""
    clock = measured_by()
    if clock is None:
        _real["sleep"](seconds)
    else:
        _real["sleep"](min(seconds, 0))  # refuses what is no length of time, and lets other threads run
        clock._move(clock._reading + seconds)


_FAKES: dict[str, Any] = {name: globals()["wall_time" if name == "time" else name] for name in real_time.FUNCTIONS}


def _left_out() -> tuple[frozenset[str], tuple[str, ...]]:
    """Return which modules keep their own names for the real functions."""
    return WAIT_IN_EARNEST, (f"{__package__}.", *other_libraries.ignored())


_references = References(_left_out)
