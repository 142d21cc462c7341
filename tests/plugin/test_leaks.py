"""The guards of the plugin: against leaks, and against scripts that a test does not play."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Script, SimpleContext, StreamingMockBackend, transcribe
from tests.plugin.inner_run import INI, InnerRun, Report, run_inner
from tests.plugin.leak_reports import ENDS, PLANTED, UNUSED
from tests.plugin.leak_sources import (
    ALLOWED,
    ALLOWED_BY_NAME,
    ALLOWED_NAMES,
    BY_ITSELF,
    CANCELLED,
    CANCELLED_ANYIO,
    DYNAMIC,
    EXAMPLES,
    EXAMPLES_ANYIO,
    HEAD,
    NEXT,
    SHARED_LOOP,
    UNGUARDED,
    UNITTEST,
    VARIANTS,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

pytest_plugins = ["pytester"]

DATA = Path(__file__).parent.parent / "data" / "leaks"
# A run in this process forgets the modules that it was the first to load. A later run would have other classes.
IMPORTED = (Script, SimpleContext, StreamingMockBackend, transcribe)
WAYS = ("test_under_pytest_asyncio", "test_under_anyio", "test_by_asyncio_run")
KINDS = {"leaks": "still pending", "unplayed": "Never played"}


def guarded(source: str) -> str:
    return HEAD + source


@pytest.fixture(scope="module")
def strict_run(tmp_path_factory: pytest.TempPathFactory) -> InnerRun:
    """Run tests in pytest-asyncio's strict mode."""
    files = {stem: (DATA / f"{stem}.py").read_text() for stem in ("planted", "clean", "left_by_fixtures")}
    files |= {"cancelled": guarded(CANCELLED_ANYIO), "examples": guarded(EXAMPLES_ANYIO)}
    # the last one, because its session fixture keeps the task in which anyio's plugin runs all later fixtures
    files["clean_fixtures"] = (DATA / "clean_fixtures.py").read_text()
    return run_inner(tmp_path_factory.mktemp("strict"), files, "--asyncio-mode", "strict")


@pytest.fixture(scope="module")
def auto_run(tmp_path_factory: pytest.TempPathFactory) -> InnerRun:
    """Run tests in pytest-asyncio's auto mode."""
    marks = [f"@pytest.mark.streamval_allow_{kind}(reason='this is the subject')" for kind in KINDS]
    sources = {
        "by_itself": BY_ITSELF,
        "cancelled": CANCELLED,
        "allowed": "".join(ALLOWED.format(mark=mark, number=number) for number, mark in enumerate(marks)),
        "unguarded": UNGUARDED,
        "dynamic": DYNAMIC,
        "unittest": UNITTEST,
        "shared_loop": SHARED_LOOP,
        "allowed_by_name": ALLOWED_BY_NAME,
        "examples": EXAMPLES,
        "next": NEXT,
    }
    files = {"unplayed": (DATA / "unplayed.py").read_text(), **{stem: guarded(each) for stem, each in sources.items()}}
    ini = INI + "\n  ".join(["streamval_leaks_allow =", *ALLOWED_NAMES])
    return run_inner(tmp_path_factory.mktemp("auto"), files, "--asyncio-mode", "auto", ini=ini)


def outcomes(reports: Iterable[Report]) -> list[tuple[str, str]]:
    return [(report.when, report.outcome) for report in reports]


def leaks_in(report: Report) -> list[tuple[str, str, str]]:
    """Return the description, the location and the advice of each leak, without the numbers of asyncio."""
    _, found, rest = report.text.removesuffix(ENDS).rpartition("This test left")
    first, *lines = f"{found}{rest}".splitlines()
    number = len(lines) // 3
    assert first == f"This test left {number} thing{'' if number == 1 else 's'} behind:"
    parts = [re.sub(r"Task-\d+", "Task-#", line.strip()) for line in lines]
    return list(zip(parts[0::3], parts[1::3], parts[2::3], strict=True))


# Leaks


def test_the_guard_finds_every_kind_of_leak_in_every_way_to_run_a_test(strict_run: InnerRun) -> None:
    found = strict_run.reports["planted"]
    assert set(found) == {f"{way}[{kind}]" for way in WAYS for kind in PLANTED}
    for name, reports in found.items():
        kind = name.partition("[")[2].removesuffix("]")
        assert outcomes(reports) == [("call", "failed")], name
        for leak, expected in zip(leaks_in(reports[0]), PLANTED[kind], strict=True):
            assert leak[0] == expected[0] or re.fullmatch(expected[0], leak[0]), name
            assert re.fullmatch(expected[1], leak[1]), name
            assert leak[2] == expected[2]
    assert "destroyed" not in strict_run.errors


@pytest.mark.parametrize(("stem", "least"), [("clean", 140), ("clean_fixtures", 25)])
def test_the_guard_accuses_no_clean_test(strict_run: InnerRun, stem: str, least: int) -> None:
    found = strict_run.reports[stem]
    assert len(found) >= least
    assert {name: reports for name, reports in found.items() if outcomes(reports) != [("call", "passed")]} == {}


def test_the_guard_reports_a_leak_of_a_fixture_as_an_error_at_teardown(strict_run: InnerRun) -> None:
    found = strict_run.reports["left_by_fixtures"]
    (clean,) = (reports for name, reports in found.items() if "clean" in name)
    assert outcomes(clean) == [("call", "passed")], clean
    for name, reports in found.items():
        if "clean" not in name:
            assert outcomes(reports) == [("call", "passed"), ("teardown", "failed")], name
            assert len(leaks_in(reports[1])) == 1, name


def test_the_leaks_of_a_test_that_fails_otherwise_are_a_section_of_its_report(auto_run: InnerRun) -> None:
    (report,) = auto_run.reports["by_itself"]["test_it"]
    assert "assert 1 == 2" in report.text
    assert "This test left" not in report.text
    ((title, text),) = report.sections
    assert title == "Captured leaks call"
    assert text.startswith("This test left 1 thing behind:\n  a StreamChunkingResult neither completed nor closed")


def test_the_leaks_of_a_teardown_that_fails_otherwise_are_a_section_of_its_report(auto_run: InnerRun) -> None:
    _, report = auto_run.reports["by_itself"]["test_teardown"]
    assert "by itself" in report.text
    ((title, text),) = report.sections
    assert title == "Captured leaks teardown"
    assert "forever()" in text


@pytest.mark.parametrize("run", ["auto_run", "strict_run"])
def test_the_guard_does_not_report_the_task_of_a_cancelled_or_interrupted_test(
    request: pytest.FixtureRequest, run: str
) -> None:
    found = request.getfixturevalue(run).reports["cancelled"]
    assert len(found) == 2
    for (report,) in found.values():
        assert report.outcome == "failed"
        ((_, text),) = report.sections
        assert text.count("still pending") == 1
        assert "still pending: mine, forever()" in text


def test_the_guard_finds_the_leaks_of_asynchronous_tests_of_unittest(auto_run: InnerRun) -> None:
    found = auto_run.reports["unittest"]
    assert {name: leaks_in(reports[0])[0][0].split(":")[0] for name, reports in found.items()} == {
        "TestIt::test_task": "a task still pending",
        "TestIt::test_generator": "an asynchronous generator not closed",
        "TestIt::test_thread": "a thread still alive",
        "TestIt::test_run": "a StreamChunkingResult neither completed nor closed",
        "TestSetUp::test_task": "a task still pending",
    }


def test_a_task_that_other_code_starts_in_a_shared_loop_belongs_to_the_running_test(auto_run: InnerRun) -> None:
    assert {name: reports[0].outcome for name, reports in auto_run.reports["shared_loop"].items()} == {
        "test_first": "passed",
        "test_later[run]": "failed",
        "test_later[<lambda>]": "failed",
        "test_without_a_guard": "passed",
        "test_clean": "passed",
        "test_end": "passed",
    }


@pytest.mark.parametrize("run", ["auto_run", "strict_run"])
def test_the_guard_reports_a_leak_of_every_example_once(request: pytest.FixtureRequest, run: str) -> None:
    found = request.getfixturevalue(run).reports["examples"]
    assert len(found) == 2
    for (report,) in found.values():
        ((description, _, _),) = leaks_in(report)
        assert description.endswith("forever() (4 times)")


def test_a_leak_does_not_disturb_the_next_test(auto_run: InnerRun) -> None:
    found = auto_run.reports["next"]
    assert len(leaks_in(found["test_it"][0])) == 3
    assert outcomes(found["test_next"]) == [("call", "passed")]


def test_the_ini_value_allows_leaks_by_name(auto_run: InnerRun) -> None:
    found = auto_run.reports["allowed_by_name"]
    assert len(found) == 10
    failed = [name for name, reports in found.items() if reports[0].outcome == "failed"]
    assert failed == ["test_other", "test_dropped_run"]


# Unplayed scripts


def test_a_test_that_does_not_use_its_scripts_fails(auto_run: InnerRun) -> None:
    found = auto_run.reports["unplayed"]
    failed = {name: reports[0].text for name, reports in found.items() if reports[0].outcome == "failed"}
    assert {name: UNUSED[name] in text for name, text in failed.items()} == dict.fromkeys(UNUSED, True)
    assert sum("clean" in name for name in found) == len(found) - len(failed) == 14


# Guarded tests


def test_the_guard_ignores_tests_that_use_no_fixture_of_the_plugin(auto_run: InnerRun) -> None:
    found = auto_run.reports["unguarded"]
    assert {outcome for reports in found.values() for outcome in outcomes(reports)} == {("call", "passed")}


def test_a_fixture_that_the_test_requests_dynamically_is_guarded_from_then_on(auto_run: InnerRun) -> None:
    reports = auto_run.reports["dynamic"]["test_it"]
    assert reports[-1].outcome == "failed"
    assert "still pending: mine, forever()" in reports[-1].text
    assert "Never played" in reports[-1].text


@pytest.mark.parametrize("number", [0, 1])
def test_a_marker_allows_leaks_or_unplayed_scripts(auto_run: InnerRun, number: int) -> None:
    (report,) = auto_run.reports["allowed"][f"test_it{number}"]
    assert [words in report.text for words in KINDS.values()] == [number == 1, number == 0]


def outcome_of(pytester: pytest.Pytester, source: str, *args: str, ini: str = "") -> dict[str, str]:
    """Run tests in this process, and return the last text of each test, empty if it passed."""
    pytester.makeini(INI + ini)
    pytester.makepyfile(guarded(source))
    recorder = pytester.inline_run("-p", "no:randomly", "--asyncio-mode", "auto", *args)
    reports = recorder.getreports("pytest_runtest_logreport")
    return {report.nodeid.partition("::")[2]: report.longreprtext for report in reports if report.when == "call"} | {
        report.nodeid.partition("::")[2]: report.longreprtext for report in reports if report.failed
    }


@pytest.mark.parametrize(
    ("ini", "args", "shown"),
    [
        ("", ["--streamval-leaks=off"], ["unplayed"]),
        ("streamval_leaks = off\n", ["--streamval-unplayed=off"], []),
        ("streamval_leaks = off\nstreamval_unplayed = off\n", ["--streamval-leaks", "on"], ["leaks"]),
    ],
    ids=["option", "ini value and option", "option over ini value"],
)
def test_an_option_or_an_ini_value_switches_a_guard_off(
    pytester: pytest.Pytester, ini: str, args: list[str], shown: list[str]
) -> None:
    (text,) = outcome_of(pytester, ALLOWED.format(mark="", number=""), *args, ini=ini).values()
    assert [kind for kind, words in KINDS.items() if words in text] == shown


def test_a_fixture_that_is_requested_dynamically_is_guarded_without_other_guarded_tests(
    pytester: pytest.Pytester,
) -> None:
    (text,) = outcome_of(pytester, DYNAMIC).values()
    assert "still pending: mine, forever()" in text


def test_the_guard_finds_a_leak_in_one_variant(pytester: pytest.Pytester) -> None:
    found = outcome_of(pytester, VARIANTS, "--streamval-fuzz", "3")
    assert {name: "forever()" in text for name, text in found.items()} == {
        "test_it": False,
        "test_it[cut-whole]": True,
        "test_it[cut-2]": False,
        "test_it[cut-3]": False,
    }


def test_workers_of_xdist_guard_their_tests(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(guarded("async def test_it(streaming_mock_backend):\n    await leave_a_task(None)\n"))
    result = pytester.runpytest_subprocess("-n", "1", "--asyncio-mode", "auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a task still pending: mine, forever()*"])


@pytest.mark.parametrize("kind", KINDS)
def test_a_guard_is_on_or_off(pytester: pytest.Pytester, kind: str) -> None:
    pytester.makeini(f"{INI}streamval_{kind} = maybe\n")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*Invalid streamval_{kind}: maybe. It must be on or off."])
    result = pytester.runpytest_inprocess(f"--streamval-{kind}", "maybe")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*argument --streamval-{kind}: invalid choice: 'maybe' (choose from *on*, *off*"])


def test_the_options_and_markers_of_the_guards_are_documented(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.runpytest_inprocess("--help").stdout.fnmatch_lines(["*--streamval-leaks=*", "*--streamval-unplayed=*"])
    pytester.runpytest_inprocess("--markers").stdout.fnmatch_lines(
        ["@pytest.mark.streamval_allow_leaks(reason=None): *", "@pytest.mark.streamval_allow_unplayed(reason=None): *"]
    )
