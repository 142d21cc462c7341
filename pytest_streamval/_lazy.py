"""The lazy loading of public names: each name's module is imported on first use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Homes = Mapping[str, tuple[str, ...]]


def all_names(homes: Homes) -> list[str]:
    """Return all names of a table, classes before functions."""
    return sorted((name for names in homes.values() for name in names), key=lambda name: (name[0].islower(), name))


def lazy_names(module: str, homes: Homes) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return the functions `__getattr__` and `__dir__` of a module whose names are loaded on first use.

    Args:
        module: The name of the module.
        homes: The names by the module that defines them, relative to `pytest_streamval`. A name can be that of a
            submodule.
    """
    home_of = {name: home for home, names in homes.items() for name in names}
    namespace = vars(sys.modules[module])

    def load(name: str) -> Any:  # noqa: ANN401  # type checkers read the stub
        if name not in home_of:
            message = f"module {module!r} has no attribute {name!r}"
            raise AttributeError(message)
        home = __import__(f"pytest_streamval.{home_of[name]}", fromlist=[name])
        value = namespace[name] = getattr(home, name)
        return value

    def names() -> list[str]:
        return sorted(namespace.keys() | home_of.keys())

    return load, names
