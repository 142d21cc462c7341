"""The page about what the official clients do under faults, made of data. It needs none of the clients."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_DOCS = Path(__file__).parents[2] / "docs"
DATA = _DOCS / "sdk-faults.json"
"""What was measured."""
PAGE = _DOCS / "sdks.md"
"""What is told of it."""
OWN = "pytest-streamval"
"""The project's own client, as its rows name it."""


class Row(NamedTuple):
    """What was measured of one way of asking under one fault."""

    sdk: str
    """The client's distribution."""
    method: str
    """What was called."""
    is_async: bool
    """Whether it was the asynchronous client."""
    fault: str
    """The name of the case."""
    raised: str
    """The error, an empty string where none was raised."""
    text: str
    """All text that the caller had by then."""
    requests: int
    """How often the server was asked."""
    waits: str = ""
    """Where it was asked again, and a time to wait was named: whether the client waited for that time."""


class Table(NamedTuple):
    """Everything that was measured."""

    versions: dict[str, str]
    """The versions of Python and of the clients."""
    pieces: tuple[str, ...]
    """What the server says, a delta each."""
    faults: dict[str, str]
    """What each fault is, by the name of its case."""
    rows: list[Row]
    """What came of it, the ways of asking in order."""

    @property
    def text(self) -> str:
        """All that the server says."""
        return "".join(self.pieces)

    def dumped(self) -> str:
        """As JSON, a line for each row."""
        head = json.dumps(self._replace(rows=[])._asdict(), ensure_ascii=False, indent=1)
        rows = ",\n".join(f"  {json.dumps(row._asdict(), ensure_ascii=False)}" for row in self.rows)
        return head.replace('"rows": []', f'"rows": [\n{rows}\n ]') + "\n"

    @classmethod
    def loaded(cls, text: str) -> Table:
        """Read what was dumped."""
        data = json.loads(text)
        rows = [Row(**row) for row in data["rows"]]
        return cls(data["versions"], tuple(data["pieces"]), data["faults"], rows)


_INTRODUCTION = """\
# What the official SDKs do when a stream goes wrong

An application that calls a model sees what its SDK makes of the network. This page tells what that is: each way of
asking, under each fault that [`provider_server`](server.md) can play. Nothing here is read from documentation. Every
row was measured, over real sockets on loopback, with the SDKs as they are when nobody sets them up otherwise:
{versions}, on Python {python}.

`python3 dev.py sdk-table` measures again and writes this page and its data, [`sdk-faults.json`](sdk-faults.json).
`python3 dev.py sdks` checks the rows, as far as the installed versions are the measured ones.

The server says {pieces}, a delta each; most faults strike behind the first. "Text" is what
the caller had by the end, of a stream piece by piece. "Requests" is how often the server was asked.

"""

_FAULTS = """\
## The faults

| | what goes wrong |
|---|---|
{faults}

"""

_SILENCE = """\
## Not whole, and no error

What matters most is what nobody notices. Here the caller's loop ends as if all were well, with a text that is
incomplete or wrong:

| | under |
|---|---|
{silences}

A frame that comes twice or too late can only be noticed where the protocol says once more what it said. A missing end
can always be noticed: `LiveBackend` raises `StreamTruncatedError` for it, and the error keeps the text so far.

"""

_RETRIES = """\
## Who asks again

How often the server was asked, where that was more than once. A pause "as told" is the one that `Retry-After` names.

| | |
|---|---|
{retries}

"""

_SECTION = """\
## `{title}`

| | raises | text | requests |
|---|---|---|---|
{rows}
"""


class _Way(NamedTuple):
    """The rows of one way of asking."""

    sdk: str
    method: str
    rows: list[Row]

    @property
    def title(self) -> str:
        return f"`{self.method}`" if self.sdk == OWN else f"{self.sdk} `{self.method}`"


def rendered(table: Table) -> str:
    """Return the page."""
    others = [f"{sdk} {version}" for sdk, version in table.versions.items() if sdk not in {"python", OWN}]
    ways = _ways(table.rows)
    introduction = _INTRODUCTION.format(
        versions=", ".join(others),
        python=table.versions["python"],
        pieces=", ".join(f"`{piece!r}`" for piece in table.pieces),
    )
    sections = [
        introduction,
        _FAULTS.format(faults=_lines((f"`{name}`", what) for name, what in table.faults.items())),
        _SILENCE.format(silences=_lines((way.title, _silences(way, table.text)) for way in ways)),
        _RETRIES.format(retries=_lines(_grouped((_retries(way), way.title) for way in ways))),
        *(_section(way, table.text) for way in ways),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _grouped(cells: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """What is the same for several, with all of them."""
    found: dict[str, list[str]] = {}
    for what, whose in cells:
        found.setdefault(what, []).append(whose)
    return [(", ".join(whose), what) for what, whose in found.items()]


def _ways(rows: list[Row]) -> list[_Way]:
    """Each way of asking with its rows, of which one is left where both clients do the same."""
    found: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in rows:
        same = found.setdefault((row.sdk, row.method), {}).setdefault(row.fault, [])
        if not any(row._replace(is_async=other.is_async) == other for other in same):
            same.append(row)
    return [_Way(*name, list(chain.from_iterable(faults.values()))) for name, faults in found.items()]


def _lines(cells: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _silences(way: _Way, text: str) -> str:
    return _listed(row.fault for row in way.rows if not row.raised and row.text != text) or "nothing"


def _retries(way: _Way) -> str:
    """The faults by how often the server was asked."""
    counts: dict[str, list[str]] = {}
    for row in way.rows:
        if row.requests > 1:
            waited = f", {row.waits}" if row.waits else ""
            counts.setdefault(f"{row.requests} times{waited}", []).append(row.fault)
    return "; ".join(f"{count}: {_listed(faults)}" for count, faults in counts.items()) or "never"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _section(way: _Way, text: str) -> str:
    doubles = {name for name, count in Counter(row.fault for row in way.rows).items() if count > 1}
    lines = [
        (
            f"`{row.fault}`{', async' * (row.is_async and row.fault in doubles)}",
            f"`{row.raised}`" if row.raised else "nothing",
            "all" if row.text == text else f"`{row.text!r}`" if row.text else "none",
            str(row.requests or ""),
        )
        for row in way.rows
    ]
    title = way.method if way.sdk == OWN else f"{way.method}` of `{way.sdk}"
    return _SECTION.format(title=title, rows=_lines(lines))
