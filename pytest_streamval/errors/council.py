"""Errors of councils."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_streamval.errors.base import StreamvalError


@dataclass(eq=False, repr=False)
class MemberTimeoutError(StreamvalError, TimeoutError):
    """A member of a council sent nothing for too long."""

    member: str
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.member} sent nothing for {self.seconds:g} s, which is the limit of Council(timeout=...). Raise the "
            "limit, or use a faster model."
        )
