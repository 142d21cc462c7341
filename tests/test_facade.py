"""`pytest_streamval` itself: every public name, loaded when it is asked for."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import pytest_streamval

SOURCE = Path(pytest_streamval.__file__)
ROOMS = ("council", "engine", "session", "wire")


def imported_for_type_checkers() -> set[str]:
    tree = ast.parse(SOURCE.read_text(encoding="utf-8"))
    guard = next(node for node in tree.body if isinstance(node, ast.If))
    return {alias.name for node in guard.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_every_listed_name_is_there() -> None:
    for name in pytest_streamval.__all__:
        found = getattr(pytest_streamval, name)
        assert isinstance(found, Mapping) or found.__doc__ is not None, name


def test_the_three_lists_of_names_agree() -> None:
    assert pytest_streamval.__all__ == sorted(pytest_streamval.__all__, key=lambda name: (name[0].islower(), name))
    assert set(pytest_streamval.__all__) == imported_for_type_checkers()
    assert set(pytest_streamval.__all__) == set(pytest_streamval._HOME_OF)
    assert set(pytest_streamval.__all__) <= set(dir(pytest_streamval))


@pytest.mark.parametrize("room", ROOMS)
def test_what_a_room_hands_on_is_importable_from_the_package(room: str) -> None:
    module = importlib.import_module(f"pytest_streamval.{room}")
    for name in module.__all__:
        assert getattr(pytest_streamval, name) is getattr(module, name)


def test_every_error_is_importable_from_the_package() -> None:
    errors = importlib.import_module("pytest_streamval.errors")
    for name, value in vars(errors).items():
        if inspect.isclass(value) and issubclass(value, Exception):
            assert name in pytest_streamval.__all__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = pytest_streamval.Nonsense


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, pytest_streamval; print(*sys.modules)"
    loaded = set(
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    )
    assert "pytest_streamval" in loaded
    assert not loaded & {"asyncio", "dataclasses", "json", "pytest", "pytest_streamval.engine", "ssl"}


@pytest.mark.parametrize("extra", ["httpx2", "opentelemetry", "redis", "rich"])
def test_every_name_is_there_without_the_package_of_an_extra(extra: str) -> None:
    code = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {extra!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
import pytest_streamval
from pytest_streamval import *
assert all(hasattr(pytest_streamval, name) for name in pytest_streamval.__all__)
assert not hasattr(pytest_streamval, "Nonsense")
assert CapturedTelemetry.__name__ == "CapturedTelemetry" and {extra!r} not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
