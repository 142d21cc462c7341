"""Errors of councils."""

from __future__ import annotations

from pytest_streamval.errors.base import StreamvalError


class MemberTimeoutError(StreamvalError, TimeoutError):
    """A member of a council kept silent for too long."""

    def __init__(self, member: str, seconds: float) -> None:
        super().__init__(member, seconds)
        self.member = member
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"{self.member} sent nothing for {self.seconds:g} s, which is the limit of Council(timeout=...). Raise it, "
            "or ask a faster model."
        )
