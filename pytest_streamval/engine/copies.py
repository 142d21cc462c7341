"""Copies of an object that collects data on itself: they have their own containers and share everything else."""

from __future__ import annotations

from array import array
from collections import UserDict, UserList, deque
from copy import copy
from types import MemberDescriptorType, MethodType
from typing import Any, TypeVar, cast

T = TypeVar("T")

_CONTAINERS = (list, dict, set, deque, bytearray, array, UserDict, UserList)


def with_own_containers(original: T) -> T:
    """Return a copy of an object without a call of its `__init__`.

    Containers are copied at any depth, each once, and bound methods of the original become methods of the copy. All
    other objects are shared, such as a client, a lock or a record for several copies.
    """
    kind = type(original)
    twin = kind.__new__(kind)
    copies: dict[int, Any] = {id(original): twin}
    for base in kind.__mro__:
        for slot in vars(base).values():
            if isinstance(slot, MemberDescriptorType) and hasattr(slot, "__set__"):
                _copy_slot(slot, original, twin, copies)
    for name, value in getattr(original, "__dict__", {}).items():
        twin.__dict__[name] = _copied(value, copies)
    return twin


def _copy_slot(slot: MemberDescriptorType, original: object, twin: object, copies: dict[int, Any]) -> None:
    try:
        value = slot.__get__(original)
    except AttributeError:  # it was never set
        return
    slot.__set__(twin, _copied(value, copies))


def _copied(value: Any, copies: dict[int, Any]) -> Any:  # noqa: ANN401  # any attribute's value
    if id(value) in copies:
        return copies[id(value)]
    if isinstance(value, MethodType) and id(value.__self__) in copies:
        return MethodType(value.__func__, copies[id(value.__self__)])
    if isinstance(value, tuple):
        return _copied_tuple(value, copies)
    if not isinstance(value, _CONTAINERS):
        return value
    twin: Any = copy(value)
    copies[id(value)] = twin
    if isinstance(value, dict | UserDict):
        items: Any = value.items()
    elif isinstance(value, list | deque | UserList):
        items = enumerate(value)
    else:  # a set, bytearray or array contains no containers
        return twin
    for key, item in items:
        own = _copied(item, copies)
        if own is not item:
            twin[key] = own
    return twin


def _copied_tuple(value: tuple[Any, ...], copies: dict[int, Any]) -> tuple[Any, ...]:
    items = [_copied(item, copies) for item in value]
    if all(own is item for own, item in zip(items, value, strict=True)):
        return value
    make = getattr(type(value), "_make", tuple)  # a named tuple remains one
    return cast("tuple[Any, ...]", make(items))
