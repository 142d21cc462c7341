"""The fixture `virtual_clock` with every plugin that runs async tests, and with event loops of every scope."""

from __future__ import annotations

import re

import pytest

from tests.plugin.clock_sources import (
    DEADLOCKS,
    FEATURES,
    FIRST_IMPORT,
    FREEZER,
    LIVE,
    MARKED,
    SCOPES,
    STORY,
    TEST_CLIENT,
    WAYS,
)
from tests.plugin.inner_run import INI, InnerRun, Report, run_inner

pytest_plugins = ["pytester"]

FEATURE_OPTIONS = ("--durations=5", "-vv", "--log-level=INFO", "--log-cli-level=INFO", "-o", "asyncio_debug=true")


@pytest.fixture(scope="module")
def strict_run(tmp_path_factory: pytest.TempPathFactory) -> InnerRun:
    """Run all tests in one process, in pytest-asyncio's strict mode. The first file needs a process without FastAPI."""
    files = {
        "first_import": FIRST_IMPORT,
        "ways": STORY + WAYS,
        "scopes": STORY + SCOPES,
        "deadlocks": DEADLOCKS,
        "freezer": FREEZER,
        "marked": MARKED,
        "test_client": TEST_CLIENT,
        "live": LIVE,
        "features": FEATURES,
    }
    folder = tmp_path_factory.mktemp("strict")
    options = ("--asyncio-mode=strict", "--streamval-live", "--junitxml=found.xml", *FEATURE_OPTIONS)
    return run_inner(folder, files, *options)


@pytest.fixture(scope="module")
def auto_run(tmp_path_factory: pytest.TempPathFactory) -> InnerRun:
    """Run tests in a worker of pytest-xdist, in pytest-asyncio's auto mode."""
    files = {"ways": STORY + WAYS, "freezer": FREEZER}
    return run_inner(tmp_path_factory.mktemp("auto"), files, "--asyncio-mode=auto", "-n", "1")


@pytest.fixture(params=["strict_run", "auto_run"])
def each_run(request: pytest.FixtureRequest) -> InnerRun:
    run: InnerRun = request.getfixturevalue(request.param)
    return run


def not_passed(run: InnerRun, stem: str, number: int) -> dict[str, list[Report]]:
    """Return the tests of a file that did not pass, if the number of all its tests is right."""
    found = run.reports[stem]
    assert len(found) == number, run.output
    return {name: kept for name, kept in found.items() if [report.outcome for report in kept] != ["passed"]}


def test_a_virtual_clock_is_the_same_for_every_way_to_run_a_test(each_run: InnerRun) -> None:
    assert not_passed(each_run, "ways", 7) == {}


def test_pytest_measures_a_test_on_a_virtual_clock_in_real_time(strict_run: InnerRun) -> None:
    report = (strict_run.folder / "found.xml").read_text(encoding="utf-8")
    measured = re.findall(r'<testcase classname="test_ways[^>]*time="([\d.]+)"', report)
    assert len(measured) == 7
    assert all(float(seconds) < 3600 for seconds in measured)


def test_a_virtual_clock_releases_a_loop_that_outlives_the_test(strict_run: InnerRun) -> None:
    assert not_passed(strict_run, "scopes", 9) == {}


def test_a_deadlock_on_a_virtual_clock_fails_only_its_test(strict_run: InnerRun) -> None:
    found = not_passed(strict_run, "deadlocks", 7)
    whens = [report.when for kept in found.values() for report in kept if report.outcome == "failed"]
    assert sorted(whens) == ["call"] * 5 + ["setup"]
    for name, (report, *_) in found.items():
        assert report.text.count("Nothing can wake this program any more: at 0 s of virtual time") == 1, name
        assert report.text.count("at test_deadlocks.py:8 in wait") == 1, name
        assert "CancelledError" not in report.text


def test_a_live_test_cannot_use_a_virtual_clock(strict_run: InnerRun) -> None:
    ((report,),) = not_passed(strict_run, "live", 1).values()
    assert report.when == "setup"
    assert "VirtualClockUseError: virtual_clock was used by a test that is marked e2e" in report.text


def test_a_virtual_clock_starts_at_the_date_of_pytest_freezer(each_run: InnerRun) -> None:
    assert not_passed(each_run, "freezer", 7) == {}


def test_the_marker_streamval_clock_starts_a_virtual_clock(strict_run: InnerRun) -> None:
    ((name, (report,)),) = not_passed(strict_run, "marked", 5).items()
    assert (name, report.when) == ("test_wrong", "setup")
    assert "Invalid start: 'soon'. It must be a datetime, a date, an ISO string such as" in report.text


def test_the_marker_streamval_clock_is_documented(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    markers = pytester.runpytest_inprocess("--markers").stdout
    markers.fnmatch_lines(["@pytest.mark.streamval_clock(start): *"])


def test_a_module_that_is_imported_on_a_virtual_clock_has_the_real_classes(strict_run: InnerRun) -> None:
    assert not_passed(strict_run, "first_import", 2) == {}


def test_starlettes_test_client_on_a_virtual_clock_causes_a_warning(strict_run: InnerRun) -> None:
    assert not_passed(strict_run, "test_client", 3) == {}
    text = "RealTimeWarning: An event loop of Starlette's TestClient runs in the thread"
    assert strict_run.output.count(text) == 1


def test_a_virtual_clock_works_with_other_features_of_pytest(strict_run: InnerRun) -> None:
    reports = not_passed(strict_run, "features", 1)["test_it"]
    assert any("assert number != 1" in report.text or "assert 1 != 1" in report.text for report in reports)
    assert "SUBFAIL" in strict_run.output
    assert "INTERNALERROR" not in strict_run.output
