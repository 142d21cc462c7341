"""The start of a run that does not use the plugin's fixtures: it loads as little as possible."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FORBIDDEN = {"asyncio", "ssl", "hypothesis", "syrupy", "freezegun", "httpx2", "rich", "opentelemetry", "jinja2", "h11"}

CONFTEST = """
import sys
from pathlib import Path

def pytest_sessionfinish(session):
    Path("loaded.txt").write_text("\\n".join(sys.modules))
"""


def modules_at_the_end(folder: Path, test: str, ini: str = "") -> set[str]:
    """Run a test with this plugin alone, and return the names of the modules that are loaded at the end."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_it.py").write_text(test)
    (folder / "pytest.ini").write_text(f"[pytest]\n{ini}")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "pytest_streamval.plugin", "-p", "no:cacheprovider", "-q"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return set((folder / "loaded.txt").read_text().split("\n"))


@pytest.mark.parametrize(
    ("test", "ini", "more"),
    [
        ("def test_nothing():\n    pass\n", "", set()),
        (
            "import pytest\n\n@pytest.mark.e2e\ndef test_of_the_project():\n    pass\n",
            "markers = e2e: needs a browser\n",
            {"pytest_streamval.plugin.live_markers"},
        ),
    ],
    ids=["no fixture", "a marker of the project"],
)
def test_a_run_without_fixtures_loads_few_modules(tmp_path: Path, test: str, ini: str, more: set[str]) -> None:
    loaded = modules_at_the_end(tmp_path, test, ini)
    assert "pytest_streamval.plugin" in loaded
    assert not loaded & FORBIDDEN
    assert {name for name in loaded if name.startswith("pytest_streamval")} == {
        "pytest_streamval",
        "pytest_streamval._lazy",
        "pytest_streamval.plugin",
        "pytest_streamval.plugin.fixtures",
        "pytest_streamval.plugin.hooks",
        "pytest_streamval.plugin.options",
        "pytest_streamval.recordings",
        "pytest_streamval.recordings.record_modes",  # an enum, for the choices of an option
        "pytest_streamval.scripting",
        "pytest_streamval.scripting.stall_hook",  # a list, for the limit of stalls
        *more,
    }


def test_a_run_with_a_fixture_loads_asyncio(tmp_path: Path) -> None:
    test = "def test_something(stream_script):\n    list(stream_script('x').play_sync())\n"
    assert "asyncio" in modules_at_the_end(tmp_path, test)
