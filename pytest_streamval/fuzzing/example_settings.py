"""The settings of a test for Hypothesis whose fixtures begin anew with each example."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS = "_hypothesis_internal_use_settings"  # the attribute that `@given` and the plugin of Hypothesis read


@contextmanager
def reusable_fixtures(test: Any) -> Iterator[None]:  # noqa: ANN401  # a function or a method
    """Declare meanwhile that the fixtures of a test may be reused for all examples.

    Args:
        test: The function that `@given` has returned.
    """
    function = getattr(test, "__func__", test)
    before: settings = getattr(function, _SETTINGS, None) or settings()  # the default ones
    suppressed = {HealthCheck.function_scoped_fixture, *before.suppress_health_check}
    setattr(function, _SETTINGS, settings(before, suppress_health_check=suppressed))
    try:
        yield
    finally:
        setattr(function, _SETTINGS, before)
