"""`RuleThread`: the thread in which a server calls its rule, apart from the event loop of all servers."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from concurrent.futures import Future
from contextvars import copy_context
from typing import TYPE_CHECKING, NamedTuple

from pytest_streamval.server.loop_thread import AnsweringThread

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.journal import ServedRequest


class Chosen(NamedTuple):
    """The outcome of one call of a rule."""

    value: object = None
    """The value that the rule returned."""
    error: BaseException | None = None
    """The error that it raised, of whatever class: none of them may end the event loop of the servers."""


class RuleThread:
    """Calls the rule of one server, for one request after the other, in a thread that lives while there are requests.

    A rule is the user's code. It may block, close its own server or open another one, and delays no other server.
    """

    def __init__(self, rule: Callable[[ServedRequest], object]) -> None:
        self.called: Callable[[ServedRequest], object]
        """Called in the thread when the rule has chosen, before its next call, so that this one sees the request."""
        self._rule = rule
        self._context = copy_context()  # that of the test that makes the server
        self._lock = threading.Lock()
        self._waiting: deque[tuple[ServedRequest, Future[Chosen]]] = deque()
        self._runs = False

    async def choose(self, request: ServedRequest) -> Chosen:
        """Return the rule's choice for a request; a call that has begun goes on if this is cancelled."""
        answer: Future[Chosen] = Future()
        with self._lock:
            self._waiting.append((request, answer))
            begins, self._runs = not self._runs, True
        if begins:
            AnsweringThread(target=self._call_all, name="streamval server rule", daemon=True).start()
        return await asyncio.wrap_future(answer)

    def _call_all(self) -> None:
        """Call the rule until no request waits for it."""
        while (following := self._next()) is not None:
            request, answer = following
            if answer.set_running_or_notify_cancel():  # its client is still there
                answer.set_result(self._context.run(self._call, request))

    def _next(self) -> tuple[ServedRequest, Future[Chosen]] | None:
        with self._lock:
            self._runs = bool(self._waiting)
            return self._waiting.popleft() if self._waiting else None

    def _call(self, request: ServedRequest) -> Chosen:
        try:
            return Chosen(self._rule(request))
        except BaseException as error:  # noqa: BLE001  # handed to the request's own answer
            return Chosen(error=error)
        finally:
            self.called(request)
