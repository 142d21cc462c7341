"""Errors of reports."""

from __future__ import annotations

from pytest_streamval.errors.base import StreamvalError


class InvalidPartError(StreamvalError, ValueError):
    """A file is not a part of a report."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"Invalid part of a report: {self.path}: {self.fault}. A part is a file whose name ends in .json, written "
            "by pytest --streamval-report or by streamval report merge."
        )


class ReportPathError(StreamvalError, ValueError):
    """A report cannot be written to its path."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"--streamval-report {self.path} cannot be written: {self.fault}. Name a file in a writable folder: "
            "report.html for a page, report.json for a part that streamval report merge can join with others."
        )
