"""The wait that a provider asks for, in the headers of its answer."""

from __future__ import annotations

import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import isfinite, nan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NUMBER = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait, or None if it names none or an invalid value.

    `Retry-After` is a number of seconds or a date in one of the three forms of HTTP (RFC 9110, 10.2.3 and 5.6.7), also
    with a zone of `-0000`. A date in the past is 0. `Retry-After-Ms` has milliseconds and goes first, as in the clients
    of OpenAI and Anthropic (`_base_client.py` in openai-python). A number may have a fraction. A negative number, `nan`
    and `inf` are invalid.

    Args:
        headers: The headers of the answer.
    """
    values = {name.lower(): value for name, value in headers.items()}
    milliseconds = _number(values.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1_000
    value = values.get("retry-after", "")
    seconds = _number(value)
    return _seconds_until(value) if seconds is None else seconds


def _number(value: str) -> float | None:
    first = value.partition(",")[0].strip()  # a repeated header has several
    number = float(first) if _NUMBER.fullmatch(first) else nan
    return number if isfinite(number) else None


def _seconds_until(date: str) -> float | None:
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError):
        return None
    # a date without a zone, or with -0000, is in UTC like every date of HTTP
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, at.timestamp() - time.time())
