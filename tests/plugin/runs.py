"""Runs of pytest inside a test."""

from __future__ import annotations

import pytest

# Every process that pytest-xdist starts loads its plugins again: these few load in a third of the time of all.
_OF_WORKERS = ("xdist.plugin", "pytest_streamval.plugin", "pytest_asyncio.plugin", "syrupy")


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Run pytest in this process, which takes a fraction of the time of a new one. Workers (`-n`) load few plugins."""
    if "-n" not in options:
        return pytester.runpytest_inprocess(*options)
    plugins = [word for name in _OF_WORKERS for word in ("-p", name)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
        return pytester.runpytest_inprocess(*plugins, *options)


def plugin_lines(result: pytest.RunResult) -> list[str]:
    """Return the lines that the plugin has printed, without the one in the header."""
    lines = [line.removeprefix("streamval: ") for line in result.outlines if line.startswith("streamval: ")]
    return [line for line in lines if ", clock: " not in line]
