"""The site: what of a server lives in its thread, and answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from pytest_streamval.errors import UnscriptedRequestError
from pytest_streamval.harness.http import HttpRequest
from pytest_streamval.harness.secrets import Secrets
from pytest_streamval.harness.tape import body_of, path_of
from pytest_streamval.server.connection import Connection
from pytest_streamval.server.cutting import recut
from pytest_streamval.server.journal import Journal, ServedRequest
from pytest_streamval.server.relay import Relay, nothing
from pytest_streamval.server.replies import Question, answered, kind_of
from pytest_streamval.server.routes import Fact, Output, Refusal, routed
from pytest_streamval.server.steps import Break
from pytest_streamval.wire.exchange import Asked
from pytest_streamval.wire.registry import ADAPTERS

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from pytest_streamval.harness.cuts import Cut
    from pytest_streamval.server.casting import Casting
    from pytest_streamval.server.connection import Incoming
    from pytest_streamval.server.steps import Steps


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
        relay: Relay | None,
    ) -> None:
        self.body_limit = body_limit
        self.connections: set[Connection] = set()
        self._casting = casting
        self._journal = journal
        self._models = tuple(models)
        self._relay = relay
        self._cut = cut
        self._server: asyncio.Server

    async def open(self, listening: socket.socket) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listening)

    async def close(self) -> None:
        """Take no more, and end those that are there."""
        self._server.close()
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.gather(*(connection.ended() for connection in tuple(self.connections)))

    def note(self) -> None:
        """Be told that an entry has changed."""
        self._journal.note()

    def answer(self, incoming: Incoming) -> tuple[ServedRequest, Steps, Callable[[], None]]:
        """Return the entry of a request, its answer, and what to call when that has ended."""
        request = _entry(incoming)
        route = routed(incoming.method, incoming.target, incoming.body, self._models)
        number = str(len(self._journal.requests) + 1)
        close = nothing
        if isinstance(route, Output):
            request.protocol, request.model = route.adapter.protocol, route.asked.model
            request.stream, request.body = route.asked.stream, route.body
            question = Question(route.adapter, route.asked, number, time.time(), len(incoming.body))
            if self._relay is None:
                steps = self._played(request, question)
            else:
                steps, close = self._relay.answer(request, question, incoming)
            steps = steps if self._cut is None else recut(steps, self._cut, question)
        elif self._relay is not None and (passed := self._relay.passed(request, _PLAIN, incoming)) is not None:
            steps, close = passed
        else:
            steps = _plain(route)
        self._journal.enter(request)
        return request, steps, close

    def _played(self, request: ServedRequest, question: Question) -> Steps:
        try:
            part = self._casting.part_of(request, self._journal.requests)
        except Exception as error:  # noqa: BLE001  # a rule is the user's code
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
    ADAPTERS["openai"], Asked(stream=False)
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
