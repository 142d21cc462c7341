"""`ProviderServer`: a provider on loopback."""

from __future__ import annotations

import socket
import threading
import warnings
from math import inf
from typing import TYPE_CHECKING, Self

from pytest_streamval.engine.owners import dropped, opened
from pytest_streamval.errors import (
    client_stayed_error,
    not_requested_error,
    server_state_error,
)
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.server.access import AccessRules
from pytest_streamval.server.arguments import (
    check_journal_limit,
    check_numbers,
    check_times,
    checked_models,
)
from pytest_streamval.server.faults.fault import checked_fault
from pytest_streamval.server.handler import RequestHandler
from pytest_streamval.server.journal import Journal, ServedRequest
from pytest_streamval.server.proxy import proxy_of
from pytest_streamval.server.script_queue import ScriptQueue
from pytest_streamval.server.server_thread import acquire_thread, forget_owner, release_thread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.script_queue import Playable, Rule
    from pytest_streamval.server.server_thread import ServerThread

MODELS = ("streamval",)
"""The models that a server lists by default. It answers for any model."""
BODY_LIMIT = 32 * 2**20
"""The most bytes that the body of a request may have by default."""

_HOST = "127.0.0.1"
_BACKLOG = 1_024


class ProviderServer:
    """A server that plays scripts over HTTP, in the protocols of OpenAI, Anthropic, Gemini and Ollama.

    Use `with ProviderServer("Hello.") as server:` and give the client `server.openai_url` or one of its siblings. The
    server runs in a thread of its own, so that synchronous clients work too. `requests` holds all requests, with the
    producer's own record of each response.
    """

    __test__ = False  # pytest must not collect it

    def __init__(
        self,
        *scripts: Playable | Rule,
        fault: Fault | str | None = None,
        cut: Cut | ScriptRecutter | str | None = None,
        token_size: int = 1,
        upstream: str | None = None,
        cassettes: str | PathLike[str] | None = None,
        record: str | None = None,
        speed: float = inf,
        models: Sequence[str] = MODELS,
        body_limit: int = BODY_LIMIT,
        port: int = 0,
        allow_hosts: Sequence[str] = (),
        allow_origins: Sequence[str] = (),
        journal_limit: int | None = None,
    ) -> None:
        """Create a server. It opens with `with` or `start()`.

        Args:
            scripts: The responses, one for each request, in order: a script, a text, a fault, or a fault on a script.
                Alternatively one function, which receives the `ServedRequest` and returns one of these, or None for a
                request without a script.
            fault: The fault of all responses, or its name. A fault that ruins a response strikes again if the client
                repeats the request.
            cut: Other boundaries of the texts and the bytes: `whole`, `chars` and every byte, `words` and every frame,
                or the number of a rule, as in `--streamval-fuzz`.
            token_size: The characters in each delta of a text.
            upstream: The address of a real provider, on this machine or with https. Requests are forwarded to it. Its
                responses are passed on read for read, and are recorded in `recordings`.
            cassettes: The folder of recordings, which are replayed, and to which new ones are written.
            record: The requests that are forwarded: `none` replays everything, `once` records everything if there is no
                recording yet, `new` (the default with an upstream) records requests that have no recording, and `all`
                replaces all recordings.
            speed: The factor by which a replay is faster than the recording. `math.inf`, the default, skips the pauses.
            models: The names of the models that the server lists.
            body_limit: The most bytes that the body of a request may have.
            port: The port on loopback, 0 for any free port.
            allow_hosts: The names, besides those of this machine, by which clients may address the server in `Host`.
            allow_origins: The origins, besides those on this machine, whose web pages may use the server. `"*"` allows
                all, here and in `allow_hosts`.
            journal_limit: The most bytes of requests that `requests` keeps. The oldest are forgotten, but never the
                newest one. None keeps all.

        Raises:
            InvalidArgumentError: A `ValueError`. If an argument is invalid.
            MissingExtraError: An `ImportError`. If requests are forwarded, and httpx2 is not installed.
        """
        recut, fault = _recutter(cut), checked_fault(fault)
        check_numbers(speed=speed, body_limit=body_limit, port=port)
        check_journal_limit(journal_limit)
        self._queue = ScriptQueue(scripts, fault, token_size, recut, journal_limit)
        self._proxy = proxy_of(
            scripts,
            upstream=upstream,
            cassettes=cassettes,
            record=record,
            fault=fault,
            speed=speed,
            limit=journal_limit,
        )
        self._refuses = fault is not None and fault.refuses
        self._journal = Journal(journal_limit)
        self._handler = RequestHandler(
            self._queue,
            self._journal,
            models=checked_models(models),
            body_limit=body_limit,
            recutter=recut,
            proxy=self._proxy,
            access=AccessRules(allow_hosts, allow_origins),
        )
        self._given_port = port
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._thread: ServerThread | None = None
        self._address = ""

    # Opening and closing

    def start(self) -> Self:
        """Open the server, and return it.

        Raises:
            ClosedError: A `RuntimeError`. If the server is open, or was open before.
            OSError: If the port is taken.
        """
        with self._lock:
            if self._address:
                raise server_state_error("was opened before")
            self._socket = _bound_socket(self._given_port)
            self._address = f"http://{_HOST}:{self._socket.getsockname()[1]}"
            self._thread = acquire_thread(self)
            try:
                if not self._refuses:  # a port without a listener refuses connections
                    self._socket.listen(_BACKLOG)
                    self._thread.run(lambda: self._handler.open(self._listening))
            except BaseException:
                self._end()
                raise
        opened(self)
        return self

    @property
    def at_work(self) -> bool:
        """Whether the server is open."""
        return self._thread is not None

    def close(self, *, failed: bool = False) -> None:
        """Close the server and all of its connections at once. Closing it again does nothing.

        A call of its rule that is under way goes on, and its result is discarded.

        Args:
            failed: Whether its run has failed. With `record="all"`, the old recordings stay then.

        Raises:
            OSError: If the old recordings cannot be replaced.
        """
        with self._lock:
            self._end()
            if self._proxy is not None:
                self._proxy.close(failed=failed)

    def _end(self) -> None:
        """Close everything that is open, under the lock."""
        thread, self._thread = self._thread, None
        if thread is not None:
            forget_owner(self)
            try:
                thread.run(self._handler.close)
            finally:
                release_thread(thread)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def close_at_exit(self) -> None:
        """Close the server at the end of the program."""
        self._warn()
        self.close()

    def close_after_fork(self) -> None:
        """Close the server in a forked child. The parent's server stays open."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._thread = None  # this process does not have it
        self._journal.close_after_fork()
        self._end()

    def __del__(self) -> None:
        """Warn, and start to close a server that is dropped while it is open."""
        if (thread := getattr(self, "_thread", None)) is None:  # it is closed, or its arguments were invalid
            return
        self._warn()
        dropped(self)
        handler, listening, proxy = self._handler, self._listening, self._proxy

        async def end() -> None:
            await handler.close()
            listening.close()
            if proxy is not None:
                proxy.close()
            release_thread(thread)

        thread.begin(end)

    def _warn(self) -> None:
        warnings.warn(
            f"{self!r} was dropped while it was open, which closes it. Use 'with', or call close().",
            ResourceWarning,
            source=self,
            stacklevel=3,
        )

    def __enter__(self) -> Self:
        """Open the server."""
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the server. After an error, the old recordings stay."""
        self.close(failed=error is not None)

    @property
    def _listening(self) -> socket.socket:
        assert self._socket is not None  # noqa: S101  # for the type checker
        return self._socket

    # Addresses

    @property
    def url(self) -> str:
        """The address of the server, without a path."""
        if not self._address:
            raise server_state_error("is not open, and has no address")
        return self._address

    @property
    def port(self) -> int:
        """The port of the server."""
        return int(self.url.rpartition(":")[2])

    @property
    def openai_url(self) -> str:
        """The base URL for clients of OpenAI's protocols."""
        return f"{self.url}/v1"

    @property
    def anthropic_url(self) -> str:
        """The base URL for clients of Anthropic's protocol."""
        return self.url

    @property
    def gemini_url(self) -> str:
        """The base URL for clients of Gemini's protocol."""
        return self.url

    @property
    def ollama_url(self) -> str:
        """The host for clients of Ollama's protocol."""
        return self.url

    # Requests

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """The requests so far, in the order in which they arrived. With a `journal_limit` the oldest are missing."""
        return tuple(self._journal.requests)

    def requests_after(self, number: int) -> tuple[int, Sequence[ServedRequest]]:
        """Return the number of all requests so far, and those after the first `number` that the journal still has."""
        return self._journal.after(number)

    @property
    def recordings(self) -> tuple[Cassette, ...]:
        """The new recordings of an upstream, in the order in which the responses ended."""
        return () if self._proxy is None else tuple(self._proxy.recordings)

    def wait_for_requests(self, count: int, *, within: float) -> bool:
        """Wait for requests, and return whether at least `count` of them have arrived within some seconds."""
        return self._journal.wait_for(lambda: self._journal.arrived >= count, within)

    def unmet(self) -> Iterator[Exception]:
        """Yield an error for each failed request, each request without a script, and each script without a request."""
        return self._queue.unmet() if self._proxy is None else self._proxy.unmet()

    def assert_requested(
        self,
        times: int | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        protocol: str | None = None,
        model: str | None = None,
        stream: bool | None = None,
        prompt: str | None = None,
        body: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> list[ServedRequest]:
        """Assert that there were requests with these properties, and return them.

        Args:
            times: The number of such requests, or None for one or more.
            method: The HTTP method.
            path: The path, without its query.
            protocol: The protocol of a request for an output.
            model: The name of the model.
            stream: Whether the client requested a stream.
            prompt: A part of the last message.
            body: Fields of the body, with their values.
            headers: Headers with their values, as in the journal.

        Raises:
            CheckFailedError: An `AssertionError`. If there was no such request, or another number of them.
            InvalidArgumentError: A `ValueError`. If `times` is not a number.
        """
        __tracebackhide__ = True
        check_times(times)
        exact = {"method": method, "protocol": protocol, "model": model, "stream": stream}
        wanted = {name: value for name, value in exact.items() if value is not None}
        compared = [
            (each, each.difference(wanted, path=path, prompt=prompt, body=body or {}, headers=headers or {}))
            for each in self.requests
        ]
        found = [each for each, difference in compared if not difference]
        if (times is None and found) or times == len(found):
            return found
        given = {**wanted, "path": path, "prompt": prompt, "body": body, "headers": headers}
        what = ", ".join(f"{name}={value!r}" for name, value in given.items() if value is not None) or "anything"
        often = "" if times is None else " once" if times == 1 else f" {times} times"
        summaries = [(each.summary, difference) for each, difference in compared]
        raise not_requested_error(f"{what}{often}", len(found), summaries)

    def assert_client_disconnected(self, within: float = 0.0, *, request: int | None = None) -> None:
        """Assert that a client left in the middle of a response.

        This waits synchronously. If the client runs in the event loop of the test, close its connection first.

        Args:
            within: The seconds to wait.
            request: The index of the client's request, -1 for the newest, or None for any request.

        Raises:
            CheckFailedError: An `AssertionError`. If no client has left before the end of its response.
        """
        __tracebackhide__ = True

        def has_left() -> bool:
            requests = self.requests if request is None else self.requests[request:][:1]
            return any(each.client_disconnected for each in requests)

        if not self._journal.wait_for(has_left, within):
            raise client_stayed_error(within, [repr(each) for each in self.requests])

    def unstopped(self, within: float) -> Iterator[str]:
        """Yield a line for each response that is still produced, or went on after its client had left.

        Args:
            within: The seconds to wait for the end of all producers. The server's thread notices clients that leave.
        """
        self._journal.wait_for(lambda: all(each.ended for each in self.requests), within)
        for request in self.requests:
            if request.unstopped:
                yield f"{request.summary}: the producer {request.unstopped}: {request!r}"

    def __repr__(self) -> str:
        return f"<ProviderServer {self._address or 'not open'}, {len(self.requests)} requests>"


def _bound_socket(port: int) -> socket.socket:
    bound = socket.socket()
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((_HOST, port))
        bound.settimeout(0)
    except OSError:
        bound.close()
        raise
    return bound


def _recutter(cut: Cut | ScriptRecutter | str | None) -> ScriptRecutter | None:
    if cut is None or isinstance(cut, ScriptRecutter):
        return cut
    return ScriptRecutter(cut if isinstance(cut, Cut) else Cut(cut))
