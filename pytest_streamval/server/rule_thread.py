"""`RuleThread`: the thread in which a server calls its rule, outside the event loop of the servers."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.server.server_thread import AnsweringThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.journal import ServedRequest


class RuleResult(NamedTuple):
    """The result of one call of a rule."""

    value: object = None
    """The value that the rule returned."""
    error: BaseException | None = None
    """The error that it raised, of any class. No error may end the event loop of the servers."""


class RuleThread:
    """A thread that calls the rule of one server for one request after the other. It runs while there are requests.

    A rule is the user's code. It may block, close its own server or open another one, and delays no other server.
    """

    def __init__(self, rule: Callable[[ServedRequest], object]) -> None:
        self.on_called: Callable[[ServedRequest], object]
        """Called in the thread after each call of the rule, so that the next call sees the request in the journal."""
        self._rule = rule
        self._context = copy_context()  # that of the test that creates the server
        self._lock = threading.Lock()
        self._waiting: deque[tuple[ServedRequest, Future[RuleResult]]] = deque()
        self._is_running = False

    async def call(self, request: ServedRequest) -> RuleResult:
        """Return the rule's result for a request. If this is cancelled, a call that has begun goes on."""
        future: Future[RuleResult] = Future()
        with self._lock:
            self._waiting.append((request, future))
            starts, self._is_running = not self._is_running, True
        if starts:
            AnsweringThread(target=self._call_all, name="streamval server rule", daemon=True).start()
        return await asyncio.wrap_future(future)

    def _call_all(self) -> None:
        while (waiting := self._next_waiting()) is not None:
            request, future = waiting
            if future.set_running_or_notify_cancel():  # its client has not left
                future.set_result(self._context.run(self._call, request))

    def _next_waiting(self) -> tuple[ServedRequest, Future[RuleResult]] | None:
        with self._lock:
            self._is_running = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _call(self, request: ServedRequest) -> RuleResult:
        try:
            return RuleResult(self._rule(request))
        except BaseException as error:  # noqa: BLE001  # the response to the request reports it
            return RuleResult(error=error)
        finally:
            self.on_called(request)
