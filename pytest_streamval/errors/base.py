"""What every error shares: the base class, and how a message shows the values in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_EXCERPT = 80  # characters of an offending value that a message shows
_LISTED = 15  # lines of what happened that a message shows before and behind a place


def excerpt(value: object, limit: int = _EXCERPT) -> str:
    """The `repr` of a value, cut in the middle where it is longer than `limit` characters."""
    shown = repr(value)
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return f"{shown[:half]} ... {shown[-half:]}"


def listed(lines: Sequence[str], place: int) -> Sequence[str]:
    """Return lines, of many only those around a place, given by the number of lines before it."""
    first, last = max(0, place - _LISTED), min(len(lines), place + _LISTED)
    before = [f"  ... {first:,} more before"] if first else []
    behind = [f"  ... {len(lines) - last:,} more behind"] if last < len(lines) else []
    return [*before, *lines[first:last], *behind]


def described(error: BaseException) -> str:
    """The message of an error, or what is wrong with that, where its own code fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  # a message must not hide the error that it belongs to
        return f"<its message raised {type(failure).__name__}>"


def raisable(error: BaseException) -> BaseException:
    """Return the error to raise: one that would end an `async for` in silence is the cause of one that does not."""
    if not isinstance(error, StopAsyncIteration):
        return error
    loud = RuntimeError("StopAsyncIteration was raised, which would have ended the reader's loop in silence.")
    loud.__cause__ = error
    return loud


class StreamvalError(Exception):
    """Base of every error that this package defines."""
