"""Record modes: whether requests are answered by recordings, by a provider, or by both."""

from __future__ import annotations

from enum import Enum


class RecordMode(Enum):
    """The way in which recordings and a provider answer requests together."""

    NONE = "none"
    """Replay the recordings, and send nothing to a provider."""
    ONCE = "once"
    """Record if there are no recordings yet, otherwise replay them."""
    NEW = "new"
    """Replay the recordings, and record the requests that have none."""
    ALL = "all"
    """Record every request, and replace the recordings."""

    @classmethod
    def named(cls, name: object, argument: str) -> RecordMode:
        """Return the mode with a name.

        Args:
            name: The name.
            argument: The argument that holds it, for the error.

        Raises:
            InvalidArgumentError: A `ValueError`. If there is no such mode.
        """
        if name not in MODES:
            from pytest_streamval.errors import (
                InvalidArgumentError,
                excerpt,
            )  # only then, as the plugin loads this file

            raise InvalidArgumentError(argument, excerpt(name), f"It must be one of {', '.join(MODES)}.")
        return cls(name)

    def replays(self, *, recorded: bool) -> bool:
        """Return whether requests are answered by recordings.

        Args:
            recorded: Whether there are recordings.
        """
        return self in {RecordMode.NONE, RecordMode.NEW} or (self is RecordMode.ONCE and recorded)

    def records(self, *, recorded: bool) -> bool:
        """Return whether requests without a recording go to the provider and are recorded.

        Args:
            recorded: Whether there are recordings.
        """
        return self in {RecordMode.NEW, RecordMode.ALL} or (self is RecordMode.ONCE and not recorded)

    @property
    def replaces(self) -> bool:
        """Whether new recordings replace the old ones."""
        return self is RecordMode.ALL


MODES = tuple(mode.value for mode in RecordMode)
"""The names of the modes, as options and arguments have them."""
