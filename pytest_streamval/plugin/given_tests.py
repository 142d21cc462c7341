"""Tests with `@given`: the fixtures of this plugin begin anew with each example of Hypothesis."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Resets = list[Callable[[], object]]

_OURS = "pytest_streamval.plugin."
_RESETS: pytest.StashKey[Resets] = pytest.StashKey()


def before_each_example(item: pytest.Item, reset: Callable[[], object]) -> None:
    """Call `reset` before each example, if Hypothesis runs the test."""
    item.stash.setdefault(_RESETS, []).append(reset)


@contextmanager
def given_test(item: Any) -> Iterator[None]:  # noqa: ANN401  # its attributes depend on its class
    """Run a test with `@given`, whose fixtures of this plugin need no health check.

    If a fixture of another plugin or of the user's own has the scope of a function too, Hypothesis checks it. The
    error then has a note that names these fixtures.
    """
    others = sorted(_other_fixtures(item))
    with ExitStack() as undo:
        if resets := item.stash.get(_RESETS, None):
            handle = item.obj.hypothesis
            undo.callback(setattr, handle, "inner_test", handle.inner_test)
            # anyio's plugin replaces its own wrapper of the inner test, so the wrapper is skipped here
            handle.inner_test = _resetting(
                getattr(handle.inner_test, "_anyio_original_func", handle.inner_test), resets
            )
        if not others:
            from pytest_streamval.fuzzing.example_settings import reusable_fixtures  # loads Hypothesis

            undo.enter_context(reusable_fixtures(item.obj))
        try:
            yield
        except BaseException as error:
            if others and type(error).__name__ == "FailedHealthCheck":
                verb = "is" if len(others) == 1 else "are"
                error.add_note(
                    "The fixtures of pytest-streamval begin anew with each example. "
                    f"{listed(others, len(others))} {verb} not reset. Give such a fixture a wider scope, or make its "
                    "value in the test."
                )
            raise


def _resetting(test: Any, resets: Resets) -> Any:  # noqa: ANN401  # a function of either kind
    """Return a test that resets the fixtures before each example."""

    @wraps(test)
    async def async_example(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        for reset in resets:
            reset()
        return await test(*args, **kwargs)

    @wraps(test)
    def example(*args: object, **kwargs: object) -> object:
        __tracebackhide__ = True
        for reset in resets:
            reset()
        return test(*args, **kwargs)

    return async_example if iscoroutinefunction(test) else example


def _other_fixtures(item: Any) -> set[str]:  # noqa: ANN401  # as above
    """Return the fixtures of a test's arguments that have the scope of a function and are not of this plugin."""
    given = set(signature(item.function).parameters)
    # as Hypothesis finds them: the test's own knowledge has its parameters, too
    manager = item._request._fixturemanager
    found = manager.getfixtureinfo(node=item, func=item.function, cls=None).name2fixturedefs
    return {
        name
        for name in given.intersection(found)
        if found[name][-1].scope == "function" and not found[name][-1].func.__module__.startswith(_OURS)
    }
