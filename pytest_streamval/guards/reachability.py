"""Who still holds something: what a fixture can reach, it may end in its teardown."""

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

_LIMIT = 50_000  # objects that are looked at
# From these everything can be reached, or what only happens to be noted there: a mock knows all calls, and holds none.
_OPAQUE = (
    type,
    ModuleType,
    FrameType,
    TracebackType,
    CodeType,
    Context,
    asyncio.AbstractEventLoop,
    StreamingMockBackend,
    str,
    bytes,
    int,
    float,
)

_OPAQUE_MODULES = ("_pytest.", "pytest_streamval.guards.")  # a guard knows everything that a test has started


def held_among(things: Iterable[object], holders: Iterable[object]) -> set[int]:
    """Return the ids of those things that can be reached from the holders."""
    wanted = {id(thing) for thing in things}
    seen: dict[int, object] = {}  # the objects too, so that no id is given out anew meanwhile
    found: set[int] = set()
    todo: deque[object] = deque()
    for holder in holders:
        todo.extend(gc.get_referents(holder))
    while todo and found != wanted and len(seen) < _LIMIT:
        each = todo.popleft()
        if id(each) in seen:
            continue
        seen[id(each)] = each
        if id(each) in wanted:
            found.add(id(each))
        if not _is_opaque(each):
            todo.extend(each.__closure__ or () if type(each) is FunctionType else gc.get_referents(each))
    return found


def _is_opaque(each: object) -> bool:
    kind = type(each)  # not isinstance(), which asks each for its __class__, and a lazy object loads itself then
    return issubclass(kind, _OPAQUE) or kind.__module__.startswith(_OPAQUE_MODULES)
