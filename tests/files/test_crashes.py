"""A crash leaves the old file or the new one. `python -m benchmarks.crashes` crashes more often."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.crashes.kinds import KINDS
from benchmarks.crashes.trials import _CRASHES

ROOT = Path(__file__).parent.parent.parent

# A writer that truncates the old file first
NAIVE = """
from benchmarks.crashes import kinds, trials

def write(path, version):
    path.write_bytes(f"{version} ".encode() * 2000)

kinds.KINDS["naive"] = kinds._file(write, "it")
for crash, outcomes in trials.trials("naive", 30, 1):
    print(f"{crash}: {sum(bool(outcome.fault) for outcome in outcomes) > 0}")
"""


def run(*arguments: str) -> str:
    """Run Python in a process of its own, which forks others and has no threads."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_leaves_the_old_file_or_the_new_one(kind: str) -> None:
    *lines, _time = run("-m", "benchmarks.crashes", "4", "1", kind).splitlines()
    assert len(lines) == len(_CRASHES)
    for line in lines:
        assert line.endswith((", 0 damaged", "disks: not allowed here")), line
    assert re.fullmatch(rf"{kind}, killed at a step: 4 times, [34] killed, 0 damaged", lines[0])


def test_the_crashes_find_a_writer_that_is_not_careful() -> None:
    found = dict(line.split(": ") for line in run("-c", NAIVE).splitlines())
    assert found["killed at a step"] == found["killed at a size"] == found["no room"] == "True"
