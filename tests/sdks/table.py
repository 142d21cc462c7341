"""Measure the installed clients under each fault, and write the page: python -m tests.sdks.table."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.sdks.cases import CASES, PIECES
from tests.sdks.certificates import few_certificates
from tests.sdks.measuring import TRIED, measure, versions
from tests.sdks.page import DATA, PAGE, Table, rendered

_AT_ONCE = 8  # most of the time passes in pauses between two requests


def measured() -> Table:
    """Return the measurements of all methods under all cases."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        rows = list(pool.map(lambda tried: measure(*tried), TRIED))
    faults = {case.name: case.description for case in CASES}
    return Table({"python": platform.python_version(), **versions()}, PIECES, faults, rows)


def main() -> int:
    """Measure, and write the data and the page."""
    with tempfile.TemporaryDirectory() as folder:
        few_certificates(Path(folder), os.environ.__setitem__)
        table = measured()
    DATA.write_text(table.dumped(), encoding="utf-8")
    PAGE.write_text(rendered(table), encoding="utf-8")
    print(f"{len(table.rows)} rows in {DATA.name}, shown in {PAGE.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
