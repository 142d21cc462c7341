"""The `Retry-After` header of HTTP (RFC 9110, 10.2.3)."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from math import isfinite


def seconds_to_wait(value: str | None) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, or None if it is missing or invalid.

    Args:
        value: The value of the header: a number of seconds, or a date.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
    except ValueError:
        return _seconds_until(value)
    return max(0.0, seconds) if isfinite(seconds) else None


def _seconds_until(date: str) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
