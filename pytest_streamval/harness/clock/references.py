"""Names that modules have of their own for a function of another module, as `from time import time` gives them."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pytest_streamval.harness.clock.swap import swap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import ExitStack


class References:
    """Finds such names, and looks again only into modules that have changed in size.

    freezegun does the same by `dir()` and `getattr()`, which takes a second in a process with the SDK of a provider,
    and loads whatever its modules load on first use.
    """

    def __init__(self, left_out: Callable[[str], bool]) -> None:
        """Find names in every module but those whose name is left out."""
        self._left_out = left_out
        self._sizes: dict[str, tuple[int, int]] = {}
        self._names: dict[str, list[str]] = {}

    def replace(self, values: Mapping[int, object], undo: ExitStack) -> None:
        """Replace values wherever a module refers to them.

        Args:
            values: what takes the place of which object, by the `id` of that object.
            undo: gets what restores the modules.
        """
        for module, namespace in self._namespaces():
            size = id(namespace), len(namespace)
            if self._sizes.get(module) != size:
                self._sizes[module] = size
                self._names[module] = _names_of(values, namespace)
            for name in self._names[module]:
                if (value := values.get(id(namespace.get(name)))) is not None:
                    swap(undo, namespace, name, value)

    def replace_in_new(self, values: Mapping[int, object]) -> None:
        """Replace values for good in modules that have come, or have grown, since `replace`."""
        for module, namespace in self._namespaces():
            if self._sizes.get(module) != (id(namespace), len(namespace)):
                for name in _names_of(values, namespace):
                    namespace[name] = values[id(namespace[name])]

    def _namespaces(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, module in list(sys.modules.items()):
            # by its type, and past its own attribute access: a lazy module is loaded by being looked at
            if issubclass(type(module), ModuleType) and not self._left_out(name):
                yield name, ModuleType.__getattribute__(module, "__dict__")


def _names_of(values: Mapping[int, object], namespace: dict[str, Any]) -> list[str]:
    if values.keys().isdisjoint(map(id, namespace.values())):  # as most are, and this is quick
        return []
    return [name for name, value in list(namespace.items()) if id(value) in values]
