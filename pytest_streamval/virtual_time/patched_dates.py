"""Methods of `date` and `datetime` on a virtual clock: those that depend on the present time or on the time zone.

They are replaced in the real classes, so that subclasses, pickles, C extensions and modules that a test imports have
the real classes. Local time is that of the clock, not that of the machine.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
from typing import TYPE_CHECKING, Any

from pytest_streamval.virtual_time.module_patching import patch_item
from pytest_streamval.virtual_time.real_time import CLASSES, EPOCH, MICROSECOND
from pytest_streamval.virtual_time.time_source import active_for_dates

if TYPE_CHECKING:
    from contextlib import ExitStack

    from pytest_streamval.virtual_time.time_source import TimeSource

_DATE: dict[str, Any] = dict(vars(CLASSES.date))
_DATETIME: dict[str, Any] = dict(vars(CLASSES.datetime))


def now(cls: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # of a subclass of datetime
    """Replace `datetime.now`."""
    if (source := active_for_dates()) is None:
        return _DATETIME["now"].__get__(None, cls)(tz)
    moment = EPOCH + source.microseconds * MICROSECOND
    moment = moment.replace(tzinfo=None) + source.utc_offset if tz is None else moment.astimezone(tz)
    return moment if cls is CLASSES.datetime else cls.combine(moment.date(), moment.timetz())


def utcnow(cls: Any) -> Any:  # noqa: ANN401  # as above
    """Replace `datetime.utcnow`."""
    if active_for_dates() is None:
        return _DATETIME["utcnow"].__get__(None, cls)()
    return cls.now(dt.UTC).replace(tzinfo=None)


def fromtimestamp(cls: Any, timestamp: float, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    """Replace `datetime.fromtimestamp`."""
    real = _DATETIME["fromtimestamp"].__get__(None, cls)
    if tz is not None or (source := active_for_dates()) is None:
        return real(timestamp, tz)
    return real(timestamp, dt.UTC).replace(tzinfo=None) + source.utc_offset


def timestamp(self: Any) -> float:  # noqa: ANN401  # as above
    """Replace `datetime.timestamp`."""
    return float(_DATETIME["timestamp"](_aware(self, active_for_dates())))


def astimezone(self: Any, tz: dt.tzinfo | None = None) -> Any:  # noqa: ANN401  # as above
    """Replace `datetime.astimezone`."""
    source = active_for_dates()
    if tz is None and source is not None:
        tz = dt.timezone(source.utc_offset)
    return _DATETIME["astimezone"](_aware(self, source), tz)


def today(cls: Any) -> Any:  # noqa: ANN401  # as above
    """Replace `date.today`, as time-machine does too."""
    if (source := active_for_dates()) is None:
        return _DATE["today"].__get__(None, cls)()
    return cls.fromtimestamp(source.timestamp)


def date_fromtimestamp(cls: Any, timestamp: float) -> Any:  # noqa: ANN401  # of a subclass of date
    """Replace `date.fromtimestamp`."""
    if (source := active_for_dates()) is None:
        return _DATE["fromtimestamp"].__get__(None, cls)(timestamp)
    moment = _DATETIME["fromtimestamp"].__get__(None, CLASSES.datetime)(timestamp, dt.UTC) + source.utc_offset
    return cls(moment.year, moment.month, moment.day)


def _aware(moment: Any, source: TimeSource | None) -> Any:  # noqa: ANN401  # as above
    """Return a moment with the clock's time zone if it has none."""
    if source is None or moment.tzinfo is not None:
        return moment
    return _DATETIME["replace"](moment, tzinfo=dt.timezone(source.utc_offset))


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


def patch_methods(undo: ExitStack) -> None:
    """Replace methods of classes that Python itself does not let change, until the stack is closed."""
    for cls, methods in _METHODS.items():
        namespace = gc.get_referents(vars(cls))[0]  # the dict of the class instead of its read-only proxy
        undo.callback(_clear_method_cache, cls)
        for name, method in methods.items():
            patch_item(undo, namespace, name, method)
        _clear_method_cache(cls)


def _clear_method_cache(cls: type) -> None:
    ctypes.pythonapi.PyType_Modified(ctypes.py_object(cls))
