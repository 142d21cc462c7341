"""The example of sessions, with the mock instead of a model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "sessions.py"


def test_the_session_example_runs_on_the_mock():
    command = [sys.executable, "-W", "error", EXAMPLE, "--mock"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-2:] == [
        "stopped early: True",
        "accepted: Grey is the sky, and the rain comes by.",
    ]
