"""Subtests of a test that is cancelled. Those of pytest catch the cancellation and report it as a failure."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from _pytest.subtests import _SubTestContextManager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType


@contextmanager
def cancellation_passes_subtests(is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Let a cancellation of the test pass through its subtests.

    Args:
        is_cancelled: Returns whether the test has been cancelled.
    """
    original = _SubTestContextManager.__exit__

    def leave(
        subtest: _SubTestContextManager,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            subtest._exit_stack.close()
            return False
        return original(subtest, kind, error, traceback)

    _SubTestContextManager.__exit__ = leave  # type: ignore[method-assign]
    try:
        yield
    finally:
        _SubTestContextManager.__exit__ = original  # type: ignore[method-assign]
