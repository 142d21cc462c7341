"""The command of the frameworks' environments: `python -m tests.frameworks test` or `measure`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

from tests.frameworks.chosen import drivers, running
from tests.frameworks.measuring import described, measured
from tests.frameworks.page import PAGES, Table
from tests.sdks.cases import CASES, PIECES
from tests.sdks.certificates import few_certificates

_USAGE = """\
python -m tests.frameworks test [arguments of pytest]  run the tests of the frameworks that FRAMEWORKS names
python -m tests.frameworks measure                     measure them under each fault, and write their page"""
_SECONDS = "600"  # without output, until a run of the tests is ended. Some frameworks repeat their requests for minutes


def main() -> int:
    """Run the tests, or measure."""
    match sys.argv[1:]:
        case ["measure"]:
            return write_pages()
        case ["test", *arguments]:
            return run_tests(arguments)
        case _:
            print(_USAGE)
            return 2


def run_tests(arguments: list[str]) -> int:
    """Run the tests, and end a run that hangs."""
    options = [
        "-n",
        "auto",
        "-o",
        "faulthandler_timeout=500",
        "-o",
        "streamval_stall_timeout=500",
        "tests/frameworks",
        *arguments,
    ]
    return subprocess.run([sys.executable, "tests/watchdog/run.py", _SECONDS, *options], check=False).returncode


def write_pages() -> int:
    """Measure, and write the data and the pages."""
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        few_certificates(Path(folder), os.environ.__setitem__)
        chosen = drivers()
        for language, page in PAGES.items():
            found = [driver for driver in chosen if driver.language == language]
            if not found:
                continue
            with running(found):
                rows = measured(found)
            faults = {case.name: case.description for case in CASES}
            empty = Table(PIECES, faults, {}, [])
            old = Table.loaded(page.data.read_text(encoding="utf-8")) if page.data.exists() else empty
            table = old._replace(faults=faults).replaced(described(found), rows)
            page.data.write_text(table.dumped(), encoding="utf-8")
            page.path.write_text(page.rendered(table), encoding="utf-8")
            print(f"{len(table.rows)} rows in {page.data.name}, shown in {page.path.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
