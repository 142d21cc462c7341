"""The page "Async and streaming" as an application: each of its blocks asks the real model."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

PAGE = Path(__file__).parents[2] / "docs" / "async-and-streaming.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```\n", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
SCRIPTS = [block for block in BLOCKS if "def test_" not in block]  # a test of the mock knows its answers

# The backend of STREAMVAL_BACKEND, and answers that are short and always the same.
HEAD = """
import pytest_streamval
from pytest_streamval import ModelOption

start = pytest_streamval.start_session
OPTIONS = {ModelOption.TEMPERATURE: 0, ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 30}
pytest_streamval.start_session = lambda backend=None, **options: start(model_options=OPTIONS, **options)
"""


@pytest.mark.parametrize("at", range(len(SCRIPTS)))
def test_a_block_of_the_page_runs_on_the_model(live_backend, tmp_path, at):
    script = tmp_path / "block.py"
    script.write_text(HEAD + SCRIPTS[at], encoding="utf-8")
    done = subprocess.run([sys.executable, "-W", "error", script], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.strip()


def test_the_page_has_blocks_to_run():
    assert len(SCRIPTS) >= 7
