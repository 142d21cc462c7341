"""Record modes."""

from __future__ import annotations

import pytest

from pytest_streamval import InvalidArgumentError
from pytest_streamval.recordings.record_modes import MODES, RecordMode

NONE, ONCE, NEW, ALL = RecordMode


@pytest.mark.parametrize(
    ("mode", "recorded", "replays", "records"),
    [
        (NONE, False, True, False),
        (NONE, True, True, False),
        (ONCE, False, False, True),
        (ONCE, True, True, False),
        (NEW, False, True, True),
        (NEW, True, True, True),
        (ALL, False, False, True),
        (ALL, True, False, True),
    ],
)
def test_a_mode_decides_whether_requests_are_replayed_and_recorded(
    mode: RecordMode, recorded: bool, replays: bool, records: bool
) -> None:
    assert (mode.replays(recorded=recorded), mode.records(recorded=recorded)) == (replays, records)


def test_only_the_mode_all_replaces_recordings() -> None:
    assert [mode for mode in RecordMode if mode.replaces] == [ALL]


def test_a_mode_has_a_name() -> None:
    assert [RecordMode.named(name, "record") for name in MODES] == [NONE, ONCE, NEW, ALL]


@pytest.mark.parametrize("name", ["maybe", "", None, ["new"]])
def test_an_unknown_mode_is_rejected_with_the_names_of_the_modes(name: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"record.* It must be one of none, once, new, all\."):
        RecordMode.named(name, "record")
