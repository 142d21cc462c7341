"""The search for expected requests in a journal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pytest_streamval.errors import not_requested_error

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.server.journal import ServedRequest


def requested(
    requests: Iterable[ServedRequest], times: int | None, exact: Mapping[str, object], other: Mapping[str, Any]
) -> list[ServedRequest]:
    """Return the requests with some properties.

    Args:
        requests: All requests.
        times: The expected number of such requests, or None for one or more.
        exact: Attributes of a `ServedRequest`, with their values. None is any value.
        other: The other arguments of `ServedRequest.difference`. None is any value.

    Raises:
        CheckFailedError: An `AssertionError`. If there is no such request, or another number of them.
    """
    __tracebackhide__ = True
    wanted = {name: value for name, value in exact.items() if value is not None}
    more = {name: value for name, value in other.items() if value is not None}
    compared = [(each, each.difference(wanted, **more)) for each in requests]
    found = [each for each, difference in compared if not difference]
    if (times is None and found) or times == len(found):
        return found
    what = ", ".join(f"{name}={value!r}" for name, value in {**wanted, **more}.items()) or "anything"
    often = "" if times is None else " once" if times == 1 else f" {times} times"
    summaries = [(each.summary, difference) for each, difference in compared]
    raise not_requested_error(f"{what}{often}", len(found), summaries)
