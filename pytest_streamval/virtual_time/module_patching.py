"""Replacing values for a while: one in a namespace, or one in every module that has a name of its own for it."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from contextlib import ExitStack


def swap(undo: ExitStack, namespace: dict[Any, Any], name: object, value: object) -> None:
    """Put a value into a namespace until the stack is closed.

    Args:
        undo: gets what restores the namespace.
        namespace: `vars()` of a module or of one object, so that its class and its other instances stay as they are.
        name: the key.
        value: what takes the place of what is there, if anything is.
    """
    missing = object()
    before = namespace.get(name, missing)

    def restore() -> None:
        if namespace.get(name, missing) is not value:
            return  # replaced by another one meanwhile, which is its affair
        if before is missing:
            del namespace[name]
        else:
            namespace[name] = before

    undo.callback(restore)
    namespace[name] = value


def swap_attribute(undo: ExitStack, owner: type, name: str, value: object) -> None:
    """Give a class another attribute, in place of one of its own, until the stack is closed."""
    undo.callback(setattr, owner, name, vars(owner)[name])
    setattr(owner, name, value)


class References:
    """Finds the names that `from time import time` gives, and looks again only into modules that have changed in size.

    freezegun does the same by `dir()` and `getattr()`, which takes a second in a process with the SDK of a provider,
    and loads whatever its modules load on first use.
    """

    def __init__(self, left_out: Callable[[], tuple[Container[str], tuple[str, ...]]]) -> None:
        """Find names in every module but those that are left out.

        Args:
            left_out: returns the top-level packages that are, and further packages, each with a dot after its name.
        """
        self._left_out = left_out
        self._sizes: dict[str, tuple[int, int]] = {}
        self._names: dict[str, list[str]] = {}
        self._present: set[str] = set()

    def replace(self, values: Mapping[int, object], undo: ExitStack) -> None:
        """Replace values wherever a module refers to them.

        Args:
            values: what takes the place of which object, by the `id` of that object.
            undo: gets what restores the modules.
        """
        self._present = set(sys.modules)
        for module, namespace in self._namespaces(self._present):
            size = id(namespace), len(namespace)
            if self._sizes.get(module) != size:
                self._sizes[module] = size
                self._names[module] = _names_of(values, namespace)
            for name in self._names[module]:
                if (value := values.get(id(namespace.get(name)))) is not None:
                    swap(undo, namespace, name, value)

    def replace_in_new(self, values: Mapping[int, object]) -> None:
        """Replace values for good in the modules that have come since `replace`."""
        for _, namespace in self._namespaces(sys.modules.keys() - self._present):
            for name in _names_of(values, namespace):
                namespace[name] = values[id(namespace[name])]

    def _namespaces(self, modules: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        packages, beginnings = self._left_out()
        for name in modules:
            if name.partition(".")[0] in packages or f"{name}.".startswith(beginnings):
                continue
            module = sys.modules.get(name)
            # by its type, and past its own attribute access: a lazy module is loaded by being looked at
            if issubclass(type(module), ModuleType):
                yield name, ModuleType.__getattribute__(cast("ModuleType", module), "__dict__")


def _names_of(values: Mapping[int, object], namespace: dict[str, Any]) -> list[str]:
    if values.keys().isdisjoint(map(id, namespace.values())):  # as most are, and this is quick
        return []
    return [name for name, value in list(namespace.items()) if id(value) in values]
