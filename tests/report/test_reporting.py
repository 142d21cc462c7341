"""What the process that tests report to makes of reports of workers, which come as pytest-xdist carries them."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.plugin.collecting import STREAMS, Collecting, pictured
from pytest_streamval.plugin.report import Reporting
from pytest_streamval.plugin.summary import CASSETTES, COUNT, UNUSED, Summary
from tests.report.streams import stream

if TYPE_CHECKING:
    from pathlib import Path


def reported(test: str, when: str, longrepr: object = None, **facts: object) -> pytest.TestReport:
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
        terminal=terminal,
    )
    terminal.config = found
    return found


def test_the_test_in_which_a_worker_crashed_is_in_the_report_without_its_streams(tmp_path: Path) -> None:
    reporting = Reporting(str(tmp_path / "part.json"))
    facts = {COUNT: 3, STREAMS: json.dumps([stream("complete").facts()])}
    for report in (
        reported("test_fine", "setup"),
        reported("test_fine", "call"),
        reported("test_fine", "teardown", **facts),
        reported("test_crash", "???", "worker 'gw0' crashed while running 'test_crash'"),
    ):
        reporting.pytest_runtest_logreport(report)
    session = SimpleNamespace(config=config(), exitstatus=pytest.ExitCode.OK)
    reporting.pytest_sessionfinish(session)  # type: ignore[arg-type]
    crashed, fine = reporting.report.tests
    assert (crashed.test, crashed.outcome, crashed.streams) == ("test_crash", "crashed", [])
    assert crashed.message == "worker 'gw0' crashed while running 'test_crash'"
    assert (fine.test, fine.outcome, fine.seconds, len(fine.streams), fine.left_out) == (
        "test_fine",
        "passed",
        1.5,
        1,
        2,
    )
    assert reporting.report.lost == ["worker 'gw0' crashed while running 'test_crash': what it streamed is lost."]
    terminal = session.config.terminal
    reporting.pytest_terminal_summary(terminal)
    assert terminal.written == [f"streamval: report of 1 stream, 1 test lost: {tmp_path / 'part.json'}"]


def test_a_long_message_is_cut(tmp_path: Path) -> None:
    reporting = Reporting(str(tmp_path / "part.json"))
    reporting.pytest_runtest_logreport(reported("test_it", "call", "x" * 3_000))
    assert len(reporting._entries["test_it"].message) == 2_004


def test_workers_tell_how_many_variants_there_are_and_what_nobody_uses() -> None:
    of = config(streamval_fuzz=200)
    summary = Summary(of)
    summary.pytest_xdist_node_collection_finished(
        [f"test_it[{cut}]" for cut in [*(f"cut~{n}" for n in range(200)), "other"]]
    )
    for number in range(200):
        summary.pytest_runtest_logreport(reported(f"test_it[cut~{number}]", "call", "failed" if number == 7 else None))
    assert of.terminal.written[0] == "\nstreamval: 20 of 200 variants, 1 failed\n"
    assert len(of.terminal.written) == 10
    summary.pytest_testnodedown(SimpleNamespace(workeroutput={UNUSED: ["b", "a"]}))
    summary.pytest_testnodedown(SimpleNamespace())  # one that crashed
    summary.pytest_runtest_logreport(reported("test_it", "teardown", **{COUNT: 1, CASSETTES: (["x"], ["y"])}))
    of.terminal.written.clear()
    summary.pytest_terminal_summary(of.terminal)
    assert of.terminal.written == [
        "streamval: 1 stream in 1 test, the slowest 0.00 s: test_it",
        "streamval: 1 cassette used, 1 recorded: y",
        "streamval: 2 cassettes unused, of no test that there is: a, b",
    ]


def test_a_run_without_a_terminal_counts_for_nobody() -> None:
    of = config()
    of.pluginmanager.get_plugin = lambda name: None
    summary = Summary(of)
    summary.pytest_xdist_node_collection_finished(["test_it[cut~1]"] * 200)
    for number in range(200):
        summary.pytest_runtest_logreport(reported(f"test_it[cut~{number}]", "call"))


def test_a_failure_in_an_unknown_form_is_left_as_it_is() -> None:
    form = object()
    assert pictured(form, "picture") is form


def test_a_watch_is_for_a_page_or_for_a_picture() -> None:
    assert Collecting((), for_page=True)._watch()._limits > Collecting((), for_page=False)._watch()._limits
