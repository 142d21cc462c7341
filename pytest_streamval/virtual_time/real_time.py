"""The real functions and classes of time, even if freezegun had replaced them before this module was loaded."""

from __future__ import annotations

import datetime as dt
import sys
import time as _time
from typing import Any, NamedTuple


def _real(module: Any, name: str) -> Any:  # noqa: ANN401  # a function or a class
    return getattr(sys.modules.get("freezegun.api"), f"real_{name}", getattr(module, name))


_NAMES = "asctime ctime gmtime localtime mktime monotonic monotonic_ns perf_counter perf_counter_ns sleep strftime time"

FUNCTIONS: dict[str, Any] = {name: _real(_time, name) for name in (*_NAMES.split(), "time_ns")}
"""The functions of `time`, by name."""


class RealClasses(NamedTuple):
    """The classes of `datetime`. They are in a tuple because freezegun replaces the attributes of modules."""

    date: Any
    datetime: Any


CLASSES = RealClasses(_real(dt, "date"), _real(dt, "datetime"))
EPOCH: dt.datetime = CLASSES.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)
