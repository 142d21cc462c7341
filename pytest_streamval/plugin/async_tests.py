"""The functions of async tests, wrapped for every plugin that may run them."""

from __future__ import annotations

import inspect
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest


@contextmanager
def wrapped_async_test(item: pytest.Item, wrap: Callable[[Any], Any]) -> Iterator[None]:
    """Wrap the function of an async test, and the one that Hypothesis calls for each example.

    Args:
        item: The test. Another test than an async one stays as it is.
        wrap: Returns the wrapper of a coroutine function.
    """
    with ExitStack() as undo:
        test = getattr(item, "obj", None)
        for owner, name in ((item, "obj"), (getattr(test, "hypothesis", None), "inner_test")):
            function = getattr(owner, name, None)
            if inspect.iscoroutinefunction(function):
                setattr(owner, name, wrap(function))
                undo.callback(setattr, owner, name, function)
        yield
