"""The markers of the tests that need a live model, which are skipped without `--streamval-live`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.plugin.options import LIVE_MARKERS, live_marker_names

if TYPE_CHECKING:
    from collections.abc import Iterable

HOW_TO_RUN = "run with --streamval-live"
"""The end of the reason for which such a test is skipped."""


class LiveMarkers:
    """Finds the tests that need a live model. A marker that the project has registered too may mean something else."""

    def __init__(self, config: pytest.Config) -> None:
        """Read the markers that the project has registered, and those that it chose with `streamval_gate`.

        Args:
            config: The configuration, after all plugins and conftest files have registered their markers.

        Raises:
            pytest.UsageError: If `streamval_gate` names a marker that is not registered.
        """
        registered = [re.split("[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers")]
        chosen: list[str] = config.getini("streamval_gate")
        if unknown := [name for name in chosen if name not in registered]:
            raise pytest.UsageError(
                f"Invalid streamval_gate: {unknown[0]!r}. It must list registered markers. Register this one with "
                "the ini value markers, or remove it."
            )
        self._always = frozenset(chosen) | {name for name in LIVE_MARKERS if registered.count(name) == 1}
        self._names = live_marker_names(config)

    def marker_of(self, item: pytest.Item) -> str | None:
        """Return the marker because of which a test needs a live model, None if it needs none."""
        for name in self._names:
            if item.get_closest_marker(name) is not None and (name in self._always or _uses_this_plugin(item)):
                return name
        return None


def _uses_this_plugin(item: pytest.Item) -> bool:
    """Return whether a test uses a fixture of this plugin, or is an example script."""
    examples = sys.modules.get("pytest_streamval.plugin.examples")  # loaded if there are any
    if examples is not None and isinstance(item, examples.ExampleScript):
        return True
    info = getattr(item, "_fixtureinfo", None)  # only Python functions have it
    return info is not None and any(
        _is_of_this_plugin(name, definitions) for name, definitions in info.name2fixturedefs.items()
    )


def _is_of_this_plugin(name: str, definitions: Iterable[pytest.FixtureDef[object]]) -> bool:
    """Return whether the fixture of a name is this plugin's, or a fixture of the project that uses this plugin's."""
    *others, last = definitions
    used = [*others, last] if name in last.argnames else [last]
    return any(each.func.__module__ == "pytest_streamval.plugin.fixtures" for each in used)
