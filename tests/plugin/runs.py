"""Runs of pytest inside a test."""

from __future__ import annotations

import pytest

# Every new process loads its plugins again. These few load in a third of the time of all plugins.
_FEW = ("xdist.plugin", "pytest_streamval.plugin", "pytest_asyncio.plugin", "syrupy")


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in this process, which takes a fraction of the time of a new one. Workers load few plugins."""
    if "-n" not in options:
        return pytester.runpytest_inprocess(*options)
    with pytest.MonkeyPatch.context() as patch:
        return pytester.runpytest_inprocess(*few_plugins(patch), *options)


def run_in_new_process(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in a process with few plugins, for tests that change the modules or the state of a process."""
    with pytest.MonkeyPatch.context() as patch:
        return pytester.runpytest_subprocess(*few_plugins(patch), *options)


def few_plugins(patch: pytest.MonkeyPatch) -> list[str]:
    """Load no plugin automatically, and return the options that load few."""
    patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # in this process they are loaded already, and pytest warns that it cannot rewrite their assertions
    return ["-W", "ignore::pytest.PytestAssertRewriteWarning", *(word for name in _FEW for word in ("-p", name))]


def plugin_lines(result: pytest.RunResult) -> list[str]:
    """Return the lines that the plugin has printed, without the one in the header."""
    lines = [line.removeprefix("streamval: ") for line in result.outlines if line.startswith("streamval: ")]
    return [line for line in lines if ", clock: " not in line]
