"""The failing cuts of a run of pytest."""

from __future__ import annotations

from types import SimpleNamespace

from pytest_streamval.fuzzing.failing_cut_database import FailingCut, FailingCuts
from pytest_streamval.plugin.failing_cuts_option import WORKER_INPUT, failing_cuts_of


def test_a_worker_receives_the_failing_cuts_of_its_controller():
    known = (FailingCut("t.py::test_it[a]", "chars"), FailingCut("t.py::test_it[b]", "17"))
    sent = FailingCuts(known).to_lists()
    assert failing_cuts_of(SimpleNamespace(workerinput={WORKER_INPUT: sent})).known == known
