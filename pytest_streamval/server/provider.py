"""`ProviderServer`: a provider on loopback, as a test or a person holds it."""

from __future__ import annotations

import socket
import threading
import warnings
from math import inf
from typing import TYPE_CHECKING, Self

from pytest_streamval.engine.owners import dropped, opened
from pytest_streamval.errors import (
    ClientStayedError,
    InvalidArgumentError,
    NotRequestedError,
    ServerStateError,
)
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.server.arguments import check_numbers, check_times, checked_mode, checked_models
from pytest_streamval.server.faults import checked_fault
from pytest_streamval.server.handler import Site
from pytest_streamval.server.journal import Journal, ServedRequest
from pytest_streamval.server.loop_thread import borrow, disown, give_back
from pytest_streamval.server.proxy import Proxy
from pytest_streamval.server.script_queue import Casting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from os import PathLike
    from types import TracebackType

    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.loop_thread import LoopThread
    from pytest_streamval.server.script_queue import Playable, Rule

MODELS = ("streamval",)
"""The models that a server says it has, unless told otherwise. It answers for any model."""
BODY_LIMIT = 32 * 2**20
"""The bytes of a request's body that a server takes, unless told otherwise."""

_HOST = "127.0.0.1"
_BACKLOG = 1_024


class ProviderServer:
    """Plays scripts over HTTP, in the protocols of OpenAI, Anthropic, Gemini and Ollama.

    `with ProviderServer("Hello.") as server:` and any client that is sent to `server.openai_url`, or its siblings. It
    lives in a thread of its own, so that synchronous clients work too. `requests` tells of every request what was
    asked, and what the producer really did.
    """

    __test__ = False  # a double, whatever its name begins with

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
    ) -> None:
        """Make a server; it opens as a context.

        Args:
            scripts: what each request gets, in order: a script, a text, a fault, a fault on a script. Or one function,
                which is given the `ServedRequest` and returns one of these, or None for a request that is not scripted.
            fault: of all scripts, or its name. One that ruins an answer strikes again when a client asks again.
            cut: where to cut the texts and the bytes instead: `whole`, `chars` and every byte, `words` and every frame,
                or a number that seeds a random choice, inside characters and line ends too.
            token_size: characters in each delta of a text.
            upstream: a real provider's address, on this machine or with https, to which requests are passed on. What
                it answers passes through read for read, and is recorded: `recordings`.
            cassettes: a folder of recordings, which are replayed, and where new ones are written.
            record: what goes to the upstream: `none`, so that all is replayed; `once`, all if nothing is recorded yet;
                `new`, what is not recorded, which is the default with an upstream; `all`, so that all is recorded anew.
            speed: times as fast as recorded; `math.inf`, the default, leaves out the pauses.
            models: those that it lists.
            body_limit: how many bytes the body of a request may have.
            port: where to listen on loopback; 0 for any port that is free.

        Raises:
            InvalidArgumentError: a `ValueError`; it is none of that.
        """
        recut, fault = _recut(cut), checked_fault(fault)
        check_numbers(speed=speed, body_limit=body_limit, port=port)
        self._casting = Casting(scripts, fault, token_size, recut)
        self._proxy: Proxy | None = None
        if upstream is not None or cassettes is not None:
            if scripts:
                raise InvalidArgumentError("upstream", repr(upstream), "A server has scripts or a provider, not both.")
            self._proxy = Proxy(upstream, cassettes, mode=checked_mode(record, upstream), fault=fault, speed=speed)
        elif record is not None:
            raise InvalidArgumentError("record", repr(record), "There is neither an upstream nor cassettes.")
        self._refuses = fault is not None and fault.refuses
        self._journal = Journal()
        self._site = Site(
            self._casting,
            self._journal,
            models=checked_models(models),
            body_limit=body_limit,
            cut=None if recut is None else recut.cut,
            proxy=self._proxy,
        )
        self._wanted_port = port
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._thread: LoopThread | None = None
        self._address = ""

    # Its life

    def start(self) -> Self:
        """Open the server, and return it.

        Raises:
            ServerStateError: a `RuntimeError`; it is, or was, open.
            OSError: the port is taken.
        """
        with self._lock:
            if self._address:
                raise ServerStateError("was opened before")
            self._socket = _bound(self._wanted_port)
            self._address = f"http://{_HOST}:{self._socket.getsockname()[1]}"
            self._thread = borrow(self)
            try:
                if not self._refuses:  # a port on which nobody listens refuses connections
                    self._socket.listen(_BACKLOG)
                    self._thread.run(lambda: self._site.open(self._listening))
            except BaseException:
                self._end()
                raise
        opened(self)
        return self

    @property
    def at_work(self) -> bool:
        """Whether the server is open."""
        return self._thread is not None

    def close(self) -> None:
        """Close the server and all of its connections, at once; once more does nothing.

        A call of its rule that is under way goes on, and its answer is dropped.
        """
        with self._lock:
            self._end()

    def _end(self) -> None:
        """Close what is open, under the lock."""
        thread, self._thread = self._thread, None
        if thread is not None:
            disown(self)
            try:
                thread.run(self._site.close)
            finally:
                give_back(thread)
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def end_at_exit(self) -> None:
        """Close the server at the end of the program."""
        self._warn()
        self.close()

    def leave_to_parent(self) -> None:
        """Leave the server to the parent, in a child process that was forked while it was open: it is closed here."""
        self._lock = threading.Lock()  # the parent's may have been held
        self._thread = None  # which this process does not have
        self._journal.leave_to_parent()
        self._end()

    def __del__(self) -> None:
        """Begin to close a server that is dropped while it is open, and warn."""
        thread = getattr(self, "_thread", None)
        if thread is None:  # it is closed, or was never opened, or its arguments were refused
            return
        self._warn()
        dropped(self)
        site, listening = self._site, self._listening

        async def end() -> None:
            await site.close()
            listening.close()
            give_back(thread)

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
        """Close it."""
        self.close()

    @property
    def _listening(self) -> socket.socket:
        assert self._socket is not None  # noqa: S101  # for the type checker
        return self._socket

    # Where it is

    @property
    def url(self) -> str:
        """Its address, without a path."""
        if not self._address:
            raise ServerStateError("is not open, and has no address")
        return self._address

    @property
    def port(self) -> int:
        """The port on which it listens."""
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

    # What happened

    @property
    def requests(self) -> tuple[ServedRequest, ...]:
        """All requests so far, in the order in which they came."""
        return tuple(self._journal.requests)

    @property
    def recordings(self) -> tuple[Cassette, ...]:
        """What was recorded of an upstream, in the order in which its answers ended."""
        return () if self._proxy is None else tuple(self._proxy.recordings)

    def wait_for_requests(self, count: int, *, within: float) -> bool:
        """Return whether there are so many requests, or come within some seconds."""
        return self._journal.wait_for(lambda: len(self._journal.requests) >= count, within)

    def unmet(self) -> Iterator[Exception]:
        """Yield what was asked and not scripted, what was scripted and not asked, and what failed here."""
        return self._casting.unmet() if self._proxy is None else self._proxy.unmet()

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
        """Check that there were such requests, and return them.

        Args:
            times: how many; without it, one or more.
            method: the HTTP method.
            path: the path, without its query.
            protocol: the protocol in which an output was asked for.
            model: the model.
            stream: whether a stream was asked for.
            prompt: what stands somewhere in the last message.
            body: fields of the body, with their values.
            headers: headers with their values, as the journal has them.

        Raises:
            NotRequestedError: an `AssertionError`; there were none, or not so many.
            InvalidArgumentError: a `ValueError`; `times` is no number.
        """
        __tracebackhide__ = True
        check_times(times)
        wanted = {"method": method, "protocol": protocol, "model": model, "stream": stream}
        asked = {name: value for name, value in wanted.items() if value is not None}
        found = [
            (each, each.difference(asked, path=path, prompt=prompt, body=body or {}, headers=headers or {}))
            for each in self.requests
        ]
        fitting = [each for each, difference in found if not difference]
        if (times is None and fitting) or times == len(fitting):
            return fitting
        parts = {**asked, "path": path, "prompt": prompt, "body": body, "headers": headers}
        what = ", ".join(f"{name}={value!r}" for name, value in parts.items() if value is not None) or "anything"
        often = "" if times is None else " once" if times == 1 else f" {times} times"
        told = [(each.told, difference) for each, difference in found]
        raise NotRequestedError(f"{what}{often}", len(fitting), told)

    def assert_client_disconnected(self, within: float = 0.0, *, request: int | None = None) -> None:
        """Check that a client went away in the middle of its answer.

        A synchronous wait: where the client lives in the event loop of the test, let that close the connection first.

        Args:
            within: how many seconds to wait for it.
            request: the index of the request whose client it is, -1 for the newest, if not that of any.

        Raises:
            ClientStayedError: an `AssertionError`; all answers went out whole, or nobody has left yet.
        """
        __tracebackhide__ = True

        def happened() -> bool:
            looked_at = self.requests if request is None else self.requests[request:][:1]
            return any(each.client_disconnected for each in looked_at)

        if not self._journal.wait_for(happened, within):
            raise ClientStayedError(within, [repr(each) for each in self.requests])

    def unstopped(self, within: float) -> Iterator[str]:
        """Yield the requests whose answers are still produced, or were after their client had gone.

        Args:
            within: seconds to wait for the end of all producers; a client's leaving is noticed in the server's thread.
        """
        self._journal.wait_for(lambda: all(each.ended for each in self.requests), within)
        for request in self.requests:
            if request.unstopped:
                yield f"{request.told}: the producer {request.unstopped}: {request!r}"

    def __repr__(self) -> str:
        return f"<ProviderServer {self._address or 'not open'}, {len(self.requests)} requests>"


def _bound(port: int) -> socket.socket:
    """Return a socket on loopback."""
    found = socket.socket()
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((_HOST, port))
        found.settimeout(0)
    except OSError:
        found.close()
        raise
    return found


def _recut(cut: Cut | ScriptRecutter | str | None) -> ScriptRecutter | None:
    if cut is None or isinstance(cut, ScriptRecutter):
        return cut
    return ScriptRecutter(cut if isinstance(cut, Cut) else Cut(cut))
