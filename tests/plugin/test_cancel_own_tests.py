"""`--streamval-cancel` over this project's own examples and tests of the engine, at a few places."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("paths", "fewest"),
    [
        (["examples"], 20),
        (["tests/engine/test_ends.py", "tests/engine/test_checks.py", "tests/engine/test_pace.py"], 80),
    ],
    ids=["examples", "engine"],
)
def test_cancel_finds_no_fault_in_this_project(paths: list[str], fewest: int) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "--streamval-cancel", "2"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV_"))}
    result = subprocess.run([*command, *paths], cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    found = re.search(r"^streamval: (\d+) tests cancelled ([\d,]+) times, 0 failed$", result.stdout, re.MULTILINE)
    assert found is not None, result.stdout
    assert int(found[1]) >= fewest
