"""The suite of the example `examples/downstream`, as scripted and under other cuts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "downstream"


@pytest.mark.parametrize("options", [(), ("--streamval-fuzz", "3")], ids=["as scripted", "fuzzed"])
def test_the_suite_of_the_downstream_project_passes(tmp_path: Path, options: tuple[str, ...]) -> None:
    copytree(EXAMPLE, tmp_path / "suite", ignore=lambda _, names: {"__pycache__", ".hypothesis"} & {*names})
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", *options]
    done = subprocess.run(command, cwd=tmp_path / "suite", env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr
    assert "snapshots passed" in done.stdout
    assert "failed" not in done.stdout.rpartition("\n")[2]
