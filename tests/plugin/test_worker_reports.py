"""The reports of workers, as pytest-xdist carries them, in the process that writes the report and the summary."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.files.typed_json import to_json
from pytest_streamval.fuzzing.failing_cut_database import FailingCuts
from pytest_streamval.plugin.collecting import STREAMS, StreamCollector, with_picture
from pytest_streamval.plugin.failing_cuts_option import WORKER_INPUT
from pytest_streamval.plugin.report import ReportWriter
from pytest_streamval.plugin.stream_summary import CASSETTES, COUNT, UNUSED, Summary
from pytest_streamval.plugin.variant_facts import Failure, VariantFacts
from pytest_streamval.plugin.variant_reports import VariantReports
from pytest_streamval.plugin.variant_summary import VariantSummary
from tests.report.streams import stream

if TYPE_CHECKING:
    from pathlib import Path


def phase(test: str, when: str, longrepr: object = None, **facts: object) -> pytest.TestReport:
    outcome = "failed" if longrepr else "passed"
    report = pytest.TestReport(test, ("", 0, ""), {}, outcome, longrepr, when, duration=0.5)  # type: ignore[arg-type]
    report.__dict__.update(facts)
    return report


def config(*, verbosity: int = 0, **options: object) -> Any:
    written: list[str] = []
    terminal = SimpleNamespace(
        write=lambda text, **_: written.append(text),
        write_line=lambda text, **_: written.append(text),
        verbosity=verbosity,
        written=written,
    )
    found = SimpleNamespace(
        getoption=options.get,
        get_verbosity=lambda: verbosity,
        pluginmanager=SimpleNamespace(get_plugin=lambda name: terminal),
        args=[],
        workerinput={WORKER_INPUT: []},
        terminal=terminal,
    )
    terminal.config = found
    return found


def test_the_report_has_the_test_of_a_crashed_worker_without_its_streams(tmp_path: Path) -> None:
    writer = ReportWriter(str(tmp_path / "part.json"))
    facts = {COUNT: 3, STREAMS: to_json([stream("complete")])}
    for report in (
        phase("test_fine", "setup"),
        phase("test_fine", "call"),
        phase("test_fine", "teardown", **facts),
        phase("test_crash", "???", "worker 'gw0' crashed while running 'test_crash'"),
    ):
        writer.pytest_runtest_logreport(report)
    session = SimpleNamespace(config=config(), exitstatus=pytest.ExitCode.OK)
    writer.pytest_sessionfinish(session)  # type: ignore[arg-type]
    crashed, fine = writer.report.tests
    assert (crashed.test, crashed.outcome, crashed.streams) == ("test_crash", "crashed", [])
    assert crashed.message == "worker 'gw0' crashed while running 'test_crash'"
    assert (fine.test, fine.outcome, fine.seconds, len(fine.streams), fine.left_out) == (
        "test_fine",
        "passed",
        1.5,
        1,
        2,
    )
    assert writer.report.lost == ["worker 'gw0' crashed while running 'test_crash': the streams of this test are lost."]
    terminal = session.config.terminal
    writer.pytest_terminal_summary(terminal)
    assert terminal.written == [f"streamval: report of 1 stream, 1 test lost: {tmp_path / 'part.json'}"]


def test_a_long_message_is_shortened(tmp_path: Path) -> None:
    writer = ReportWriter(str(tmp_path / "part.json"))
    writer.pytest_runtest_logreport(phase("test_it", "call", "x" * 3_000))
    assert len(writer._entries["test_it"].message) == 2_004


def test_the_summary_counts_the_cassettes_of_workers() -> None:
    terminal = config(streamval_fuzz=200).terminal
    summary = Summary(terminal.config)
    summary.pytest_testnodedown(SimpleNamespace(workeroutput={UNUSED: ["b", "a"]}))
    summary.pytest_testnodedown(SimpleNamespace())  # a worker that crashed
    summary.pytest_runtest_logreport(phase("test_it", "teardown", **{COUNT: 1, CASSETTES: (["x"], ["y"])}))
    summary.pytest_terminal_summary(terminal)
    assert terminal.written == [
        "streamval: 1 stream in 1 test, the slowest 0.00 s: test_it",
        "streamval: 1 cassette used, 1 recorded: y",
        "streamval: 2 cassettes without a test: a, b",
    ]


@pytest.mark.parametrize("has_terminal", [True, False], ids=["a terminal", "no terminal reporter"])
def test_the_progress_counts_the_variants_of_workers(*, has_terminal: bool) -> None:
    of = config()
    if not has_terminal:
        of.pluginmanager.get_plugin = lambda name: None
    reports = VariantReports(of, each=False)
    summary = VariantSummary(of, reports, FailingCuts(()), fuzzes=True)
    summary.pytest_xdist_node_collection_finished([*(f"test_it[cut-{number}]" for number in range(1, 201)), "test_it"])
    for number in range(1, 201):
        report = phase(f"test_it[cut-{number}]", "call", "failed" if number == 7 else None)
        failure = Failure("call", "a.py:1", "AssertionError") if number == 7 else None
        VariantFacts("test_it", str(number), failure).attach(report)
        reports.pytest_runtest_logreport(report)
        summary.pytest_runtest_logreport(report)
    assert of.terminal.written[:1] == ["\nstreamval: 20 of 200 variants, 1 failed\n"] * has_terminal
    assert len(of.terminal.written) == 10 * has_terminal


def test_a_failure_of_an_unknown_kind_gets_no_picture() -> None:
    form = object()
    assert with_picture(form, "picture") is form


def test_a_page_keeps_more_of_a_stream_than_a_picture() -> None:
    assert (
        StreamCollector((), for_page=True)._new_observer()._limits
        > StreamCollector((), for_page=False)._new_observer()._limits
    )
