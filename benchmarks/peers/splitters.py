"""The splitters: how many texts they cut as a reader would, and how fast they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.peers.environments import OWN, ROOT, Environment
from benchmarks.peers.rounds import Plan, in_turn
from benchmarks.peers.tables import Table
from benchmarks.peers.workers import Worker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SPLITTERS = {
    f'{OWN}, "prose"': (
        "prose_splitter",
        Environment("streamval", OWN, "from pytest_streamval import ProseChunker"),
    ),
    f'{OWN}, "sentence"': (
        "sentence_splitter",
        Environment("streamval", OWN, "from pytest_streamval import SentenceChunker"),
    ),
    "sentence-stream": (
        "sentence_stream_splitter",
        Environment("sentence-stream", "sentence-stream==1.3.0", "import sentence_stream"),
    ),
    "stream2sentence": (
        "stream2sentence_splitter",
        Environment("stream2sentence", "stream2sentence==1.1.0", "import stream2sentence"),
    ),
    "sentencex": ("sentencex_splitter", Environment("sentencex", "sentencex==1.0.32", "import sentencex")),
    "pysbd": ("pysbd_splitter", Environment("pysbd", "pysbd==0.3.4", "import pysbd")),
}
SIZES = (16_000, 64_000)  # tokens of four characters
CUTS = (4, 1, 16)  # characters a delta: the first one counts, the others show whether it matters
NOTE = (
    "Texts cut as expected, compared without the white space around sentences. The splitters of whole texts, sentencex"
    " and pysbd, get the whole in one call, the streaming ones deltas of four characters. `changed by the cut`: texts"
    " that come out differently in deltas of 1 or 16."
)


class Case(NamedTuple):
    """A text and its sentences."""

    text: str
    expected: list[str]


def cases(paths: list[Path]) -> dict[str, list[Case]]:
    """Read the test sets: JSON files with one or more lists of objects with a `text` and its `expected` sentences.

    Args:
        paths: The files, by default those of `tests/data`.
    """
    found = {}
    for path in paths or sorted((ROOT / "tests" / "data").glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        sets = content if isinstance(content, dict) else {path.stem: content}
        found |= {name: [Case(entry["text"], entry["expected"]) for entry in entries] for name, entries in sets.items()}
    return found


def compared(texts: Path, sets: dict[str, list[Case]], plan: Plan) -> Table:
    """Measure all splitters."""
    header = ["", *[f"{name} ({len(entries)})" for name, entries in sets.items()], "changed by the cut"]
    table = Table("Splitters", [*header, *[f"{size * 4 // 1000} kB, MB/s" for size in SIZES], "import, ms", "MB"])
    for name, (adapter, environment) in SPLITTERS.items():
        environment.ensure()
        worker = Worker(environment, adapter, texts)
        try:
            table.rows.append([name, *_accuracy(worker, sets), *_speed(worker, plan), *_installed(environment)])
        finally:
            worker.close()
    table.notes = [NOTE]
    return table


def _accuracy(worker: Worker, sets: dict[str, list[Case]]) -> Iterator[str]:
    changed, streaming = 0, True
    for entries in sets.values():
        found = []
        for size in CUTS:
            answer = worker.ask("split", texts=[_cut(case.text, size) for case in entries])
            assert answer is not None  # without a limit it always comes
            found.append([_stripped(chunks) for chunks in answer["chunks"]])
            streaming = answer["streaming"]
        right = [chunks == _stripped(case.expected) for chunks, case in zip(found[0], entries, strict=True)]
        changed += sum(len(set(map(tuple, ways))) > 1 for ways in zip(*found, strict=True))
        yield f"{sum(right)}"
    yield f"{changed}" if streaming else "-"


def _speed(worker: Worker, plan: Plan) -> Iterator[str]:
    for tokens in SIZES:
        cell = in_turn({"": worker}, plan, {"do": "speed", "tokens": tokens})[""]
        yield f"> {plan.limit:.0f} s" if cell.over else f"{tokens * 4 / cell.median / 1e6:.2f}"


def _installed(environment: Environment) -> tuple[str, str]:
    return f"{environment.import_seconds() * 1e3:,.0f}", f"{environment.size()[0]:,.1f}"


def _cut(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def _stripped(chunks: list[str]) -> list[str]:
    return [chunk.strip() for chunk in chunks if chunk.strip()]
