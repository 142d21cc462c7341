"""Errors of reports."""

from __future__ import annotations

from pytest_streamval.errors.base import StreamvalError


class InvalidPartError(StreamvalError, ValueError):
    """A file is no part of a report."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"{self.path} is no part of a report: {self.fault}. A part is what pytest --streamval-report writes to a "
            "file whose name ends in .json."
        )


class ReportPathError(StreamvalError, ValueError):
    """A report cannot be written where it is to go."""

    def __init__(self, path: str, fault: str) -> None:
        super().__init__(path, fault)
        self.path = path
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"--streamval-report {self.path} cannot be written: {self.fault}. Name a file in a folder that can be "
            "written to: report.html for a page, report.json for a part that streamval report merge joins with others."
        )
