"""The end of a `ProviderServer`: closed by several threads or by its own rule, dropped, or forked."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import ProviderServer, Script, Stall
from tests.server.clients import (
    BODY,
    ask,
    connect,
    exchange,
    parse,
    receive_all,
    receive_until,
    request,
    server_thread_ends,
    server_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.typing import ServedRequest

LIMIT = 60.0  # seconds after which a thread counts as one that hangs; no test waits for it


class Call:
    """A call of a function in a thread, with its result or its error."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._error: BaseException | None = None
        self._result: object = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> object:
        self._thread.join(LIMIT)
        assert not self._thread.is_alive(), "it hangs"
        if self._error is not None:
            raise self._error
        return self._result

    def _run(self) -> None:
        try:
            self._result = self._function()
        except BaseException as error:  # noqa: BLE001  # raised again by result()
            self._error = error


# Rules


class Gate:
    """A rule that waits until its gate is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: ServedRequest) -> str:
        self.reached.set()
        assert self.open.wait(LIMIT)
        return f"You said {request.prompt}"


def fetch(server: ProviderServer, prompt: str = "Hi", stream: bool = False) -> bytes:
    body = {**BODY, "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    return exchange(server, request(body, "/v1/chat/completions", "connection: close"))


def text_of(answer: bytes) -> object:
    return parse(answer)[1]["choices"][0]["message"]["content"]


def test_a_rule_that_blocks_delays_no_other_server_and_no_other_path_of_its_own() -> None:
    gate = Gate()
    with ProviderServer(gate) as slow, ProviderServer("Quick.") as quick:
        waiting = Call(lambda: fetch(slow))
        assert gate.reached.wait(LIMIT)
        assert Call(lambda: ask(quick, "openai")).result() == ("Quick.", None)
        status, found = parse(exchange(slow, request("", "/v1/models", "connection: close", method="GET")))
        assert (status, found["object"]) == (200, "list")
        gate.open.set()
        assert text_of(waiting.result()) == "You said Hi"


def test_a_rule_is_called_for_one_request_after_the_other() -> None:
    asked: list[str] = []
    inside = threading.Lock()

    def rule(request: ServedRequest) -> str:
        assert inside.acquire(blocking=False), "it is called twice at once"
        asked.append(request.prompt)
        inside.release()
        return f"{len(asked)}, and {len(server.requests)} before"

    with ProviderServer(rule) as server:
        calls = [Call(lambda number=number: text_of(fetch(server, str(number)))) for number in range(8)]
        answers = [call.result() for call in calls]
        assert sorted(answers) == [f"{number + 1}, and {number} before" for number in range(8)]
        assert [entry.prompt for entry in server.requests] == asked


def test_a_rule_may_close_its_own_server() -> None:
    def rule(request: ServedRequest) -> str:
        server.close()
        over.set()
        return "Too late."

    over = threading.Event()
    with ProviderServer("Still here.") as other:
        server = ProviderServer(rule).start()
        assert Call(lambda: fetch(server)).result() == b""
        assert over.wait(LIMIT)
        assert ask(other, "openai") == ("Still here.", None)
        assert [entry.client_disconnected for entry in server.requests] == [False]


def test_a_rule_may_open_and_close_other_servers() -> None:
    def rule(request: ServedRequest) -> str:
        with ProviderServer("Inner.") as inner:
            return f"{ask(inner, 'openai')[0]} {request.prompt}"

    with ProviderServer(rule) as server:
        assert Call(lambda: text_of(fetch(server))).result() == "Inner. Hi"


def test_closing_a_server_does_not_wait_for_its_rule() -> None:
    gate = Gate()
    server = ProviderServer(gate).start()
    waiting = Call(lambda: fetch(server))
    assert gate.reached.wait(LIMIT)
    arriving = Call(lambda: fetch(server, "Next"))
    Call(server.close).result()
    assert waiting.result() == b""
    with suppress(ConnectionError):  # it came too late, or its request was not read any more
        assert arriving.result() == b""
    gate.open.set()


def test_a_client_that_leaves_during_a_call_of_the_rule_is_in_the_journal() -> None:
    gate = Gate()
    with ProviderServer(gate) as server:
        with connect(server) as client:
            client.sendall(request())
            assert gate.reached.wait(LIMIT)
        server.assert_client_disconnected(within=LIMIT)
        gate.open.set()
        assert text_of(fetch(server, "Again")) == "You said Again"
        assert [(entry.prompt, entry.client_disconnected) for entry in server.requests] == [
            ("Hi", True),
            ("Again", False),
        ]


class Odd(BaseException):
    """An error that is not an `Exception`, like those of pytest."""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, Odd, StopIteration], ids=lambda error: error.__name__)
def test_a_rule_that_raises_any_error_ends_its_own_response_only(error: type[BaseException]) -> None:
    def rule(request: ServedRequest) -> str:
        if request.prompt == "Hi":
            raise error("from a rule")
        return "Fine."

    with ProviderServer(rule) as server:
        status, found = parse(fetch(server))
        assert status == 500
        assert f"{error.__name__}: from a rule" in found["error"]["message"]
        assert text_of(fetch(server, "Again")) == "Fine."
        assert len(list(server.unmet())) == 1


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_a_rule_runs_in_the_context_that_created_its_server() -> None:
    token = variable.set("of the test")
    with ProviderServer(lambda _: variable.get()) as server:
        variable.reset(token)
        assert text_of(fetch(server)) == "of the test"


# Closing


def test_several_threads_may_close_a_server() -> None:
    with ProviderServer("Still here.") as other:
        for _ in range(20):
            server = ProviderServer("x").start()
            for call in [Call(server.close) for _ in range(4)]:
                call.result()
        assert Call(lambda: ask(other, "openai")).result() == ("Still here.", None)
        assert len(server_threads()) == 1


def test_a_server_that_fails_to_open_releases_its_thread_and_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no more descriptors")

    server = ProviderServer("x")
    monkeypatch.setattr(server._handler, "open", fail)
    with pytest.raises(OSError, match="no more descriptors"):
        server.start()
    assert server_threads() == []
    with ProviderServer(port=server.port):
        server.close()


# Dropping


def open_and_drop(**options: object) -> int:
    server = ProviderServer(Script.of("Hel", Stall()), **options).start()
    return server.port


def test_a_server_that_is_dropped_while_it_is_open_warns_and_closes() -> None:
    with pytest.warns(ResourceWarning, match=r"<ProviderServer http.*, 0 requests> was dropped while it was open"):
        port = open_and_drop()
    server_thread_ends()
    with ProviderServer(port=port):
        pass


def test_a_server_that_refuses_connections_warns_when_it_is_dropped() -> None:
    with pytest.warns(ResourceWarning) as caught:
        open_and_drop(fault="refuse")
    server_thread_ends()
    assert ["was dropped while it was open" in str(each.message) for each in caught] == [True]


def test_a_dropped_server_closes_its_connections_and_no_other_server() -> None:
    with ProviderServer("Still here.") as other:
        server = ProviderServer(Script.of("Hel", Stall())).start()
        with connect(server) as client:
            client.sendall(request())
            receive_until(client, b"Hel")
            with pytest.warns(ResourceWarning, match="1 request"):
                del server
            assert receive_all(client) == b""
        assert ask(other, "openai") == ("Still here.", None)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_server_that_is_closed_or_was_never_opened_is_dropped_without_a_warning() -> None:
    ProviderServer("x")
    ProviderServer("x").start().close()
    with ProviderServer("x"):
        pass
    gc.collect()


AT_EXIT = """
from pytest_streamval import ProviderServer
server = ProviderServer(lambda request: str(server.port)).start()
"""


def test_a_server_that_is_open_at_exit_is_closed_with_a_warning() -> None:
    command = [sys.executable, "-X", "dev", "-c", AT_EXIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0
    assert done.stderr.count("was dropped while it was open") == 1
    assert "unclosed" not in done.stderr


# Forks

FORKED = """
import os, sys, threading, time
from pytest_streamval import ProviderServer, Script, Stall
from tests.server.clients import ask, connect, exchange, receive_until, request

server = ProviderServer(Script.of("One."), Script.of("Hel", Stall()), "Three.").start()
never_opened = ProviderServer("Mine.")
assert ask(server, "openai") == ("One.", None)
client = connect(server)
client.sendall(request())
receive_until(client, b"Hel")
child = os.fork()
if child == 0:
    code = 1
    try:
        assert len(server.requests) == 2
        assert not server.wait_for_requests(3, within=3600)
        assert [thread.name for thread in threading.enumerate()] == ["MainThread"]
        assert ask(server, "openai") == ("Three.", None)  # the parent's server answers
        server.close()
        server.close()
        with never_opened, ProviderServer("Another.") as another:
            assert ask(never_opened, "openai") == ("Mine.", None)
            assert ask(another, "openai") == ("Another.", None)
        del server
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)
assert os.waitpid(child, 0)[1] == 0
assert len(server.requests) == 3
client.close()
server.assert_client_disconnected(within=60)
port = server.port
server.close()
"""


def test_a_forked_child_closes_an_inherited_server_and_opens_others() -> None:
    command = [sys.executable, "-W", "error::ResourceWarning", "-c", FORKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    assert "ResourceWarning" not in done.stderr


PORT = """
import os, socket
from pytest_streamval import ProviderServer

server = ProviderServer("x").start()
reading, writing = os.pipe()
parents_end, childs_end = os.pipe()
child = os.fork()
if child == 0:
    os.write(childs_end, b"1")
    os.close(writing)
    os.read(reading, 1)  # wait until the parent is done
    os._exit(0)
os.read(parents_end, 1)  # it has begun
server.close()
try:
    socket.create_connection(("127.0.0.1", server.port), timeout=60)
except ConnectionRefusedError:
    print("refused")
os.close(writing)
os.waitpid(child, 0)
"""


def test_a_forked_child_releases_the_port_of_its_parents_server() -> None:
    command = [sys.executable, "-W", "ignore", "-c", PORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr
