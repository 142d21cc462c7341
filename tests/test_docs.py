"""Every block of Python in the README and the docs runs, and prints the block of text below it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<output>.*?)^```\n)?", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    code: str
    output: str | None


def blocks() -> list[object]:
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]:
        text = page.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            block = Block(match["code"], match["output"])
            found.append(pytest.param(block, id=f"{page.relative_to(ROOT)}:{line}"))
    return found


def snapshots(folder: Path) -> str:
    """Return the snapshot that was written, or the names of the files if there are several, a line each."""
    files = sorted(folder.glob("__snapshots__/*/*"))
    return files[0].read_text("utf-8") if len(files) == 1 else "".join(f"{file.name}\n" for file in files)


@pytest.mark.parametrize("block", blocks())
def test_a_block_prints_the_output_on_its_page(block: Block, pytester: pytest.Pytester) -> None:
    if "def test_" in block.code:
        pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
        pytester.makepyfile(block.code)
        for options in [["--snapshot-update"], []] if "event_snapshot" in block.code else [[]]:
            result = pytester.runpytest_subprocess(*options)
            outcomes = result.parseoutcomes()
            assert set(outcomes) == {"passed"}
            assert outcomes["passed"] >= len(re.findall(r"def test_", block.code))  # more, if one has parameters
        if block.output is not None:
            assert snapshots(pytester.path) == block.output
    else:
        script = pytester.makepyfile(block.code)
        done = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, check=False)
        assert done.stderr == ""
        assert block.output is not None, "a block without a test needs its output in a block of text below it"
        assert done.stdout == block.output


FUZZED = ("README.md", "docs/applications.md", "docs/council.md", "docs/server.md", "docs/time.md")


def fuzzed_blocks() -> list[object]:
    return [each for each in blocks() if each.id.startswith(FUZZED) and "def test_" in each.values[0].code]


@pytest.mark.parametrize("block", fuzzed_blocks())
def test_a_block_of_tests_passes_under_other_cuts(block: Block, pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
    pytester.makepyfile(block.code)
    result = pytester.runpytest_subprocess(
        "--streamval-fuzz", "20", *(["--snapshot-update"] if "event_snapshot" in block.code else [])
    )
    assert set(result.parseoutcomes()) <= {"passed", "skipped"}
    assert result.ret == pytest.ExitCode.OK


LINK = re.compile(
    r"(?:\]\(|^\[[^\]]+\]: )(?!https?://(?!github\.com/pytest-streamval/pytest-streamval/(?:blob|tree)/))([^)\s]+)",
    re.MULTILINE,
)


@pytest.mark.parametrize(
    "page", [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))], ids=lambda page: page.name
)
def test_a_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in LINK.findall(text):
        path = re.sub(r"https://github.com/pytest-streamval/pytest-streamval/(?:blob|tree)/main", str(ROOT), target)
        assert (page.parent / path.partition("#")[0]).exists(), target
    named = re.findall(r"`((?:docs/)?[\w-]+\.md)`(?!\])", text)
    assert named == [], "a page that is named is a link"


def test_the_readme_links_to_every_page() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for page in [*ROOT.glob("[B-Z]*.md"), *(ROOT / "docs").glob("*.md")]:
        path = page.relative_to(ROOT)
        assert page.name == "README.md" or f"[`{path}`]: https" in text, path


def test_there_are_blocks_to_run() -> None:
    assert len(blocks()) >= 8


def test_the_architecture_has_the_layers_of_the_contract() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", page, re.MULTILINE)
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [layer.split(" | ") for layer in layers if layer not in {"typing", "_lazy"}]
    documented: dict[str, list[str]] = {}
    for number, room in rows:
        documented.setdefault(number, []).append(room)
    assert [sorted(layer) for layer in documented.values()] == [sorted(layer) for layer in rooms]
