"""Parts of a report: written, read, joined, and refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.errors import InvalidPartError
from pytest_streamval.report.document import Entry, Report
from tests.report.streams import stream

if TYPE_CHECKING:
    from pathlib import Path


def report(*outcomes: str) -> Report:
    entries = [
        Entry(
            f"test_it.py::test_{number}",
            "passed" if outcome == "complete" else "failed",
            1.5,
            "",
            [stream(outcome).facts()],
        )
        for number, outcome in enumerate(outcomes)
    ]
    whole = Report(entries, len(entries) + 1, [])
    whole.sort()
    return whole


def plain(found: Report) -> object:
    return json.loads(json.dumps([[entry.test, entry.streams] for entry in found.tests]))


def test_a_part_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = report("complete", "stopped", "error")
    written.lost = ["something"]
    written.dump(tmp_path / "new" / "part.json")
    read = Report.load(tmp_path / "new" / "part.json")
    assert plain(read) == plain(written)
    assert (read.tests_run, read.lost, read.streams) == (4, ["something"], 3)


def test_tests_that_failed_come_first_and_then_all_in_order() -> None:
    outcomes = [entry.outcome for entry in report("complete", "stopped", "complete", "error").tests]
    assert outcomes == ["failed", "failed", "passed", "passed"]
    assert [entry.test[-1] for entry in report("complete", "stopped", "complete", "error").tests] == [
        "1",
        "3",
        "0",
        "2",
    ]


def test_joined_parts_hold_what_one_run_would() -> None:
    both, one, two = (report(*outcomes) for outcomes in (("stopped", "complete"), ("stopped",), ("complete",)))
    two.tests[0].test = both.tests[1].test
    two.lost = ["worker gw0 crashed"]
    merged = Report.merged([("b", two), ("a", one)])
    assert plain(merged) == plain(both)
    assert [entry.run for entry in merged.tests] == ["a", "b"]
    assert (merged.tests_run, merged.lost) == (4, ["b: worker gw0 crashed"])
    assert [entry.run for entry in Report.merged([("night", merged)]).tests] == ["night/a", "night/b"]


def broken(**changes: object) -> str:
    part = {"format": "streamval-report", "version": 1, "tests": [], "tests_run": 0, "lost": []}
    return json.dumps({**part, **changes})


def entry(**changes: object) -> list[object]:
    facts = {**stream("stopped").facts(), **changes}
    return [
        {"test": "t", "outcome": "passed", "seconds": 1, "message": "", "streams": [facts], "left_out": 0, "run": ""}
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no", "it is no JSON"),
        ("[]", '"format" has to be'),
        ("{}", '"format" has to be'),
        (broken(version=2), '"version" is 2, and this pytest-streamval reads 1'),
        (broken(tests_run=float("nan")), "it is no JSON: NaN is no number"),
        (broken(tests={}), "tests is {}, and has to be a list"),
        (broken(tests=[{}]), "tests[0] has no 'test'"),
        (broken(tests=[1]), "tests[0] is 1, and has to be an object"),
        (
            broken(tests=entry(outcome="x")),
            "tests[0].streams[0].outcome is 'x', and has to be one of cancelled, complete",
        ),
        (broken(tests=entry(times=["1"])), "tests[0].streams[0].times[0] is '1', and has to be a whole number"),
        (broken(tests=entry(stop=[1])), "tests[0].streams[0].stop is [1], and has to be a list of 4"),
        (broken(tests=entry(lanes=[["n", [["pass", 1, 2, 3]], None]])), "lanes[0][1][0][1] is 1, and has to be a text"),
        (broken(lost=[None]), "lost[0] is None, and has to be a text"),
    ],
    ids=lambda value: value[:30],
)
def test_what_is_no_part_is_refused_with_the_reason(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "part.json"
    path.write_text(text)
    with pytest.raises(InvalidPartError) as caught:
        Report.load(path)
    assert fault in str(caught.value)


def test_a_part_with_more_in_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text(broken(tests=entry(stop=None, later="more"), later="more"))
    assert Report.load(path).streams == 1
