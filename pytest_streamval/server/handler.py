"""`RequestHandler`: the part of a server that runs in the event loop of the servers."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from itertools import chain, count, islice
from typing import TYPE_CHECKING

from pytest_streamval.errors import CheckFailedError, UndecodableBodyError, excerpt, unserved_path_error
from pytest_streamval.errors.guards import without_marker
from pytest_streamval.http.content_coding import CODINGS, decoded_request
from pytest_streamval.http.request import HttpRequest, joined_headers
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.stream_recorder import body_of, path_of
from pytest_streamval.server.actions import Await, Disconnect, Response, SendHead
from pytest_streamval.server.connection import Connection
from pytest_streamval.server.control import control_actions
from pytest_streamval.server.endpoints import ServerFacts, StaticResponse
from pytest_streamval.server.incoming_request import IncomingRequest
from pytest_streamval.server.journal import Journal, ServedRequest
from pytest_streamval.server.rechunking import recut
from pytest_streamval.server.rendering import Renderer, send_all, send_error
from pytest_streamval.server.request_head import Problem, too_long_body
from pytest_streamval.server.request_rules import broken_rules, error_body, refusal_of
from pytest_streamval.server.request_rules.rule import offered_tools
from pytest_streamval.server.routes import ErrorResponse, OutputRequest, nearest_adapter, route
from pytest_streamval.server.stored_completions import StoredCompletions
from pytest_streamval.server.stored_outputs import StoredRequest
from pytest_streamval.server.stored_responses import StoredResponses
from pytest_streamval.server.tracing import traced
from pytest_streamval.server.web_access import Refusal, is_preflight
from pytest_streamval.wire.error_kinds import error_kind
from pytest_streamval.wire.prompts import prompt_tokens
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import ParsedRequest

if TYPE_CHECKING:
    import socket

    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.proxy import Proxy
    from pytest_streamval.server.rule_thread import RuleResult, RuleThread
    from pytest_streamval.server.script_queue import ScriptQueue
    from pytest_streamval.server.web_access import AccessRules

_ACCEPTING = 3  # turns of the event loop from accepting a connection to its `connection_made`
_MOST_TOOLS = 10_000  # names of tools that a server remembers
_REFUSED = 400  # status of a request that breaks a rule of its provider
_UNSUPPORTED = 415  # status; the answer names the codings that are known (RFC 9110, 15.5.16)
_DEFAULT_RENDERER = Renderer(
    ADAPTERS["openai"], ParsedRequest(stream=False)
)  # for errors of requests without a protocol


class RequestHandler:
    """The connections of a server, and the responses to their requests."""

    def __init__(
        self,
        queue: ScriptQueue,
        journal: Journal,
        *,
        facts: ServerFacts,
        body_limit: int,
        recutter: ScriptRecutter | None,
        proxy: Proxy | None,
        access: AccessRules,
        strict: bool = False,
    ) -> None:
        self.body_limit = body_limit
        """The most bytes that the body of a request may have."""
        self.connections: set[Connection] = set()
        """The open connections."""
        self.is_closed = False
        """Whether connections that are accepted now are closed at once."""
        self._queue = queue
        self._journal = journal
        self._facts = facts
        self._stored = StoredResponses()
        self._stored_completions = StoredCompletions()
        self._proxy = proxy
        self._access = access
        self._strict = strict
        self._recutter = recutter
        self._offered_tools: dict[str, None] = {}  # by all requests so far
        self._numbers = count(1)
        self._waiting_for_rule: set[ServedRequest] = set()
        self._server: asyncio.Server | None = None
        if queue.rule is not None:
            queue.rule.on_called = self._add_waiting

    async def open(self, listening: socket.socket) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=listening)

    async def close(self) -> None:
        """Accept no more connections, close the open ones, and wait for their end."""
        self.close_now()
        try:
            for _ in range(_ACCEPTING):  # a connection that was just accepted fails to begin in a closed server
                await asyncio.sleep(0)
        finally:
            if self._server is not None:
                self._server.close()
        await asyncio.gather(*(connection.wait_closed() for connection in tuple(self.connections)))

    def close_now(self) -> None:
        """Accept no more connections, and close the open ones soon, in the running event loop."""
        self.is_closed = True
        if self._server is not None:
            for listening in self._server.sockets:
                asyncio.get_running_loop().remove_reader(listening)
        for connection in tuple(self.connections):
            connection.abort()

    def notice_clients_that_left(self) -> None:
        """Stop the responses of clients that have closed their connections, before the event loop runs again."""
        for connection in tuple(self.connections):
            connection.notice_end()

    def notify(self) -> None:
        """Report that a request in the journal has changed."""
        self._journal.notify()

    def respond(self, incoming: IncomingRequest) -> tuple[ServedRequest, Response]:
        """Return a request as the journal has it, and the response."""
        if (refusal := self._access.refusal(incoming)) is not None:
            return self._refuse(_served_request(incoming), incoming, refusal)
        if (actions := control_actions(incoming, self._journal)) is not None:
            cors = self._access.response_headers(incoming)
            return _served_request(incoming), Response(_with_headers(actions, cors))
        readable = self._decoded(incoming)
        if isinstance(readable, Refusal):
            return self._refuse(_served_request(incoming._replace(body=b"")), incoming, readable)
        request = _served_request(readable)
        response = self._response(request, incoming, readable.body)
        if cors := self._access.response_headers(incoming):
            response = response._replace(actions=_with_headers(response.actions, cors))
        if request not in self._waiting_for_rule:
            self._journal.add(request)
        return request, traced(request, incoming, response)

    def _refuse(
        self, request: ServedRequest, incoming: IncomingRequest, refusal: Refusal
    ) -> tuple[ServedRequest, Response]:
        request.note_refusal(refusal.message)
        self._journal.add(request)
        headers = [("accept-encoding", ", ".join(CODINGS))] if refusal.status == _UNSUPPORTED else []
        adapter = nearest_adapter(incoming.target)
        return request, Response(send_error(adapter, refusal.status, refusal.message, headers=headers))

    def _decoded(self, incoming: IncomingRequest) -> IncomingRequest | Refusal:
        """Return a request whose body is not compressed."""
        try:
            body = decoded_request(_http_request(incoming)).body
        except UndecodableBodyError as error:
            return Refusal(_UNSUPPORTED, str(error))
        if len(body) > self.body_limit:
            return Refusal(413, too_long_body(self.body_limit))
        return incoming._replace(body=body)

    def _response(self, request: ServedRequest, incoming: IncomingRequest, body: bytes) -> Response:
        if is_preflight(incoming):
            return Response(iter([SendHead(204, "text/plain")]))
        target = route(incoming.method, incoming.target, body, self._facts)
        number = str(next(self._numbers))
        if isinstance(target, OutputRequest):
            request.protocol, request.model = target.adapter.protocol, target.request.model
            request.stream, request.body = target.request.stream, target.body
            accepted = request.headers.get("accept-encoding", "")
            tokens = prompt_tokens(target.body)
            renderer = Renderer(target.adapter, target.request, number, time.time(), tokens, accepted)
            refusal = self._check(request, target)
            response = refusal or self._respond_with_output(request, renderer, incoming)
            if self._recutter is not None and (cut := self._recutter.byte_cut) is not None:
                actions = recut(response.actions, cut, renderer, self._recutter.new_body())
                response = response._replace(actions=actions)
            return response
        forwarded = self._proxy and self._proxy.forward_other(request, _DEFAULT_RENDERER, incoming)
        return forwarded or Response(self._send(request, target))

    def _send(self, request: ServedRequest, target: ErrorResponse | StaticResponse | StoredRequest) -> Actions:
        if isinstance(target, StaticResponse):
            request.model = target.model
            return send_all(200, target.body, target.media_type)
        if isinstance(target, StoredRequest):
            stored = self._stored if target.path.owner == "responses" else self._stored_completions
            return stored.respond(target)
        request.note_refusal(target.message)
        if target.error is not None:
            return send_error(target.adapter, target.status, self._queue.add_failure(request, target.error))
        if target.is_unserved:
            error = unserved_path_error(request.summary, request.refusal)
            failures = self._queue.failures if self._proxy is None else self._proxy.failures
            failures.add(error, len(error.message))
        return send_error(target.adapter, target.status, target.message, headers=target.headers)

    def note_rejected(self, incoming: IncomingRequest, problem: Problem) -> None:
        """Add a request to the journal that the connection has rejected, because it is not HTTP or too long."""
        if incoming.method:
            request = _served_request(incoming)
        else:  # its first line, without parameters, which may be secret
            request = ServedRequest("", incoming.target.partition("?")[0], {}, None)
        request.status = problem.status
        request.note_refusal(problem.message)
        request.finished = request.ended = True
        self._journal.add(request)

    def _check(self, request: ServedRequest, target: OutputRequest) -> Response | None:
        """Hold a request to the provider's rules, and return the refusal of a strict server."""
        adapter, parsed, body = target
        stored = None if self._proxy else self._stored  # a proxy's provider stores them itself
        broken = broken_rules(adapter, parsed, body, self._offered_tools, stored)
        self._offered_tools.update(dict.fromkeys(islice(offered_tools(body), _MOST_TOOLS)))
        while len(self._offered_tools) > _MOST_TOOLS:
            del self._offered_tools[next(iter(self._offered_tools))]
        refusal = refusal_of(broken) if self._strict else None
        request.note_rules(broken, refusal)
        if refusal is None:
            return None
        return Response(send_all(_REFUSED, error_body(adapter, error_kind(adapter.protocol, _REFUSED), refusal)))

    def respond_to_error(self, incoming: IncomingRequest, error: Exception) -> tuple[ServedRequest, Response]:
        """Return the response to a request that this package fails to understand, which it should never do."""
        request = ServedRequest(incoming.method, excerpt(incoming.target), {}, None)
        request.peer = incoming.peer
        self._journal.add(request)
        failure = self._queue.add_failure(request, error)
        return request, Response(send_error(ADAPTERS["openai"], 500, failure))

    def respond_to_failure(self, request: ServedRequest, error: Exception, *, has_begun: bool) -> Actions:
        """Return the actions after an error in a response, such as a script that the protocol cannot express."""
        failure = self._queue.add_failure(request, error)
        if has_begun:
            return iter([Disconnect("closed")])
        actions = send_error(ADAPTERS[request.protocol or "openai"], 500, failure)
        headers = self._access.response_headers(
            IncomingRequest(request.method, request.path, list(request.headers.items()), b"")
        )
        return _with_headers(actions, headers) if headers else actions

    def _respond_with_output(self, request: ServedRequest, renderer: Renderer, incoming: IncomingRequest) -> Response:
        if self._proxy is not None:
            return self._proxy.respond(request, renderer, incoming)
        if (rule := self._queue.rule) is None:
            return Response(self._play(request, renderer))
        self._waiting_for_rule.add(request)

        async def close() -> None:
            self._add_waiting(request)

        return Response(self._play_by_rule(rule, request, renderer), close)

    def _play_by_rule(self, rule: RuleThread, request: ServedRequest, renderer: Renderer) -> Actions:
        results: list[RuleResult] = []

        async def call() -> None:
            results.append(await rule.call(request))

        yield Await(call)
        yield from self._play(request, renderer, results[0])

    def _add_waiting(self, request: ServedRequest) -> None:
        """Add a request to the journal, once: after its rule was called, or when its client has left before."""
        with suppress(KeyError):
            self._waiting_for_rule.remove(request)
            self._journal.add(request)

    def _play(self, request: ServedRequest, renderer: Renderer, result: RuleResult | None = None) -> Actions:
        """Return the actions of the script for a request."""
        try:
            script = self._queue.take(request, self._journal.requests, result)
        except BaseException as error:  # noqa: BLE001  # a rule is the user's code, and may raise anything
            return renderer.render_error(500, self._queue.add_failure(request, error))
        if isinstance(script, CheckFailedError):
            words = without_marker(str(script))
            request.note_refusal(words)
            return renderer.render_error(400, words)
        actions = renderer.render(script.script)
        if script.fault is not None:
            request.fault = script.fault.name
            actions = script.fault.apply(actions, renderer)
        for stored in (self._stored, self._stored_completions):
            actions = stored.keep(actions, renderer, script.script, request.body)
        return actions


def _with_headers(actions: Actions, headers: tuple[tuple[str, str], ...]) -> Actions:
    """Yield actions with other headers about access, in the place of the provider's own."""
    for action in actions:
        if isinstance(action, SendHead):
            own = tuple(pair for pair in action.headers if not pair[0].lower().startswith("access-control-"))
            yield action._replace(headers=(*own, *headers))
        else:
            yield action


def _served_request(incoming: IncomingRequest) -> ServedRequest:
    """Return a request as the journal has it, without its secrets."""
    request = _http_request(incoming)
    secrets = Secrets.of(request)
    try:
        path = path_of(request.url, secrets)
    except ValueError:  # such as `//[`
        path = secrets.text(incoming.target)
    headers = secrets.headers(request.headers)
    served = ServedRequest(incoming.method, path, headers, body_of(request, Secrets()), secrets)
    served.peer = incoming.peer
    served.size = sum(map(len, chain(*request.headers.items()))) + len(path) + len(incoming.body)
    return served


def _http_request(incoming: IncomingRequest) -> HttpRequest:
    target = incoming.target
    # a path that begins with // is none of an address
    url = f"http://server{target}" if target.startswith("/") else target
    return HttpRequest(url, incoming.body, joined_headers(incoming.headers))
