"""The page about the official clients under faults, rendered from its data. It needs none of the clients."""

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
"""The file with the data."""
PAGE = _DOCS / "sdks.md"
"""The file of the page."""
OWN = "pytest-streamval"
"""The name of this project in the rows of `LiveBackend`."""


class Row(NamedTuple):
    """The measurement of one method under one fault."""

    sdk: str
    """The client's distribution."""
    method: str
    """The method."""
    is_async: bool
    """Whether it is the asynchronous client."""
    fault: str
    """The name of the case."""
    raised: str
    """The error, or an empty text."""
    text: str
    """The text that the caller received."""
    requests: int
    """The number of requests."""
    waits: str = ""
    """Whether a client that repeated its request waited as long as `Retry-After` says: `as named` or `of its own`."""


class Table(NamedTuple):
    """All measurements."""

    versions: dict[str, str]
    """The versions of Python and of the clients."""
    pieces: tuple[str, ...]
    """The deltas of the script."""
    faults: dict[str, str]
    """The effect of each fault, by the name of its case."""
    rows: list[Row]
    """The measurements, in the order of the methods."""

    @property
    def text(self) -> str:
        """The complete text."""
        return "".join(self.pieces)

    def dumped(self) -> str:
        """Return the table as JSON, with a line for each row."""
        head = json.dumps(self._replace(rows=[])._asdict(), ensure_ascii=False, indent=1)
        rows = ",\n".join(f"  {json.dumps(row._asdict(), ensure_ascii=False)}" for row in self.rows)
        return head.replace('"rows": []', f'"rows": [\n{rows}\n ]') + "\n"

    @classmethod
    def loaded(cls, text: str) -> Table:
        """Return the table in a JSON text."""
        data = json.loads(text)
        rows = [Row(**row) for row in data["rows"]]
        return cls(data["versions"], tuple(data["pieces"]), data["faults"], rows)


_INTRODUCTION = """\
# What the official SDKs do when a stream goes wrong

An application that calls a model sees the network through its SDK. This page shows the behaviour of each method of
the official SDKs under each fault of [`provider_server`](server.md). Every row was measured over real sockets on
loopback, with the default options of the SDKs: {versions}, on Python {python}.

`python3 dev.py sdk-table` repeats the measurements, and writes this page and its data,
[`sdk-faults.json`](sdk-faults.json). `python3 dev.py sdks` compares the installed SDKs with the rows, if their versions
are the measured ones.

The script has the deltas {pieces}. Most faults strike after the first one. "Text" is
the text that the caller received. "Requests" is the number of requests.

"""

_FAULTS = """\
## The faults

| | effect |
|---|---|
{faults}

"""

_UNDETECTED = """\
## Incomplete or wrong text without an error

Under these faults the caller's loop ends without an error, and the text is incomplete or wrong:

| | under |
|---|---|
{undetected}

A client can detect a repeated or late frame only if the protocol repeats the text at the end. It can always detect a
missing end: `LiveBackend` raises `StreamTruncatedError`, and the error keeps the text so far.

An application makes up for the silence of its client if it checks the end itself: no finish reason means that the
stream is incomplete. `assert_faults_noticed` ([Every fault at once](server.md#every-fault-at-once)) tests that an
application raises an error under each fault, or returns the same value, with one line for each fault. Called with the
plain methods above, it reports exactly the faults of this table. This application notices all but the two kinds that
its protocol hides:

```py
import openai

from pytest_streamval import Script, assert_faults_noticed


async def tell_a_story(server):
    messages = [{{"role": "user", "content": "Tell me a story."}}]
    text, finish_reason = "", None
    async with openai.AsyncOpenAI(api_key="none", base_url=server.openai_url) as client:
        async for chunk in await client.chat.completions.create(model="gpt-4.1", messages=messages, stream=True):
            for choice in chunk.choices:
                text += choice.delta.content or ""
                finish_reason = choice.finish_reason or finish_reason
    if finish_reason is None:  # the client raises nothing: without this check, empty_body and truncate are silent
        raise EOFError(f"The answer broke off: {{text}}")
    return text


def test_the_story_is_complete_or_an_error_is_raised():
    script = Script.of("One ", "two ", "three.", finish_reason="stop")
    assert_faults_noticed(tell_a_story, script, ignore=["duplicated_frame", "out_of_order"])
```

The subject is asynchronous, so all retries, pauses and silences of its client take virtual time. A repeated or late
frame changes the text alone. Only a check of its form, for instance as JSON, may notice it.

"""

_RETRIES = """\
## Retries

The number of requests, if there was more than one. After a 429, the pause is "as named" by `Retry-After`, or "of its
own" if the client chooses another one.

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


class _Method(NamedTuple):
    """The rows of one method."""

    sdk: str
    method: str
    rows: list[Row]

    @property
    def title(self) -> str:
        return f"`{self.method}`" if self.sdk == OWN else f"{self.sdk} `{self.method}`"


def rendered(table: Table) -> str:
    """Return the page."""
    others = [f"{sdk} {version}" for sdk, version in table.versions.items() if sdk not in {"python", OWN}]
    methods = _methods(table.rows)
    introduction = _INTRODUCTION.format(
        versions=", ".join(others),
        python=table.versions["python"],
        pieces=", ".join(f"`{piece!r}`" for piece in table.pieces),
    )
    sections = [
        introduction,
        _FAULTS.format(faults=_lines((f"`{name}`", what) for name, what in table.faults.items())),
        _UNDETECTED.format(undetected=_lines((method.title, _undetected(method, table.text)) for method in methods)),
        _RETRIES.format(retries=_lines(_grouped((_retries(method), method.title) for method in methods))),
        *(_section(method, table.text) for method in methods),
    ]
    return "\n\n".join(section.strip() for section in sections) + "\n"


def _grouped(cells: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the cells with the methods that share them."""
    found: dict[str, list[str]] = {}
    for cell, method in cells:
        found.setdefault(cell, []).append(method)
    return [(", ".join(names), cell) for cell, names in found.items()]


def _methods(rows: list[Row]) -> list[_Method]:
    """Return each method with its rows. One row is left if the synchronous and the asynchronous client do the same."""
    found: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for row in rows:
        same = found.setdefault((row.sdk, row.method), {}).setdefault(row.fault, [])
        if not any(row._replace(is_async=other.is_async) == other for other in same):
            same.append(row)
    return [_Method(*name, list(chain.from_iterable(faults.values()))) for name, faults in found.items()]


def _lines(cells: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _undetected(method: _Method, text: str) -> str:
    return _listed(row.fault for row in method.rows if not row.raised and row.text != text) or "nothing"


def _retries(method: _Method) -> str:
    """Return the faults by the number of requests."""
    counts: dict[str, list[str]] = {}
    for row in method.rows:
        if row.requests > 1:
            waited = f", {row.waits}" if row.waits else ""
            counts.setdefault(f"{row.requests} times{waited}", []).append(row.fault)
    return "; ".join(f"{count}: {_listed(faults)}" for count, faults in counts.items()) or "never"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _section(method: _Method, text: str) -> str:
    doubles = {name for name, count in Counter(row.fault for row in method.rows).items() if count > 1}
    lines = [
        (
            f"`{row.fault}`{', async' * (row.is_async and row.fault in doubles)}",
            f"`{row.raised}`" if row.raised else "nothing",
            "all" if row.text == text else f"`{row.text!r}`" if row.text else "none",
            str(row.requests or ""),
        )
        for row in method.rows
    ]
    title = method.method if method.sdk == OWN else f"{method.method}` of `{method.sdk}"
    return _SECTION.format(title=title, rows=_lines(lines))
