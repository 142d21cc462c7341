"""`WeakObjects`: a thread-safe collection of weak references."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar
from weakref import ref

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")


class WeakObjects(Generic[T]):
    """Weak references to objects, which are compared by identity.

    A `WeakSet` raises `RuntimeError` if one thread adds to it, or drops an object, while another one iterates over it.
    """

    def __init__(self) -> None:
        self._refs: dict[int, ref[T]] = {}

    def add(self, item: T) -> None:
        """Add an object."""
        refs, key = self._refs, id(item)  # the callback refers only to these

        def forget(gone: ref[T]) -> None:
            if refs.get(key) is gone:  # and not a later object at the same address
                refs.pop(key, None)

        refs[key] = ref(item, forget)

    def __iter__(self) -> Iterator[T]:
        """Iterate over the objects that are alive now."""
        found = (each() for each in list(self._refs.values()))  # list() is one step, in which no other thread adds
        return iter([item for item in found if item is not None])

    def __len__(self) -> int:
        return len(self._refs)

    def __deepcopy__(self, memo: object) -> WeakObjects[T]:
        """Return an empty collection, because the copies of the objects are not known."""
        return type(self)()

    def __reduce__(self) -> tuple[type[WeakObjects[T]], tuple[()]]:
        return type(self), ()
