"""Points in time and lengths of time, as a caller may write them."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.virtual_time.real_time import CLASSES, EPOCH, MICROSECOND

Instant: TypeAlias = dt.datetime | dt.date | str | float
"""A datetime, a date, an ISO string such as `"2030-05-05T12:00:00+02:00"`, or seconds since the epoch.

Without a time zone it is in UTC.
"""

FIRST, LAST = -62_135_596_800, 253_402_300_799
"""The first and the last second of the calendar of `datetime`, in seconds since the epoch."""


def microseconds_of(instant: Instant, argument: str) -> int:
    """Return an instant in microseconds since the epoch.

    Args:
        instant: The instant.
        argument: The caller's name of the argument, for the error.

    Raises:
        InvalidArgumentError: If it is no instant, or outside the years 1 to 9999.
    """
    given: Any = instant
    if isinstance(given, str):
        try:
            given = CLASSES.datetime.fromisoformat(given)
        except ValueError:
            given = None
    if isinstance(given, CLASSES.date):
        if not isinstance(given, CLASSES.datetime):
            given = CLASSES.datetime(given.year, given.month, given.day)
        aware = given if given.utcoffset() is not None else given.replace(tzinfo=dt.UTC)
        return int((aware - EPOCH) // MICROSECOND)
    if isinstance(given, int | float) and not isinstance(given, bool) and FIRST <= given <= LAST:
        return round(given * 1_000_000)
    rule = (
        'It must be a datetime, a date, an ISO string such as "2030-05-05T12:00:00+02:00", or seconds since the epoch, '
        "in the years 1 to 9999. Without a time zone it is in UTC."
    )
    raise InvalidArgumentError(argument, excerpt(instant), rule)


def checked_seconds(seconds: float, argument: str = "seconds") -> float:
    """Return a length of time in seconds.

    Raises:
        InvalidArgumentError: If it is no number, negative or infinite.
    """
    given: object = seconds
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < math.inf:
        raise InvalidArgumentError(argument, excerpt(seconds), "It must be a number of seconds, 0 or more.")
    return seconds
