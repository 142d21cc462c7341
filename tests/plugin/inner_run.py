"""Running many tests of a temporary folder in one subprocess, and reading their reports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\nstrict = true\n"
SECONDS = 240  # far more than any run takes

CONFTEST = """
import json
from pathlib import Path

found = []

def pytest_runtest_logreport(report):
    if report.when == "call" or not report.passed:
        found.append([report.nodeid, report.when, report.outcome, report.longreprtext, report.sections])

def pytest_sessionfinish(session):
    if not hasattr(session.config, "workerinput"):
        Path("reports.json").write_text(json.dumps(found))
"""


class Report(NamedTuple):
    """The report of one phase of a test."""

    when: str
    outcome: str
    text: str
    sections: list[tuple[str, str]]


class InnerRun(NamedTuple):
    """A run of pytest in a subprocess."""

    reports: dict[str, dict[str, list[Report]]]
    """The reports of the test functions and of all phases that did not pass, by file stem and by test name."""
    output: str
    errors: str
    folder: Path


def run_inner(folder: Path, files: Mapping[str, str], *args: str, ini: str = INI) -> InnerRun:
    """Run the tests of some files in their order.

    Args:
        folder: An empty folder for the files.
        files: The source of each test file, by its stem without `test_`.
        args: The options of pytest.
        ini: The content of `pytest.ini`.
    """
    for name, source in {"pytest.ini": ini, "conftest.py": CONFTEST}.items():
        (folder / name).write_text(source, encoding="utf-8")
    paths = [f"test_{stem}.py" for stem in files]
    for path, source in zip(paths, files.values(), strict=True):
        (folder / path).write_text(source, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *args, *paths],
        check=False,
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTEST_") and name != "CI"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert (folder / "reports.json").exists(), done.stdout + done.stderr
    reports: dict[str, dict[str, list[Report]]] = {stem: {} for stem in files}
    for nodeid, *report in json.loads((folder / "reports.json").read_text(encoding="utf-8")):
        file, _, name = nodeid.partition("::")
        reports[file.removeprefix("test_").removesuffix(".py")].setdefault(name, []).append(Report(*report))
    return InnerRun(reports, done.stdout, done.stderr, folder)
