"""Writing a report to a file: a page for a reader, or a part for a program."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_streamval.files.typed_json import to_json
from pytest_streamval.files.writing import write_file

if TYPE_CHECKING:
    from os import PathLike

    from pytest_streamval.report.document import Report

SUFFIX_RULE = "the name must end in .html for a page, or in .json for a part"


def has_suffix_of_report(path: str | PathLike[str]) -> bool:
    """Return whether `write_report` knows the form of a report by the name of its file."""
    return Path(path).suffix in {".html", ".json"}


def write_report(report: Report, path: str | PathLike[str]) -> None:
    """Write a report: a page if the file's name ends in `.html`, otherwise a part, which `Report.load` reads.

    Raises:
        OSError: If the report cannot be written.
    """
    if Path(path).suffix == ".html":
        from pytest_streamval.report.page import page_of

        text = page_of(report)
    else:
        contents = {"tests": report.tests, "tests_run": report.tests_run, "lost": report.lost}
        text = to_json({"format": report.FORMAT, "version": report.VERSION, **contents})
    write_file(path, text.encode("utf-8", "backslashreplace"))
