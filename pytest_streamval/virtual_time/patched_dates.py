"""The methods of `date` and `datetime` that depend on the present time or on the local time zone, on a virtual clock.

They are replaced in the classes, which stay the ones that they are: a subclass, a pickle, a `C` extension, and a module
that is imported meanwhile have the real classes. Local time is what a clock takes for it, not that of the machine.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
from typing import TYPE_CHECKING, Any

from pytest_streamval.virtual_time.active_clock import dated_by
from pytest_streamval.virtual_time.module_patching import swap
from pytest_streamval.virtual_time.real_time import CLASSES, EPOCH, MICROSECOND

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pytest_streamval.virtual_time.clock import VirtualClock

_DATE: dict[str, Any] = dict(vars(CLASSES.date))
_DATETIME: dict[str, Any] = dict(vars(CLASSES.datetime))


def now(cls: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # of a subclass of datetime
    """As `datetime.now`."""
    if (clock := dated_by()) is None:
        return _DATETIME["now"].__get__(None, cls)(tz)
    moment = EPOCH + clock._wall() * MICROSECOND
    moment = moment.replace(tzinfo=None) + clock._local() if tz is None else moment.astimezone(tz)
    return moment if cls is CLASSES.datetime else cls.combine(moment.date(), moment.timetz())


def utcnow(cls: Any) -> Any:  # noqa: ANN401  # as above
    """As `datetime.utcnow`."""
    return _DATETIME["utcnow"].__get__(None, cls)() if dated_by() is None else cls.now(dt.UTC).replace(tzinfo=None)


def fromtimestamp(cls: Any, timestamp: float, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    """As `datetime.fromtimestamp`."""
    real = _DATETIME["fromtimestamp"].__get__(None, cls)
    if tz is not None or (clock := dated_by()) is None:
        return real(timestamp, tz)
    return real(timestamp, dt.UTC).replace(tzinfo=None) + clock._local()


def timestamp(self: Any) -> float:  # noqa: ANN401  # as above
    """As `datetime.timestamp`."""
    return float(_DATETIME["timestamp"](_aware(self, dated_by())))


def astimezone(self: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    """As `datetime.astimezone`."""
    clock = dated_by()
    if tz is None and clock is not None:
        tz = dt.timezone(clock._local())
    return _DATETIME["astimezone"](_aware(self, clock), tz)


def today(cls: Any) -> Any:  # noqa: ANN401  # as above
    """As `date.today`, which time-machine replaces too."""
    if (clock := dated_by()) is None:
        return _DATE["today"].__get__(None, cls)()
    return cls.fromtimestamp(clock.now)


def date_fromtimestamp(cls: Any, timestamp: float) -> Any:  # noqa: ANN401  # of a subclass of date
    """As `date.fromtimestamp`."""
    real = _DATE["fromtimestamp"].__get__(None, cls)
    if (clock := dated_by()) is None:
        return real(timestamp)
    moment = _DATETIME["fromtimestamp"].__get__(None, CLASSES.datetime)(timestamp, dt.UTC) + clock._local()
    return cls(moment.year, moment.month, moment.day)


def _aware(moment: Any, clock: VirtualClock | None) -> Any:  # noqa: ANN401  # as above
    """Return a moment with its time zone, if it has none and is on a clock."""
    if clock is None or moment.tzinfo is not None:
        return moment
    return _DATETIME["replace"](moment, tzinfo=dt.timezone(clock._local()))


_METHODS: dict[Any, dict[str, Any]] = {
    CLASSES.date: {"today": classmethod(today), "fromtimestamp": classmethod(date_fromtimestamp)},
    CLASSES.datetime: {
        "now": classmethod(now),
        "utcnow": classmethod(utcnow),
        "fromtimestamp": classmethod(fromtimestamp),
        "timestamp": timestamp,
        "astimezone": astimezone,
    },
}


def replace_methods(undo: ExitStack) -> None:
    """Replace methods of classes that Python itself takes for immutable, until the stack is closed."""
    for cls, named in _METHODS.items():
        namespace = gc.get_referents(vars(cls))[0]  # the dict of the class, and not the proxy of it
        undo.callback(_forget_cached, cls)
        for name, method in named.items():
            swap(undo, namespace, name, method)
        _forget_cached(cls)


def _forget_cached(cls: type) -> None:
    """Let Python look the methods of a class, and of its subclasses, up anew."""
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
