"""Tables for the terminal and for a page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Table:
    """Rows under a header, with a title above and notes below."""

    title: str
    """The title of the table."""
    header: list[str]
    """One title a column. The first column is text, the others are figures."""
    rows: list[list[str]] = field(default_factory=list)
    """One cell a column."""
    notes: list[str] = field(default_factory=list)
    """A note for the reader."""

    def text(self) -> str:
        """Write it for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = ["  ".join(_aligned(row, widths)).rstrip() for row in [self.header, *self.rows]]
        return "\n".join([self.title, "", *lines, *([""] if self.notes else []), *self.notes, ""])

    def markdown(self) -> str:
        """Write it for a page."""
        rule = ["---", *["--:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in [self.header, rule, *self.rows]]
        return "\n\n".join([f"### {self.title}", "\n".join(lines), *self.notes]) + "\n"


def _aligned(row: list[str], widths: list[int]) -> list[str]:
    return [row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]]
