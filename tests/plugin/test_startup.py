"""What the plugin costs a run that does not use it: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FORBIDDEN = {"asyncio", "ssl", "hypothesis", "syrupy", "freezegun", "httpx2", "rich", "opentelemetry", "jinja2", "h11"}

CONFTEST = """
import sys
from pathlib import Path

def pytest_sessionfinish(session):
    Path("loaded.txt").write_text("\\n".join(sys.modules))
"""


def loaded_at_the_end(folder: Path, test: str) -> set[str]:
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(test)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_streamval.plugin", "-p", "no:cacheprovider", "-q"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return set((folder / "loaded.txt").read_text().split("\n"))


def test_a_run_that_uses_no_fixture_loads_nothing(tmp_path: Path) -> None:
    loaded = loaded_at_the_end(tmp_path, "def test_nothing():\n    pass\n")
    assert "pytest_streamval.plugin" in loaded
    assert not loaded & FORBIDDEN
    assert {name for name in loaded if name.startswith("pytest_streamval")} == {
        "pytest_streamval",
        "pytest_streamval.plugin",
        "pytest_streamval.plugin.hooks",
        "pytest_streamval.recordings",
        "pytest_streamval.recordings.modes",  # an enum, for the choices of an option
        "pytest_streamval.scripting",
        "pytest_streamval.scripting.stalls",  # a list, for the limit of stalls
    }


def test_the_check_sees_what_a_fixture_loads(tmp_path: Path) -> None:
    test = "def test_something(stream_script):\n    list(stream_script('x').play_sync())\n"
    assert "asyncio" in loaded_at_the_end(tmp_path, test)
