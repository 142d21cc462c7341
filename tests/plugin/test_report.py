"""`--streamval-report`, and the picture of a stream above a failure."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.report.document import Report
from tests.plugin.runs import run, run_in_new_process

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]


@pytest.fixture(autouse=True)
def _ini(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n")


HEAD = """
import asyncio
import os
import pytest
from pytest_streamval import (
    Delay, PartialValidationResult, Requirement, Script, SimpleContext, StreamingMockBackend, stream_with_chunking
)

class NoBad(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "BAD" in chunk else "pass")

async def stream(backend, **options):
    async with await stream_with_chunking("Go on", backend, SimpleContext(), **options) as result:
        return [chunk async for chunk in result.astream()]
"""
TESTS = (
    HEAD
    + """
SCRIPTS = {
    "good": ["One. ", Delay(0.25), "Two. ", Delay(0.25), "Three."],
    "bad": ["One. ", Delay(0.25), "BAD. ", Delay(0.25), "Three."],
    "empty": [],
}

@pytest.mark.parametrize("name", [*SCRIPTS, *SCRIPTS, *SCRIPTS], ids=str)
@pytest.mark.asyncio
async def test_streams(streaming_mock_backend, virtual_clock, name):
    backend = streaming_mock_backend(Script.of(*SCRIPTS[name]))
    received = await stream(backend, requirements=[NoBad()])
    assert name != "bad", f"received {received}"

def test_without():
    pass

def test_of_its_own():
    asyncio.run(stream(StreamingMockBackend("One. Two."), chunking="word"))

@pytest.fixture
def streamed():
    yield asyncio.run(stream(StreamingMockBackend("In a fixture.")))
    asyncio.run(stream(StreamingMockBackend("In its teardown.")))

def test_fixture(streamed):
    pytest.skip("after all")
"""
)


def normalised(report: Report) -> object:
    """Return a report without the times that differ from run to run: those of tests without a virtual clock."""
    found = []
    for entry in report.tests:
        for stream in entry.streams:
            if "test_streams" not in entry.test:
                stream.span, stream.times = 0, []
                stream.chunks = [bar._replace(at=0, after=0) for bar in stream.chunks]
                stream.received = [bar._replace(at=0, after=0) for bar in stream.received]
        found.append([entry.test, entry.outcome, entry.message, entry.streams, entry.left_out])
    return [found, report.tests_run, report.lost]


def test_the_report_of_a_distributed_run_equals_that_of_one_process(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    reports = []
    for workers in ((), ("-n", "2")):
        result = run(pytester, "--streamval-report", "part.json", *workers)
        result.assert_outcomes(passed=8, failed=3, skipped=1)
        result.stdout.fnmatch_lines(["streamval: report of 12 streams: *part.json"])
        reports.append(normalised(Report.load(pytester.path / "part.json")))
    assert reports[0] == reports[1]
    assert [[test.partition("::")[2], outcome, len(streams)] for test, outcome, _, streams, _ in reports[0][0]] == [
        *([f"test_streams[bad{number}]", "failed", 1] for number in range(3)),
        ["test_fixture", "skipped", 2],
        ["test_of_its_own", "passed", 1],
        *([f"test_streams[{name}{number}]", "passed", 1] for name in ("empty", "good") for number in range(3)),
    ]


def test_a_report_with_the_suffix_html_is_a_page(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    run(pytester, "--streamval-report", "new/report.html")
    page = (pytester.path / "new" / "report.html").read_text()
    assert "<!DOCTYPE html>" in page
    assert "12 streams\nin 11 tests, of 12 that ran." in page


def test_the_report_names_the_test_whose_streams_a_crashed_worker_lost(pytester: pytest.Pytester) -> None:
    crash = "\ndef test_zz_crash():\n    asyncio.run(stream(StreamingMockBackend('Lost.')))\n    os._exit(1)\n"
    pytester.makepyfile(TESTS + crash)
    run(pytester, "--streamval-report", "part.json", "-n", "1")
    report = Report.load(pytester.path / "part.json")
    assert report.streams == 12
    crashed = next(entry for entry in report.tests if entry.outcome == "crashed")
    assert crashed.test.endswith("::test_zz_crash")
    assert crashed.streams == []
    assert re.fullmatch(
        r"worker 'gw\d' crashed while running '.*test_zz_crash': the streams of this test are lost\.", *report.lost
    )


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("report.txt", "the name must end in .html for a page, or in .json for a part"),
        ("report", "the name must end in .html"),
        ("a_file/report.html", "Not a directory|File exists"),
        ("a_folder.html", "it is a folder"),
    ],
)
def test_a_path_that_cannot_be_written_is_a_usage_error(pytester: pytest.Pytester, path: str, rule: str) -> None:
    pytester.makepyfile(TESTS)
    pytester.path.joinpath("a_file").touch()
    pytester.path.joinpath("a_folder.html").mkdir()
    result = run(pytester, "--streamval-report", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert re.search(rf"ERROR: --streamval-report {path}: it cannot be written: .*({rule})", result.stderr.str())
    assert "Name a file" in result.stderr.str()


def test_a_report_that_cannot_be_written_at_the_end_fails_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("import os\ndef test_it():\n    os.rmdir('folder')\n    open('folder', 'w').close()\n")
    result = run(pytester, "--streamval-report", "folder/report.html")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["streamval: the report could not be written: *"])


def test_a_run_without_streams_has_a_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it():\n    pass\n")
    result = run(pytester, "--streamval-report", "report.html")
    result.stdout.fnmatch_lines(["streamval: report of 0 streams: *report.html"])
    assert "No test streamed anything." in (pytester.path / "report.html").read_text()


def test_collect_only_writes_no_report(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TESTS)
    run(pytester, "--streamval-report", "report.html", "--collect-only")
    assert not pytester.path.joinpath("report.html").exists()


# The picture

FAILING = (
    HEAD
    + """
@pytest.mark.asyncio
async def test_it(streaming_mock_backend):
    backend = streaming_mock_backend("One. Two. BAD. More.", token_size=4)
    assert await stream(backend, requirements=[NoBad()]) == []
"""
)
PICTURE = [
    "The stream 'Go on' was stopped by a requirement",
    "  NoBad failed chunk 2",
    "  tokens *",
    "  chunks *|*",
    "  NoBad *X*",
    "  received *",
    "  *5 deltas in * more sent",
    '  released          "One. Two."',
    '  not released      " BAD. More."',
]


@pytest.mark.parametrize("options", [(), ("-n", "1"), ("--tb=short",), ("--tb=native",)], ids=" ".join)
def test_a_failure_shows_the_picture_before_the_assertion(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it=FAILING)
    result = run(pytester, *options)
    result.stdout.fnmatch_lines([*PICTURE, "*AssertionError*"])
    result.stdout.fnmatch_lines(["FAILED test_it.py::test_it*"])


@pytest.mark.parametrize("options", [("--tb=no",), ("--tb=line",)], ids=" ".join)
def test_a_failure_without_a_traceback_shows_no_picture(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(test_it=FAILING)
    result = run(pytester, *options)
    result.stdout.no_fnmatch_line("The stream *")
    result.assert_outcomes(failed=1)


def test_the_picture_shows_the_stream_that_ended_badly(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        HEAD
        + """
@pytest.mark.asyncio
async def test_it(streaming_mock_backend):
    for text in ["Fine.", "BAD.", *["Fine."] * 3]:
        await stream(streaming_mock_backend(text), requirements=[NoBad(validation_fn=lambda ctx: True)])
    pytest.fail("now", pytrace=False)
"""
    )
    result = run(pytester)
    result.stdout.fnmatch_lines(["The stream 'Go on' was stopped by a requirement (and 4 more)", "now"])


def test_a_test_without_streams_shows_no_picture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(streaming_mock_backend):\n    assert not streaming_mock_backend\n")
    run(pytester).stdout.no_fnmatch_line("The stream *")


def test_a_failure_that_is_plain_text_shows_the_picture_below_it(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("""
        import pytest

        @pytest.hookimpl(wrapper=True, trylast=True)
        def pytest_runtest_makereport(item, call):
            report = yield
            if report.failed:
                report.longrepr = "in short: no"
            return report
    """)
    pytester.makepyfile(test_it=FAILING)
    run(pytester).stdout.fnmatch_lines(["in short: no", "", *PICTURE, "FAILED test_it.py::* - in short: no"])


# Another machine


@pytest.fixture
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a gateway of pytest-xdist on a socket, like another machine, and return its specification."""
    folder = tmp_path_factory.mktemp("elsewhere")
    command = [sys.executable, "-u", "-m", "execnet.script.socketserver", "127.0.0.1:0"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        port = re.search(r"\('127.0.0.1', (\d+)\)", server.stdout.readline())[1]
        yield f"socket=127.0.0.1:{port}//chdir={folder}"
        server.terminate()


def test_the_report_has_the_streams_of_another_machine(pytester: pytest.Pytester, gateway: str) -> None:
    (pytester.path / "project").mkdir()
    (pytester.path / "project" / "test_it.py").write_text(TESTS)
    project = str(pytester.path / "project")
    elsewhere = ("--dist", "load", "--tx", gateway, "--rsyncdir", project, "-o", "addopts=")
    report = ("--streamval-report", "part.json")
    result = run_in_new_process(pytester, *elsewhere, *report, f"{project}/test_it.py")  # it closes its socket late
    result.assert_outcomes(passed=8, failed=3, skipped=1)
    assert Report.load(pytester.path / "part.json").streams == 12
