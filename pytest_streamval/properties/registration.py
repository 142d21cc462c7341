"""The strategies that `hypothesis.strategies.from_type` finds for the public values of this package.

Hypothesis calls `register` when it is imported, by the entry point in `pyproject.toml`. The strategies are made when
`from_type` needs them.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

_PACKAGE = "pytest_streamval"


def register() -> None:
    """Register the strategies. Modules of this package are imported by their first use.

    Hypothesis has no public function for that. A version without its table of packages gets all strategies at once.
    """
    from hypothesis.strategies._internal import types

    packages: dict[str, Any] | None = getattr(types, "_global_extra_lookup", None)
    if packages is not None:
        packages[_PACKAGE] = strategy_of
        return
    from hypothesis.strategies import register_type_strategy

    for kind, strategy in strategies().items():
        register_type_strategy(kind, strategy)


def strategy_of(kind: Any) -> SearchStrategy[Any] | None:  # noqa: ANN401  # any type
    """Return the strategy of a public value, None for any other type."""
    if not isinstance(kind, type) or not kind.__module__.startswith(f"{_PACKAGE}."):
        return None
    return strategies().get(kind)


@cache
def strategies() -> Mapping[type[Any], SearchStrategy[Any]]:
    """Return the strategies by the types of their values."""
    from pytest_streamval.properties.values import STRATEGIES

    return STRATEGIES
