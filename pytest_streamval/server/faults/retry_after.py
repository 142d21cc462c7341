"""The faults of a provider that names the time to wait in other forms than seconds."""

from __future__ import annotations

import time
from email.utils import formatdate
from math import ceil
from typing import TYPE_CHECKING

from pytest_streamval.server.faults.fault import Fault, register

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.faults.fault import Transform
    from pytest_streamval.server.rendering import Renderer

_MESSAGE = "The limit of requests is reached, by a fault of this server."


def _refuse_with(name: str, value_of: Callable[[float], str]) -> Transform:
    """Return a transform into a 429 with a header, whose value is made from the seconds to wait."""

    def transform(_actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
        header = (name, value_of(fault.retry_after or 0.0))
        return renderer.render_error(429, _MESSAGE, headers=(header,))

    return transform


def _date_after(seconds: float) -> str:
    """Return the date after some seconds, rounded up, as dates of HTTP have whole seconds (RFC 9110, 5.6.7)."""
    return formatdate(ceil(time.time() + seconds), usegmt=True)


@register("the response is a 429, with a date in Retry-After", _refuse_with("retry-after", _date_after), status=429)
def retry_after_date(retry_after: float = 1) -> Fault:
    """Respond with a 429, in the provider's format, with a date in the header `Retry-After` (RFC 9110, 10.2.3).

    Args:
        retry_after: The seconds until the date, which are rounded up, by the clock of the server.
    """
    return Fault("retry_after_date", status=429, retry_after=retry_after)


@register(
    "the response is a 429, with retry-after-ms",
    _refuse_with("retry-after-ms", lambda seconds: f"{seconds * 1_000:.0f}"),
    status=429,
)
def retry_after_ms(retry_after: float = 1) -> Fault:
    """Respond with a 429, in the provider's format, with milliseconds in the header `retry-after-ms`, as Azure does.

    Args:
        retry_after: The seconds to wait, which the header has in milliseconds.
    """
    return Fault("retry_after_ms", status=429, retry_after=retry_after)
