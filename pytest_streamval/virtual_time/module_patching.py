"""Temporary replacements: one in a namespace, or one in every module that has its own name for the value."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping
    from contextlib import ExitStack


def patch_item(undo: ExitStack, namespace: dict[Any, Any], name: object, value: object) -> None:
    """Set an item of a namespace until the stack is closed.

    Args:
        undo: Receives the callback that restores the namespace.
        namespace: The `vars()` of a module or an object. The object's class and its other instances are not changed.
        name: The key.
        value: The temporary value.
    """
    missing = object()
    before = namespace.get(name, missing)

    def restore() -> None:
        if namespace.get(name, missing) is not value:
            return  # other code has replaced it, and restores it
        if before is missing:
            del namespace[name]
        else:
            namespace[name] = before

    undo.callback(restore)
    namespace[name] = value


def patch_attribute(undo: ExitStack, owner: type, name: str, value: object) -> None:
    """Replace an attribute of a class until the stack is closed."""
    undo.callback(setattr, owner, name, vars(owner)[name])
    setattr(owner, name, value)


class ModulePatcher:
    """Replaces the names that `from time import time` creates, and rescans only modules whose size has changed.

    freezegun does the same with `dir()` and `getattr()`. This takes a second in a process with the SDK of a provider,
    and loads the lazy parts of modules.
    """

    def __init__(self, excluded: Callable[[], tuple[Container[str], tuple[str, ...]]]) -> None:
        """Create a patcher for all modules except some.

        Args:
            excluded: Returns the excluded top-level packages, and further prefixes of module names that end in a dot.
        """
        self._excluded = excluded
        self._sizes: dict[str, tuple[int, int]] = {}
        self._names: dict[str, list[str]] = {}
        self._present: set[str] = set()

    def patch(self, values: Mapping[int, object], undo: ExitStack) -> None:
        """Replace values in every module that refers to them.

        Args:
            values: The replacement of each object, by the object's `id`.
            undo: Receives the callbacks that restore the modules.
        """
        self._present = set(sys.modules)
        for module, namespace in self._namespaces(self._present):
            size = id(namespace), len(namespace)
            if self._sizes.get(module) != size:
                self._sizes[module] = size
                self._names[module] = _names_of(values, namespace)
            for name in self._names[module]:
                if (value := values.get(id(namespace.get(name)))) is not None:
                    patch_item(undo, namespace, name, value)

    def replace_in_new_modules(self, values: Mapping[int, object]) -> None:
        """Replace values permanently in the modules that were loaded since `patch`."""
        for _, namespace in self._namespaces(sys.modules.keys() - self._present):
            for name in _names_of(values, namespace):
                namespace[name] = values[id(namespace[name])]

    def _namespaces(self, modules: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        packages, prefixes = self._excluded()
        for name in modules:
            if name.partition(".")[0] in packages or f"{name}.".startswith(prefixes):
                continue
            module = sys.modules.get(name)
            # type() and ModuleType.__getattribute__, because an attribute access would load a lazy module
            if issubclass(type(module), ModuleType):
                yield name, ModuleType.__getattribute__(cast("ModuleType", module), "__dict__")


def _names_of(values: Mapping[int, object], namespace: dict[str, Any]) -> list[str]:
    if values.keys().isdisjoint(map(id, namespace.values())):  # quick, and true of most modules
        return []
    return [name for name, value in list(namespace.items()) if id(value) in values]
