"""The objects that a fixture can reach. The fixture may end them in its teardown."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from contextvars import Context
from types import CodeType, FrameType, FunctionType, ModuleType, TracebackType
from typing import TYPE_CHECKING

from pytest_streamval.scripting.mock import StreamingMockBackend

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIMIT = 50_000  # objects that are examined
# Everything can be reached from these, or they record objects without owning them, as a mock records its calls.
_WITH_EVERYTHING = type, ModuleType, FrameType, TracebackType, CodeType, Context, asyncio.AbstractEventLoop
_OPAQUE = (*_WITH_EVERYTHING, StreamingMockBackend, str, bytes, int, float)
_OPAQUE_MODULES = ("_pytest.", "pytest_streamval.guards.")  # a guard refers to everything that a test has started


def find_reachable(targets: Iterable[object], roots: Iterable[object]) -> set[int]:
    """Return the ids of the targets that can be reached from the roots."""
    wanted = {id(target) for target in targets}
    seen: dict[int, object] = {}  # keeps the objects, so that no id is reused during the search
    found: set[int] = set()
    queue: deque[object] = deque()
    for root in roots:
        queue.extend(gc.get_referents(root))
    while queue and found != wanted and len(seen) < _LIMIT:
        each = queue.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if id(each) in wanted:
            found.add(id(each))
        if not _is_opaque(each):
            queue.extend(each.__closure__ or () if type(each) is FunctionType else gc.get_referents(each))
    return found


def _is_opaque(each: object) -> bool:
    kind = type(each)  # isinstance() reads __class__, which would load a lazy object
    return issubclass(kind, _OPAQUE) or kind.__module__.startswith(_OPAQUE_MODULES)
