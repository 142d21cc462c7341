"""Errors of files that cannot be read, and of paths that cannot be written."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_streamval.errors.base import StreamvalError


@dataclass(eq=False, repr=False)
class InvalidFileError(StreamvalError, ValueError):
    """A file of this package cannot be read or written."""

    path: str
    """The path, with the line and the column if they are known: `path:line:column`."""
    fault: str
    rule: str
    """Sentences: the form of such a file, and the way out."""

    def __str__(self) -> str:
        return f"{self.path}: {self.fault}. {self.rule}"


def invalid_part_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a file that is not a part of a report."""
    return InvalidFileError(
        path,
        fault,
        "A part of a report is a file whose name ends in .json, written by pytest --streamval-report or by streamval "
        "report merge.",
    )


def report_path_error(path: str, fault: str) -> InvalidFileError:
    """Return the error for a report that cannot be written to its path."""
    return InvalidFileError(
        f"--streamval-report {path}",
        f"it cannot be written: {fault}",
        "Name a file in a writable folder: report.html for a page, report.json for a part that streamval report merge "
        "can join with others.",
    )
