"""Which tests need a live model: those that are skipped without `--streamval-live`."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Collection

WITHOUT = "run with --streamval-live"
"""The end of the reason for which such a test is skipped."""


class Gating:
    """Tells the tests that need a live model from those whose marker of the same name is the project's own."""

    def __init__(self, config: pytest.Config, own: Collection[str]) -> None:
        """Read which markers the project has registered itself, and which of them it puts under the gate.

        Args:
            config: after all plugins and conftest files have registered their markers.
            own: the markers of live tests that this plugin registers, each once.

        Raises:
            pytest.UsageError: If `streamval_gate` names a marker that is not registered.
        """
        registered = [re.split("[:(]", line, maxsplit=1)[0].strip() for line in config.getini("markers")]
        chosen: list[str] = config.getini("streamval_gate")
        if unknown := [name for name in chosen if name not in registered]:
            msg = (
                f"Invalid streamval_gate: {unknown[0]!r}. It must list registered markers. Register this one with "
                "the ini value markers, or remove it."
            )
            raise pytest.UsageError(msg)
        self._always = frozenset(chosen) | {name for name in own if registered.count(name) == 1}
        self._names = tuple(dict.fromkeys([*own, *chosen]))

    def marker_of(self, item: pytest.Item) -> str | None:
        """Return the marker for which a test needs a live model, None if it needs none."""
        for name in self._names:
            if item.get_closest_marker(name) is not None and (name in self._always or _uses_this_plugin(item)):
                return name
        return None


def _uses_this_plugin(item: pytest.Item) -> bool:
    """Return whether a test takes a fixture of this plugin, or is an example script."""
    examples = sys.modules.get("pytest_streamval.plugin.examples")  # loaded, if there are any
    if examples is not None and isinstance(item, examples.ExampleScript):
        return True
    info = getattr(item, "_fixtureinfo", None)
    if info is None:  # not a Python function
        return False
    for name, definitions in info.name2fixturedefs.items():
        # a project's fixture of the same name replaces this plugin's, unless it takes it
        used = definitions if name in definitions[-1].argnames else definitions[-1:]
        if any(each.func.__module__.startswith("pytest_streamval.plugin.") for each in used):
            return True
    return False
