"""Replacing a value for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextlib import ExitStack


def swap(undo: ExitStack, namespace: dict[Any, Any], name: object, value: object) -> None:
    """Put a value into a namespace until the stack is closed.

    Args:
        undo: gets what restores the namespace.
        namespace: `vars()` of a module or of one object, so that its class and its other instances stay as they are.
        name: the key.
        value: what takes the place of what is there, if anything is.
    """
    if name in namespace:
        undo.callback(namespace.__setitem__, name, namespace[name])
    else:
        undo.callback(namespace.pop, name, None)
    namespace[name] = value
