"""Measure the frameworks of this environment under each fault, and write their page: python -m tests.frameworks."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.frameworks.chosen import drivers
from tests.frameworks.measuring import described, measured
from tests.frameworks.page import PAGES, Table
from tests.sdks.cases import CASES, PIECES
from tests.sdks.certificates import few_certificates


def main() -> int:
    """Measure, and write the data and the pages."""
    with tempfile.TemporaryDirectory() as folder:
        few_certificates(Path(folder), os.environ.__setitem__)
        chosen = drivers()
        for language, page in PAGES.items():
            found = [driver for driver in chosen if driver.language == language]
            if not found:
                continue
            faults = {case.name: case.description for case in CASES}
            empty = Table(PIECES, faults, {}, [])
            old = Table.loaded(page.data.read_text(encoding="utf-8")) if page.data.exists() else empty
            table = old._replace(faults=faults).replaced(described(found), measured(found))
            page.data.write_text(table.dumped(), encoding="utf-8")
            page.path.write_text(page.rendered(table), encoding="utf-8")
            print(f"{len(table.rows)} rows in {page.data.name}, shown in {page.path.name}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
