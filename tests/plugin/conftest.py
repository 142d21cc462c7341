"""Preparation for runs of pytest in a test."""

from __future__ import annotations

import importlib
import pkgutil

import hypothesis.database  # noqa: F401  # as below
import pytest

import pytest_streamval

# pytester removes the modules that a run has loaded. Loading them again would take most of the time of these tests, and
# classes of two copies of this package would not be equal.
for module in pkgutil.walk_packages(pytest_streamval.__path__, "pytest_streamval."):
    importlib.import_module(module.name)


@pytest.fixture(autouse=True)
def _no_settings_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the variables that change the output of pytest and its plugins, on a build server or in a worker."""
    for name in ("CI", "BUILD_NUMBER", "PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
