"""The site: what of a server lives in its thread, and answers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from pytest_streamval.errors import UnscriptedRequestError
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.stream_recorder import body_of, path_of
from pytest_streamval.server.actions import Break, Work
from pytest_streamval.server.connection import Connection
from pytest_streamval.server.journal import Journal, ServedRequest
from pytest_streamval.server.proxy import Proxy, nothing
from pytest_streamval.server.rechunking import recut
from pytest_streamval.server.rendering import Question, answered, kind_of
from pytest_streamval.server.routes import Fact, Output, Refusal, routed
from pytest_streamval.wire.exchange import ParsedRequest
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    import socket
    from collections.abc import Awaitable, Callable, Sequence

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.server.connection import Incoming
    from pytest_streamval.server.rule_thread import Chosen, RuleThread
    from pytest_streamval.server.script_queue import Casting

_ACCEPTING = 3  # turns of the event loop from accepting a connection to its `connection_made`


class Site:
    """What of a server lives in its thread."""

    def __init__(
        self,
        casting: Casting,
        journal: Journal,
        *,
        models: Sequence[str],
        body_limit: int,
        cut: Cut | None,
        proxy: Proxy | None,
    ) -> None:
        self.body_limit = body_limit
        self.connections: set[Connection] = set()
        self._casting = casting
        self._journal = journal
        self._models = tuple(models)
        self._proxy = proxy
        self._cut = cut
        self._numbers = count(1)
        self._undecided: set[ServedRequest] = set()  # those for which the rule has not chosen yet
        self._server: asyncio.Server | None = None
        if casting.rule is not None:
            casting.rule.called = self._decided

    async def open(self, listening: socket.socket) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listening)

    async def close(self) -> None:
        """Take no more, and end those that are there."""
        if self._server is not None:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
            for _ in range(_ACCEPTING):  # a connection that was just accepted fails to begin in a closed server
                await asyncio.sleep(0)
            self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.gather(*(connection.ended() for connection in tuple(self.connections)))

    def note(self) -> None:
        """Be told that an entry has changed."""
        self._journal.note()

    def answer(self, incoming: Incoming) -> tuple[ServedRequest, Steps, Callable[[], Awaitable[None]]]:
        """Return the entry of a request, its answer, and the function to await when that has ended."""
        request = _entry(incoming)
        route = routed(incoming.method, incoming.target, incoming.body, self._models)
        number = str(next(self._numbers))
        close: Callable[[], Awaitable[None]] = nothing
        if isinstance(route, Output):
            request.protocol, request.model = route.adapter.protocol, route.asked.model
            request.stream, request.body = route.asked.stream, route.body
            question = Question(route.adapter, route.asked, number, time.time(), len(incoming.body))
            if self._proxy is not None:
                steps, close = self._proxy.answer(request, question, incoming)
            elif (rule := self._casting.rule) is not None:
                self._undecided.add(request)
                steps, close = self._ruled(rule, request, question), partial(self._ended, request)
            else:
                steps = self._played(request, question)
            steps = steps if self._cut is None else recut(steps, self._cut, question)
        elif self._proxy is not None and (passed := self._proxy.passed(request, _PLAIN, incoming)) is not None:
            steps, close = passed
        else:
            steps = _plain(route)
        if request not in self._undecided:
            self._journal.enter(request)
        return request, steps, close

    def _ruled(self, rule: RuleThread, request: ServedRequest, question: Question) -> Steps:
        """Yield the answer that a rule chooses."""
        chosen: list[Chosen] = []

        async def choose() -> None:
            chosen.append(await rule.choose(request))

        yield Work(choose)
        yield from self._played(request, question, chosen[0])

    def _decided(self, request: ServedRequest) -> None:
        """Enter a request once, in whichever thread: its rule has chosen, or its client has left before."""
        with suppress(KeyError):
            self._undecided.remove(request)
            self._journal.enter(request)

    async def _ended(self, request: ServedRequest) -> None:
        self._decided(request)

    def _played(self, request: ServedRequest, question: Question, chosen: Chosen | None = None) -> Steps:
        try:
            part = self._casting.part_of(request, self._journal.requests, chosen)
        except BaseException as error:  # noqa: BLE001  # a rule is the user's code, and raises what it likes
            return question.refusal(500, self._casting.failed(request, error).failure)
        if isinstance(part, UnscriptedRequestError):
            return question.refusal(400, str(part))
        steps = question.reply(part.script)
        if part.fault is None:
            return steps
        request.fault = part.fault.name
        return part.fault.applied(steps, question)

    def failed(self, entry: ServedRequest, error: Exception, *, begun: bool) -> Steps:
        """Return what follows where the answer cannot go on: a script says what its protocol cannot."""
        failure = self._casting.failed(entry, error).failure
        if begun:
            return iter([Break("closed")])
        adapter = ADAPTERS[entry.protocol] if entry.protocol is not None else _PLAIN.adapter
        return answered(500, adapter.encode_error(kind_of(adapter.protocol, 500), failure))


_PLAIN = Question(
    ADAPTERS["openai"], ParsedRequest(stream=False)
)  # in whose form an error is told where no output is asked for


def _plain(route: Refusal | Fact) -> Steps:
    """Return the answer where no output is asked for."""
    if isinstance(route, Fact):
        return answered(200, route.body, route.media_type)
    body = route.adapter.encode_error(kind_of(route.adapter.protocol, route.status), route.message)
    return answered(route.status, body, headers=route.headers)


def _entry(incoming: Incoming) -> ServedRequest:
    """Return the journal's entry of a request, without its secrets."""
    headers = {name.lower(): value for name, value in incoming.headers}
    request = HttpRequest(incoming.target, incoming.body, headers)
    secrets = Secrets.of(request)
    return ServedRequest(
        incoming.method, path_of(incoming.target, secrets), secrets.headers(headers), body_of(request, Secrets())
    )
