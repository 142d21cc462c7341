"""`ProviderServer`: a provider on loopback."""

from __future__ import annotations

import asyncio
import threading
import warnings
from math import inf
from typing import TYPE_CHECKING, Self

from pytest_streamval.engine.owners import dropped, opened
from pytest_streamval.errors import (
    server_state_error,
)
from pytest_streamval.server.addresses import ServerAddresses
from pytest_streamval.server.arguments import (
    check_journal_limit,
    check_numbers,
    checked_cut,
    checked_models,
    checked_switch,
)
from pytest_streamval.server.clock_loop import ClockLoop
from pytest_streamval.server.embeddings import Embedder
from pytest_streamval.server.endpoints import ServerFacts
from pytest_streamval.server.environment import environment
from pytest_streamval.server.faults.fault import checked_fault
from pytest_streamval.server.handler import RequestHandler
from pytest_streamval.server.journal import Journal
from pytest_streamval.server.listening import BACKLOG, address_of, bound_socket
from pytest_streamval.server.proxy import proxy_of
from pytest_streamval.server.request_assertions import ServerAssertions
from pytest_streamval.server.script_queue import ScriptQueue
from pytest_streamval.server.thread_home import ThreadHome
from pytest_streamval.server.web_access import AccessRules
from pytest_streamval.virtual_time.time_source import active

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator, Sequence
    from os import PathLike
    from types import TracebackType

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.server.embeddings import Embeddings
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.script_queue import Playable, Rule

MODELS = ("streamval",)
"""The models that a server lists by default. It answers for any model."""
BODY_LIMIT = 32 * 2**20
"""The most bytes that the body of a request may have by default."""


class ProviderServer(ServerAssertions, ServerAddresses):
    """A server that plays scripts over HTTP, in the protocols of OpenAI, Anthropic, Gemini and Ollama.

    Use `with ProviderServer("Hello.") as server:` and give the client `server.openai_url` or one of its siblings. The
    server runs in a thread of its own, so that synchronous clients work too. `requests` holds all requests, with the
    producer's own record of each response.

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
        models: The names of the models that the server lists. It answers for every other name, too.
        embeddings: The vectors of texts, a dict or a quick function. Other texts get made vectors.
        body_limit: The most bytes that the body of a request may have.
        port: The port on loopback, 0 for any free port.
        allow_hosts: The names, besides those of this machine, by which clients may address the server in `Host`.
        allow_origins: The origins, besides those on this machine, whose web pages may use the server. `"*"` allows
            all, here and in `allow_hosts`.
        journal_limit: The most bytes of requests that `requests` keeps. The oldest are forgotten, but never the
            newest one. None keeps all.
        strict: Whether to refuse requests that the provider would refuse, in its words. Otherwise the broken rules
            are in `request.warnings`.
        env: Whether to set the variables in `environ` while the server is open, so that clients find it by
            themselves.
        repeat: Whether a recording may be replayed again and again. By default, each answers one request.

    Raises:
        InvalidArgumentError: A `ValueError`. If an argument is invalid.
        MissingExtraError: An `ImportError`. If requests are forwarded, and httpx2 is not installed.
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
        embeddings: Embeddings | None = None,
        body_limit: int = BODY_LIMIT,
        port: int = 0,
        allow_hosts: Sequence[str] = (),
        allow_origins: Sequence[str] = (),
        journal_limit: int | None = None,
        strict: bool = False,
        env: bool = False,
        repeat: bool = False,
    ) -> None:
        recut, fault = checked_cut(cut), checked_fault(fault)
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
            repeats=checked_switch("repeat", repeat),
        )
        self._refuses = fault is not None and fault.refuses
        self._journal = Journal(journal_limit)
        self._handler = RequestHandler(
            self._queue,
            self._journal,
            facts=ServerFacts(checked_models(models), Embedder(embeddings)),
            body_limit=body_limit,
            recutter=recut,
            proxy=self._proxy,
            access=AccessRules(allow_hosts, allow_origins),
            strict=checked_switch("strict", strict),
        )
        self._given_port = port
        self._sets_env = checked_switch("env", env)
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._home = None
        self._address = ""

    # Opening and closing

    def start(self) -> Self:
        """Open the server, and return it.

        In an event loop on a virtual clock, it answers in this loop. Otherwise, it answers in a thread of its own.

        Raises:
            ClosedError: A `RuntimeError`. If the server is open, or was open before.
            OSError: If the port is taken.
        """
        return self._open(on_clock=active() is not None and asyncio._get_running_loop() is not None)

    def start_on_clock(self) -> Self:
        """Open the server in the first event loop that runs on the virtual clock of this thread.

        The errors are those of `start`.
        """
        return self._open(on_clock=True)

    def _open(self, *, on_clock: bool) -> Self:
        with self._lock:
            if self._address:
                raise server_state_error("was opened before")
            self._socket = bound_socket(self._given_port)
            self._address = address_of(self._socket)
            if on_clock and self._proxy is None:  # a proxy has to do with other machines, in real time
                self._home = ClockLoop(self._handler, self._socket, self._queue.add_blocked_loop)
            else:
                self._home = ThreadHome(self, self._handler, self._socket)
            try:
                if not self._refuses:  # a port without a listener refuses connections
                    self._socket.listen(BACKLOG)
                    self._home.open()
            except BaseException:
                self._end()
                raise
            if self._sets_env:
                environment.enter(id(self), self.environ)
        opened(self)
        return self

    @property
    def at_work(self) -> bool:
        """Whether the server is open."""
        return self._home is not None

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

    async def aclose(self) -> None:
        """Close the server, and wait for the end of its connections, also in its own event loop."""
        home, self._home, self._socket = self._home, None, None
        environment.leave(id(self))
        try:
            if home is not None:
                await home.aclose()
        finally:
            if self._proxy is not None:
                self._proxy.close(failed=False)

    def is_in(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether the server is open and answers in an event loop."""
        return isinstance(self._home, ClockLoop) and self._home.loop is loop

    def _end(self) -> None:
        """Close everything that is open, under the lock."""
        environment.leave(id(self))
        home, self._home = self._home, None
        listening, self._socket = self._socket, None
        if home is not None:
            home.close()
        elif listening is not None:
            listening.close()

    def close_at_exit(self) -> None:
        """Close the server at the end of the program."""
        self._warn()
        self.close()

    def close_after_fork(self) -> None:
        """Close the server in a forked child. The parent's server stays open."""
        self._lock = threading.Lock()  # another thread of the parent may have held it
        self._home = None  # this process does not have it
        self._journal.close_after_fork()
        self._end()

    def __del__(self) -> None:
        """Warn, and start to close a server that is dropped while it is open."""
        home = getattr(self, "_home", None)
        if home is None:  # it is closed, or was never opened, or its arguments were invalid
            return
        self._home = None
        environment.leave(id(self))
        self._warn()
        dropped(self)
        proxy = self._proxy
        home.begin_close(None if proxy is None else proxy.close)

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

    # Requests

    def keep_texts(self) -> None:
        """Keep the time and the text of the deltas of later requests, for their pictures."""
        self._journal.keeps_texts = True

    @property
    def recordings(self) -> tuple[Cassette, ...]:
        """The new recordings of an upstream, in the order in which the responses ended."""
        return () if self._proxy is None else tuple(self._proxy.recordings)

    def unmet(self) -> Iterator[Exception]:
        """Yield an error for each failed request, each request without a script, and each script without a request."""
        return self._queue.unmet() if self._proxy is None else self._proxy.unmet()

    def __repr__(self) -> str:
        return f"<ProviderServer {self._address or 'not open'}, {len(self.requests)} requests>"
