"""Errors of telemetry that a test captures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError
from pytest_streamval.errors.text import listed

if TYPE_CHECKING:
    from collections.abc import Sequence


class TelemetryConflictError(StreamvalError, RuntimeError):
    """The program has set a provider of telemetry that cannot be joined."""

    def __init__(self, provider: str, method: str) -> None:
        super().__init__(provider, method)
        self.provider = provider
        self.method = method

    def __str__(self) -> str:
        return (
            f"captured_telemetry cannot join {self.provider}, which has no {self.method}(). OpenTelemetry lets a "
            "process set its provider once: set none in the tests, or one of a recent opentelemetry-sdk."
        )


class UnexpectedSpansError(StreamvalError, AssertionError):
    """There is not just one span of a name."""

    def __init__(self, name: str, ended: Sequence[str], still_open: Sequence[str]) -> None:
        super().__init__(name, tuple(ended), tuple(still_open))
        self.name = name
        self.ended = tuple(ended)
        """The names of the spans that have ended."""
        self.still_open = tuple(still_open)
        """The names of those that have not."""

    def __str__(self) -> str:
        ended, still_open = listed(dict.fromkeys(self.ended)), listed(dict.fromkeys(self.still_open))
        return (
            f"{self.ended.count(self.name)} spans with the name {self.name!r} have ended, and span() returns the only "
            f"one. Ended: {ended}; still open: {still_open}. Of several, choose from spans."
        )
