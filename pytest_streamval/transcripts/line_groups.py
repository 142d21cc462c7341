"""Lines of a snapshot, some of them in any order among each other, and others that may lie between them."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from pytest_streamval.transcripts.differences import difference

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

HEADING: Final = "in any order:"
"""The line above a group of lines, which are indented below it."""

_INDENT: Final = "  "
_SHOWN: Final = 12  # received lines that a difference shows


def grouped_text(lines: Iterable[tuple[str, bool]]) -> str:
    """Return the text of lines. Neighbours that are marked become a group, in a fixed order.

    Args:
        lines: Each line, and whether it may change its place with marked neighbours.
    """
    parts: list[str] = []
    for is_marked, found in groupby(lines, key=lambda pair: pair[1]):
        group = [line for line, _ in found]
        is_group = is_marked and len(group) > 1
        parts += [HEADING, *(f"{_INDENT}{line}" for line in sorted(group))] if is_group else group
    return "".join(f"{part}\n" for part in parts)


class LineGroups(NamedTuple):
    """The lines of a snapshot in groups. The lines of a group have any order, and most groups have one line."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> LineGroups:
        """Return the groups of a text."""
        groups: list[tuple[str, ...]] = []
        lines = text.rstrip("\n").split("\n") if text.strip("\n") else []
        at = 0
        while at < len(lines):
            end = at + 1
            while lines[at] == HEADING and end < len(lines) and lines[end].startswith(_INDENT):
                end += 1
            indented = tuple(line.removeprefix(_INDENT) for line in lines[at + 1 : end])
            groups.append(indented or (lines[at],))
            at = end
        return cls(tuple(groups))

    @property
    def lines(self) -> list[str]:
        """The lines of all groups, without headings."""
        return [line for group in self.groups for line in group]

    def match(self, found: Sequence[str]) -> bool:
        """Return whether these are all found lines."""
        return self.lines == self._aligned(found)

    def difference(self, found: Sequence[str], *, width: int | None) -> Iterator[str]:
        """Yield the lines around the first difference. Expected lines begin with `-`, found ones with `+`."""
        return difference(self.lines, self._aligned(found), width=width)

    def _aligned(self, found: Sequence[str]) -> list[str]:
        """Return found lines with the order of each group that is in its place."""
        aligned: list[str] = []
        for group in self.groups:
            lines = found[len(aligned) : len(aligned) + len(group)]
            aligned += group if Counter(lines) == Counter(group) else lines
        return [*aligned, *found[len(aligned) :]]


class LineSubset(NamedTuple):
    """Lines of which others may lie before, between and after."""

    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> LineSubset:
        """Return the lines of a text. Blank lines have no meaning."""
        kept = ([line for line in group if line.strip()] for group in LineGroups.parse(text).groups)
        return cls(tuple(tuple(group) for group in kept if group))

    def match(self, found: Sequence[str]) -> bool:
        """Return whether all lines are among the found ones, in their order. No line at all matches nothing."""
        return bool(self.groups) and self._search(found)[0] == len(self.groups)

    def difference(self, found: Sequence[str]) -> Iterator[str]:
        """Yield the expected lines, the first missing ones with `-`, and the found lines after the others with `+`."""
        if not self.groups:
            yield "- no line, which would match everything: keep at least one line in the snapshot"
            return
        reached, at, missing = self._search(found)
        for line in (line for group in self.groups[:reached] for line in group):
            yield f"  {line}"
        yield from (f"- {line}" for line in missing.elements())
        rest = found[at:]
        yield from (f"+ {line}" for line in rest[:_SHOWN])
        if len(rest) > _SHOWN:
            yield f"  ... {len(rest) - _SHOWN:,} more, none of them the missing one"
        elif not rest:
            yield "  ... no more lines were received"

    def _search(self, found: Sequence[str]) -> tuple[int, int, Counter[str]]:
        """Return the number of groups that were found in their order, the place after them, and what the next lacks."""
        at = 0
        for number, group in enumerate(self.groups):
            missing, place = Counter(group), at
            while missing and place < len(found):
                missing -= Counter([found[place]])
                place += 1
            if missing:
                return number, at, missing
            at = place
        return len(self.groups), at, Counter()
