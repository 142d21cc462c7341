"""Parts of a report: writing, reading, joining, and files that are rejected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.errors import InvalidFileError
from pytest_streamval.files.typed_json import from_json, to_json
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.timeline import Timeline
from pytest_streamval.report.write import write_report
from tests.report.streams import stream

if TYPE_CHECKING:
    from pathlib import Path


def report(*outcomes: str) -> Report:
    """Return a report of one test for each outcome of a stream, and of one test that streamed nothing."""
    entries = [
        Entry(
            f"test_it.py::test_{number}",
            "passed" if outcome == "complete" else "failed",
            1.5,
            streams=[stream(outcome)],
        )
        for number, outcome in enumerate(outcomes)
    ]
    found = Report(entries, len(entries) + 1)
    found.sort()
    return found


def test_a_part_is_equal_after_writing_and_reading(tmp_path: Path) -> None:
    written = report("complete", "stopped", "error")
    written.lost = ["something"]
    write_report(written, tmp_path / "new" / "part.json")
    assert Report.load(tmp_path / "new" / "part.json") == written


def test_failed_tests_come_first_and_then_the_order_of_ids() -> None:
    entries = report("complete", "stopped", "complete", "error").tests
    assert [(entry.test[-1], entry.outcome) for entry in entries] == [
        ("1", "failed"),
        ("3", "failed"),
        ("0", "passed"),
        ("2", "passed"),
    ]


def test_joined_parts_are_equal_to_the_report_of_one_run() -> None:
    both, one, two = (report(*outcomes) for outcomes in (("stopped", "complete"), ("stopped",), ("complete",)))
    two.tests[0].test = both.tests[1].test
    two.lost = ["worker gw0 crashed"]
    merged = Report.merged([("b", two), ("a", one)])
    assert [(entry.test, entry.streams) for entry in merged.tests] == [
        (entry.test, entry.streams) for entry in both.tests
    ]
    assert [entry.run for entry in merged.tests] == ["a", "b"]
    assert (merged.tests_run, merged.lost) == (4, ["b: worker gw0 crashed"])
    assert [entry.run for entry in Report.merged([("night", merged)]).tests] == ["night/a", "night/b"]


def part(**changes: object) -> str:
    contents = {"format": "streamval-report", "version": 1, "tests": [], "tests_run": 0, "lost": []}
    return json.dumps({**contents, **changes})


def changed_tests(**changes: object) -> list[object]:
    """Return the tests of a part: one, with changes of its only stream."""
    facts = {**json.loads(to_json(stream("stopped"))), **changes}
    return [
        {"test": "t", "outcome": "passed", "seconds": 1, "message": "", "streams": [facts], "left_out": 0, "run": ""}
    ]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("no", "it is not JSON"),
        ("[]", '"format" must be'),
        ("{}", '"format" must be'),
        (part(version=2), '"version" is 2, this pytest-streamval reads 1'),
        (part(tests_run=float("nan")), "it is not JSON: NaN is not a number of JSON"),
        (part(tests_run=True), "tests_run is True, it must be a whole number"),
        (part(tests={}), "tests is {}, it must be a list"),
        (part(tests=[{}]), "tests[0] has no 'test'"),
        (part(tests=[1]), "tests[0] is 1, it must be an object"),
        (
            part(tests=changed_tests(outcome="x")),
            "tests[0].streams[0].outcome is 'x', it must be one of complete, invalid",
        ),
        (part(tests=changed_tests(times=["1"])), "tests[0].streams[0].times[0] is '1', it must be a whole number"),
        (part(tests=changed_tests(stop=[1])), "tests[0].streams[0].stop is [1], it must be a list of 4"),
        (
            part(tests=changed_tests(lanes=[["n", [["pass", 1, 2, 3]], None]])),
            "lanes[0][1][0][1] is 1, it must be a text",
        ),
        (part(lost=[None]), "lost[0] is None, it must be a text"),
    ],
    ids=lambda value: value[:30],
)
def test_an_invalid_part_is_rejected_with_the_file_and_the_field(tmp_path: Path, text: str, fault: str) -> None:
    path = tmp_path / "part.json"
    path.write_text(text)
    with pytest.raises(InvalidFileError) as caught:
        Report.load(path)
    assert f"{path}: {fault}" in str(caught.value) or f".{fault}" in str(caught.value)


def test_unknown_fields_of_a_part_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text(part(tests=changed_tests(stop=None, later="more"), later="more"))
    assert Report.load(path).streams == 1


def test_a_part_of_format_version_1_keeps_the_names_of_its_fields() -> None:
    facts = json.loads(to_json(stream("stopped")))
    assert " ".join(facts) == (
        "asked outcome why span released tokens characters times texts chunks received lanes stop"
    )
    assert " ".join(json.loads(to_json(Entry("t")))) == "test outcome seconds message streams left_out run"


def test_a_part_has_the_deviations_of_a_stream_if_there_are_some() -> None:
    odd = stream("stopped")
    odd.deviations.append("byte 7: it has no choices (frame-without-choices)")
    facts = json.loads(to_json(odd))
    assert facts["deviations"] == odd.deviations
    assert from_json(Timeline, facts) == odd
    assert from_json(Timeline, json.loads(to_json(stream("stopped")))) == stream("stopped")
