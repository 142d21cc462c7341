"""The façade: every public name is importable from `pytest_streamval`, and is loaded on first use."""

from __future__ import annotations

import importlib
import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_streamval
from tools.stubs import LAZY_MODULES, path_of, stub_of

ROOT = Path(pytest_streamval.__file__).parents[1]


@pytest.mark.parametrize("lazy", LAZY_MODULES)
def test_every_name_of_a_table_is_importable(lazy: str) -> None:
    module = importlib.import_module(lazy)
    for name in module.__all__:
        value = getattr(module, name)
        assert name in dir(module)
        assert value.__doc__ or not (inspect.isclass(value) or inspect.isfunction(value)), f"{name} has no docstring"


@pytest.mark.parametrize("lazy", LAZY_MODULES)
def test_a_stub_has_the_names_of_its_table(lazy: str) -> None:
    assert path_of(lazy).read_text(encoding="utf-8") == stub_of(lazy), "run: python3 -m tools.stubs"


@pytest.mark.parametrize("lazy", LAZY_MODULES)
def test_a_table_has_each_name_once(lazy: str) -> None:
    names = importlib.import_module(lazy).__all__
    assert len(names) == len(set(names))


def test_every_name_of_the_top_level_is_mentioned_in_the_docs() -> None:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    words = {word for page in pages for word in re.findall(r"\w+", page.read_text(encoding="utf-8"))}
    missing = [name for name in pytest_streamval.__all__ if name not in words]
    assert missing == [], "document these names, or move them to pytest_streamval.typing, .errors or .wire"


@pytest.mark.parametrize("room", ["council", "engine", "session", "virtual_time", "conformance", "server"])
def test_a_name_of_a_room_is_the_same_object_in_the_facade(room: str) -> None:
    module = importlib.import_module(f"pytest_streamval.{room}")
    typing = importlib.import_module("pytest_streamval.typing")
    for name in module.__all__:
        facade = pytest_streamval if name in pytest_streamval.__all__ else typing
        assert getattr(facade, name) is getattr(module, name)


def test_every_error_of_the_top_level_is_in_the_module_of_errors() -> None:
    errors = importlib.import_module("pytest_streamval.errors")
    for name in pytest_streamval.__all__:
        value = getattr(pytest_streamval, name)
        if inspect.isclass(value) and issubclass(value, Exception):
            assert getattr(errors, name) is value


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"^module 'pytest_streamval' has no attribute 'Nonsense'$"):
        _ = pytest_streamval.Nonsense


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, pytest_streamval, pytest_streamval.typing; print(*sys.modules)"
    # without the variables of coverage, which would load modules first
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    loaded = set(done.stdout.split())
    assert "pytest_streamval" in loaded
    assert not loaded & {"asyncio", "dataclasses", "json", "pytest", "pytest_streamval.engine", "ssl"}


BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""
"""Code that makes packages as absent as if they were not installed."""


def run_without(absent: set[str], code: str) -> str:
    """Run code in a process of its own in which packages are not installed, and return its output."""
    script = BLOCKED.format(absent=absent) + code
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("extra", ["httpx2", "opentelemetry", "redis", "rich", "uvicorn"])
def test_every_name_is_there_without_the_package_of_an_extra(extra: str) -> None:
    code = f"""
import pytest_streamval
from pytest_streamval import *
import pytest_streamval.typing
for module in (pytest_streamval, pytest_streamval.typing):
    assert all(hasattr(module, name) for name in module.__all__)
    assert not hasattr(module, "Nonsense")
assert StreamingMockBackend.__name__ == "StreamingMockBackend" and {extra!r} not in sys.modules
"""
    run_without({extra}, code)


EXTRAS = {"httpx2", "opentelemetry", "redis", "rich", "uvicorn"}
"""The packages of the extras."""

IMPORT_ALL = """
import pkgutil
from importlib import import_module
import pytest_streamval

for found in pkgutil.walk_packages(pytest_streamval.__path__, "pytest_streamval."):
    if found.name.startswith("pytest_streamval.plugin"):
        continue
    try:
        import_module(found.name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {extras!r}:
            raise
    else:
        print(found.name)
for name in pytest_streamval.__all__:
    getattr(pytest_streamval, name)
"""


def test_everything_but_the_plugin_is_importable_without_pytest() -> None:
    # walk_packages() imports each package to look inside, the plugin's too, which needs nothing for that.
    imported = run_without({"pytest", "_pytest", "pluggy"}, IMPORT_ALL.format(extras=EXTRAS)).split()
    assert {"pytest_streamval.engine.thunk", "pytest_streamval.conformance", "pytest_streamval.typing"} <= set(imported)
    assert len(imported) > 50
