"""The pages about frameworks under faults, rendered from their data. It needs none of the frameworks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

WAITS = "no error, it waits"
"""The value of `raised` for a client that still waits long after its timeout."""
_DOCS = Path(__file__).parents[2] / "docs"


class Row(NamedTuple):
    """The measurement of one model of a framework under one fault."""

    framework: str
    """The distribution of the framework."""
    model: str
    """The model, as users write it."""
    form: str
    """`stream`, or `whole` for an output that is not streamed."""
    fault: str
    """The name of the case."""
    raised: str
    """The error, or an empty text."""
    text: str
    """The text that the caller received."""
    requests: int
    """The number of requests."""


class Framework(NamedTuple):
    """A framework with its models."""

    version: str
    """The measured version."""
    protocols: dict[str, str]
    """The protocol of each model."""
    lacks: dict[str, dict[str, str]]
    """The features that a model does not have, with the reason."""


class Table(NamedTuple):
    """All measurements of a page."""

    pieces: tuple[str, ...]
    """The deltas of the script."""
    faults: dict[str, str]
    """The effect of each fault, by the name of its case."""
    frameworks: dict[str, Framework]
    """The frameworks, by their names."""
    rows: list[Row]
    """The measurements, in the order of the frameworks."""

    @property
    def text(self) -> str:
        """The complete text."""
        return "".join(self.pieces)

    def replaced(self, frameworks: dict[str, Framework], rows: list[Row]) -> Table:
        """Return the table with new measurements of some frameworks."""
        kept = [row for row in self.rows if row.framework not in frameworks]
        merged = dict(sorted({**self.frameworks, **frameworks}.items()))
        order = list(merged)
        return self._replace(frameworks=merged, rows=sorted([*kept, *rows], key=lambda row: order.index(row.framework)))

    def dumped(self) -> str:
        """Return the table as JSON, with a line for each row."""
        facts = {**self._asdict(), "rows": []}
        facts["frameworks"] = {name: framework._asdict() for name, framework in self.frameworks.items()}
        head = json.dumps(facts, ensure_ascii=False, indent=1)
        rows = ",\n".join(f"  {json.dumps(list(row), ensure_ascii=False)}" for row in self.rows)
        return head.replace('"rows": []', f'"rows": [\n{rows}\n ]') + "\n"

    @classmethod
    def loaded(cls, text: str) -> Table:
        """Return the table in a JSON text."""
        data = json.loads(text)
        frameworks = {name: Framework(**facts) for name, facts in data["frameworks"].items()}
        return cls(tuple(data["pieces"]), data["faults"], frameworks, [Row(*row) for row in data["rows"]])


class Page(NamedTuple):
    """A page in docs, and its data."""

    name: str
    """The name of the page, without its ending."""
    introduction: str
    """The text above the tables."""

    @property
    def path(self) -> Path:
        """The file of the page."""
        return _DOCS / f"{self.name}.md"

    @property
    def data(self) -> Path:
        """The file with the data."""
        return _DOCS / f"{self.name}-faults.json"

    def rendered(self, table: Table) -> str:
        """Return the text of the page."""
        frameworks = ", ".join(f"{name} {framework.version}" for name, framework in table.frameworks.items())
        introduction = self.introduction.format(
            frameworks=frameworks, pieces=", ".join(f"`{piece!r}`" for piece in table.pieces), name=self.name
        )
        sections = [
            introduction,
            _UNDETECTED + _lines(("", "under"), _undetected(table)),
            _lacking(table),
            *(_section(name, table) for name in table.frameworks),
        ]
        return "\n\n".join(section.strip() for section in sections if section) + "\n"


_UNDETECTED = """\
## Incomplete or wrong text without an error

Under these faults the caller gets no error, and the text is incomplete or wrong:

"""
_LACKING = """\
## Features that are not measured

| | feature | reason |
|---|---|---|
"""
_FEATURES = {
    "stream": "streaming",
    "whole": "an output that is not streamed",
    "tools": "a tool in two turns",
    "thinking": "thinking in two turns",
    "usage": "usage",
    "usage streamed": "usage of a stream",
    "structured": "structured output",
    "leaving": "leaving early",
}
_FORMS = {"stream": "streamed", "whole": "not streamed"}


def _lines(head: tuple[str, ...], cells: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines).replace("| --- |", "|---|").replace(" --- |", "---|")


def _models(table: Table, framework: str) -> list[tuple[str, str]]:
    """Return the models of a framework, each with its forms."""
    return list(dict.fromkeys((row.model, row.form) for row in table.rows if row.framework == framework))


def _undetected(table: Table) -> list[tuple[str, ...]]:
    """Return the faults that a caller does not notice, for each model."""
    found: dict[str, list[str]] = {}
    for row in table.rows:
        faults = found.setdefault(f"{row.framework} `{row.model}`, {_FORMS[row.form]}", [])
        if not row.raised and row.text != table.text:
            faults.append(f"`{row.fault}`")
    grouped: dict[str, list[str]] = {}
    for model, faults in found.items():
        grouped.setdefault(", ".join(faults) or "nothing", []).append(model)
    return [("; ".join(models), faults) for faults, models in grouped.items()]


def _lacking(table: Table) -> str:
    cells = [
        f"| {name} `{model}` | {_FEATURES[feature]} | {reason} |"
        for name, framework in table.frameworks.items()
        for model, lacks in framework.lacks.items()
        for feature, reason in lacks.items()
    ]
    return _LACKING + "\n".join(cells) if cells else ""


def _section(name: str, table: Table) -> str:
    """Return the section of a framework: a table for each protocol and form, with the models that behave alike."""
    parts = [f"## {name}"]
    rows = {(row.model, row.form, row.fault): row for row in table.rows if row.framework == name}
    for form, title in _FORMS.items():
        models = [model for model, each in _models(table, name) if each == form]
        if not models:
            continue
        head = (title, *(f"`{model}`" for model in models))
        cells = [
            (f"`{fault}`", *(_cell(rows.get((model, form, fault)), table.text) for model in models))
            for fault in table.faults
            if any((model, form, fault) in rows for model in models)
        ]
        parts.append(_lines(head, cells))
    return "\n\n".join(parts)


def _cell(row: Row | None, text: str) -> str:
    """Return the behaviour in a few words: the error, the text, and the requests if there was more than one."""
    if row is None:
        return ""
    parts = [row.raised if row.raised == WAITS else f"`{row.raised}`"] if row.raised else []
    if row.text == text:
        parts.append("all")
    elif row.text:
        parts.append(f"`{row.text!r}`")
    elif not row.raised:
        parts.append("none")
    if row.requests > 1:
        parts.append(f"{row.requests} requests")
    return ", ".join(parts)


_INTRODUCTION = """\
# What agent frameworks do when a stream goes wrong

An application that calls a model through a framework sees the network twice removed. This page shows the behaviour of
frameworks under each fault of [`provider_server`](server.md), as [the page of the SDKs](sdks.md) does for the clients
below them. Every cell was measured over real sockets on loopback, with the default retries of the framework:
{frameworks}.

`python3 dev.py frameworks` tests the frameworks that install fastest, and `python3 dev.py frameworks-NAME` one of the
others: text, a tool in two turns, thinking in two turns with its signature, usage, structured output, an output that is
not streamed, leaving early, and each fault. All requests are held to the rules of the providers (`strict=True`).
With the argument `measure`, they repeat the measurements, and write this page and its data,
[`frameworks-faults.json`](frameworks-faults.json).

The script has the deltas {pieces}. Most faults strike after the first one.
A cell has the error, the text that the caller received, and the number of requests if there was more than one.
[The page of the SDKs](sdks.md#the-faults) describes the faults.

LiteLLM's proxy (`litellm[proxy]`) is a process of its own, which official clients use. If a connection breaks
(`close_mid_frame`, `reset`, `unfinished`), the proxy may notice it before or after it has passed the text on. These
cells show one of its outcomes.
"""

FRAMEWORKS = Page("frameworks", _INTRODUCTION)
"""The page of the frameworks for Python."""

_JAVASCRIPT = """\
# What JavaScript clients do when a stream goes wrong

`provider_server` and `streamval serve` are real HTTP servers, so that clients in any language can use them. This page
shows the behaviour of clients for Node under each fault of [`provider_server`](server.md). Every cell was measured over
real sockets on loopback, with the default retries of the client:
{frameworks}.

`python3 dev.py javascript` tests the clients: text, a tool in two turns, thinking in two turns with its signature,
usage, structured output, an output that is not streamed, leaving early, and each fault. All requests are held to the
rules of the providers (`strict=True`). `python3 dev.py javascript measure` repeats the measurements, and writes this
page and its data, [`javascript-faults.json`](javascript-faults.json).

The AI SDK is measured with `fullStream`, whose parts include the errors. `textStream` raises only if the connection
breaks: under `bad_request` and `server_error` it is empty, and under `malformed_json` it leaves out a delta.

Leaving a loop over a stream of `@google/genai`, `ollama` or `ai` does not close its connection: the application must
abort the request.

The script has the deltas {pieces}. Most faults strike after the first one.
A cell has the error, the text that the caller received, and the number of requests if there was more than one.
[The page of the SDKs](sdks.md#the-faults) describes the faults.
"""

JAVASCRIPT = Page("javascript", _JAVASCRIPT)
"""The page of the clients for Node."""
PAGES = {"python": FRAMEWORKS, "javascript": JAVASCRIPT}
"""The pages, by the language."""
