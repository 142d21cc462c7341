"""The base class of every error."""

from __future__ import annotations


class StreamvalError(Exception):
    """Base of every error that this package defines."""


def raisable(error: BaseException) -> BaseException:
    """Return the error to raise for an error: a `RuntimeError` from it if it would end an `async for` in silence."""
    if not isinstance(error, StopAsyncIteration):
        return error
    loud = RuntimeError("StopAsyncIteration was raised, which would have ended the reader's loop in silence.")
    loud.__cause__ = error
    return loud
