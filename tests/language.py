"""The language of the project, measured: `python3 -m tests.language` prints the figures of each room.

The models are the docs of anyio and Hypothesis: short main clauses with the subject first, and nouns in the place of
clauses that begin with a question word. A few words count how far a text is from that.
"""

from __future__ import annotations

import ast
import io
import math
import re
import sys
import tokenize
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "pytest_streamval"

LIMITS = {
    "what": (re.compile(r"\bwhat(?:ever)?\b", re.IGNORECASE), 3.0),
    "where": (re.compile(r"\bwhere(?:ver)?\b", re.IGNORECASE), 2.0),
    ";": (re.compile(";"), 5.0),
    "vague": (re.compile(r"\b(?:behind|nobody|somebody|whoever|anybody)\b", re.IGNORECASE), 0.5),
}
"""The patterns that are counted in docstrings and pages, and how often each may occur in 1,000 words."""

NEVER = {
    "does not fit: it is": "Invalid X: value. It must be …",
    "is asked": "is called, receives a request",
    "is told": "receives, is called with",
    "are asked": "are called, receive a request",
    "are told": "receive, are called with",
}
"""Phrases that no docstring, comment, message or page has, and the words to write in their place."""

ROOMS = [path.parent.name for path in sorted(PACKAGE.glob("*/__init__.py"))]
"""The rooms of the package."""
OTHERS = ["the top level", "benchmarks", "docs", "examples", "tests", "the root", "tools"]
"""The other parts of the repository."""

_CODE = re.compile(r"```.*?```|``[^`]*``|`[^`]*`|<[^>\n]*>|^(?: {4,}|\t)[^\n]*$", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_WORD = re.compile(r"[^\W\d_][\w’'-]*")


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of prose in the repository."""

    path: Path
    """The file, relative to the repository."""
    line: int
    """The number of its first line."""
    kind: str
    """`docstring`, `comment`, `message` or `page`."""
    words: str
    """The text."""

    @property
    def prose(self) -> str:
        """The text without its code."""
        return _CODE.sub(" ", self.words)

    @property
    def room(self) -> str:
        """The part of the repository that the text belongs to."""
        parts = self.path.parts
        if parts[0] == "pytest_streamval":
            return parts[1] if len(parts) > 2 else "the top level"
        return parts[0] if len(parts) > 1 else "the root"


@dataclass(slots=True)
class Figures:
    """The counts of a room or a file."""

    words: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LIMITS, 0))

    def add(self, prose: str) -> None:
        """Add the counts of a text."""
        self.words += len(_WORD.findall(prose))
        for name, (pattern, _) in LIMITS.items():
            self.counts[name] += len(pattern.findall(prose))

    def allowed(self, name: str) -> int:
        """Return how often a text of this length may have a pattern."""
        return math.ceil(LIMITS[name][1] * self.words / 1000)

    def excesses(self) -> list[str]:
        """Return the names of the patterns that occur too often."""
        return [name for name in LIMITS if self.counts[name] > self.allowed(name)]

    def row(self) -> str:
        """Return the counts in one line, with the allowed ones."""
        cells = [f"{name} {self.counts[name]}/{self.allowed(name)}" for name in LIMITS]
        return f"{self.words:6,} words   " + "   ".join(f"{cell:12}" for cell in cells)


@cache
def texts() -> list[Text]:
    """Return all prose of the repository."""
    found: list[Text] = []
    for path in [ROOT / "dev.py"]:
        found += texts_of_module(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    for folder in (PACKAGE, ROOT / "examples", ROOT / "benchmarks", ROOT / "tools", ROOT / "tests"):
        for path in sorted(folder.rglob("*.py")):
            found += texts_of_module(path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    for path in [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]:
        prose = _FENCE.sub(lambda code: "\n" * code[0].count("\n"), path.read_text(encoding="utf-8"))
        if path.name == "CONTRIBUTING.md":
            prose = re.sub(r"^\|.*$", "", prose, flags=re.MULTILINE)  # a table has sentences that are to be rewritten
        found += [
            Text(path.relative_to(ROOT), number, "page", line) for number, line in enumerate(prose.splitlines(), 1)
        ]
    return found


def texts_of_module(path: Path, source: str) -> Iterator[Text]:
    """Yield the docstrings, comments and messages of a module."""
    tree = ast.parse(source)
    docstrings = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            docstrings.add(id(node.value))
            yield Text(path, node.lineno, "docstring", _dedented(node.value.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield Text(path, node.lineno, "message", node.value)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Text(path, token.start[0], "comment", token.string)


def _dedented(docstring: str) -> str:
    """Return a docstring with its sections' entries at the margin, so that only code is indented."""
    lines = docstring.splitlines()
    rest = [line for line in lines[1:] if line.strip()]
    margin = min((len(line) - len(line.lstrip()) for line in rest), default=0)
    result, in_section = lines[:1], False
    for line in lines[1:]:
        text = line[margin:]
        if re.fullmatch(r"(?:Args|Raises|Returns|Yields|All methods raise):", text):
            in_section = True
        elif text and not text.startswith(" "):
            in_section = False
        result.append(text.lstrip() if in_section else text)
    return "\n".join(result)


def figures_of(found: list[Text], kinds: tuple[str, ...]) -> dict[str, tuple[Figures, dict[str, Figures]]]:
    """Return the figures of each room and of the files in it."""
    rooms: dict[str, tuple[Figures, dict[str, Figures]]] = {}
    for text in found:
        if text.kind in kinds:
            total, files = rooms.setdefault(text.room, (Figures(), defaultdict(Figures)))
            total.add(text.prose)
            files[str(text.path)].add(text.prose)
    return rooms


@cache
def reports() -> dict[str, tuple[Figures, str]]:
    """Return each room's figures, and the rows of its files with the most findings first."""
    found = {}
    for room, (total, files) in sorted(figures_of(texts(), ("docstring", "page")).items()):
        order = sorted(files.items(), key=lambda item: -sum(item[1].counts.values()))
        shown = "\n".join(f"  {figures.row()}  {path}" for path, figures in order if any(figures.counts.values()))
        found[room] = (total, shown)
    return found


def forbidden() -> list[str]:
    """Return every place of a phrase that no text has, with the words to write in its place."""
    here = {Path("tests/language.py"), Path("tests/test_language.py"), Path("CONTRIBUTING.md")}
    return [
        f"{text.path}:{text.line}: {phrase!r}, write: {instead}"
        for text in texts()
        if text.path not in here
        for phrase, instead in NEVER.items()
        if re.search(rf"\b{re.escape(phrase)}\b", re.sub(r"\s+", " ", text.words))
    ]


def main() -> int:
    """Print the figures of every room, the forbidden phrases, and return 1 if there is anything to do."""
    is_long = "--files" in sys.argv
    failed = False
    for room, (total, files) in reports().items():
        excesses = total.excesses()
        failed |= bool(excesses)
        print(f"{room:18} {total.row()}  {'too many: ' + ', '.join(excesses) if excesses else 'ok'}")
        if is_long and files:
            print(files)
    places = forbidden()
    print("\n".join(places))
    return int(failed or bool(places))


if __name__ == "__main__":
    sys.exit(main())
