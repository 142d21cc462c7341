"""The first cuts find the boundary bugs of public code, and accuse no right consumer."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.boundary_bugs import Outcome, cases, outcomes, share


@pytest.fixture(scope="module")
def found() -> list[Outcome]:
    return outcomes(50)


@pytest.mark.parametrize(("count", "least"), [(5, 95), (10, 98), (20, 99), (50, 100)])
def test_the_first_cuts_find_most_boundary_bugs(found: list[Outcome], count: int, least: float) -> None:
    assert len(cases()) == 44
    assert share(found, count) >= least


def test_no_cut_accuses_a_right_consumer(found: list[Outcome]) -> None:
    assert [each.name for each in found if each.accused] == []


def test_most_boundary_bugs_are_shown_with_at_most_one_cut_after_few_runs(found: list[Outcome]) -> None:
    cuts = [[place for place in each.smallest.places or () if place.at] for each in found if each.smallest is not None]
    assert sum(len(places) <= 1 for places in cuts) / len(cuts) >= 0.85
    assert statistics.median(each.runs for each in found) <= 15
    assert max(each.runs for each in found) <= 60
