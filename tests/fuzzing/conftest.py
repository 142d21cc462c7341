"""Preparation for the tests of fuzzing."""

from __future__ import annotations

import pytest

from pytest_streamval.fuzzing import known_cut


@pytest.fixture(autouse=True)
def _no_known_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep no failing cuts, so that a test is the same in each run."""
    monkeypatch.setattr(known_cut, "currently_in_test_context", lambda: True)
