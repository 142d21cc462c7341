"""Checks of the arguments of a provider server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.recordings.record_modes import RecordMode

_HIGHEST_PORT = 65_535


def check_numbers(*, speed: object, body_limit: object, port: object) -> None:
    """Raise `InvalidArgumentError` if a number is invalid."""
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not speed > 0:
        raise InvalidArgumentError("speed", excerpt(speed), "It must be more than 0. Use math.inf to skip all pauses.")
    if not _is_count(body_limit):
        raise InvalidArgumentError("body_limit", excerpt(body_limit), "It must be a number of bytes, 0 or more.")
    if not _is_count(port, _HIGHEST_PORT):
        rule = f"It must be a whole number up to {_HIGHEST_PORT}, 0 for any free port."
        raise InvalidArgumentError("port", excerpt(port), rule)


def check_journal_limit(limit: object) -> None:
    """Raise `InvalidArgumentError` if a limit of the journal is invalid."""
    if limit is not None and not _is_count(limit):
        raise InvalidArgumentError(
            "journal_limit", excerpt(limit), "It must be a number of bytes, or None for no limit."
        )


def check_times(times: object) -> None:
    """Raise `InvalidArgumentError` if a number of requests is invalid."""
    if times is not None and not _is_count(times):
        rule = "It must be a number of requests. Give everything else by name: path=..."
        raise InvalidArgumentError("times", excerpt(times), rule)


def checked_switch(name: str, value: object) -> bool:
    """Return the value of an argument that is true or false.

    Raises:
        InvalidArgumentError: A `ValueError`. If it is neither.
    """
    if not isinstance(value, bool):
        raise InvalidArgumentError(name, excerpt(value), "It must be True or False.")
    return value


def checked_models(models: object) -> Sequence[str]:
    """Return the names of models.

    Raises:
        InvalidArgumentError: A `ValueError`. If they are not a sequence of names.
    """
    if isinstance(models, str) or not isinstance(models, Sequence) or not all(isinstance(each, str) for each in models):
        raise InvalidArgumentError("models", excerpt(models), 'They must be a list of names: ["gpt-4.1"].')
    return models


def checked_mode(record: str | None, upstream: object) -> RecordMode:
    """Return the record mode of a server.

    Raises:
        InvalidArgumentError: A `ValueError`. If there is no such mode, or if it records and there is no provider.
    """
    if record is None:
        return RecordMode.NONE if upstream is None else RecordMode.NEW
    mode = RecordMode.named(record, "record")
    if upstream is None and mode is not RecordMode.NONE:
        raise InvalidArgumentError("record", repr(record), "It must be none without an upstream. Give the provider.")
    return mode


def _is_count(number: object, highest: float = float("inf")) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number <= highest


def checked_cut(cut: Cut | ScriptRecutter | str | None) -> ScriptRecutter | None:
    """Return the recutter for a cut, or None without a cut."""
    if cut is None or isinstance(cut, ScriptRecutter):
        return cut
    try:
        return ScriptRecutter(cut if isinstance(cut, Cut) else Cut(cut))
    except InvalidArgumentError as error:
        raise replace(error, argument="cut") from None
