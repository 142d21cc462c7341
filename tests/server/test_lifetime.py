"""How a `ProviderServer` ends: twice, from several threads, from its own rule, in a forked child, by being dropped."""

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
    QUESTION,
    ask,
    connected,
    everything,
    exchanged,
    refusal,
    request,
    server_threads,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_streamval.typing import ServedRequest

LIMIT = 60.0  # seconds until a thread is taken for one that hangs; the tests wait for none of them


@pytest.fixture(autouse=True)
def _threads_end() -> Iterator[None]:
    yield
    assert server_threads() == []


class Call:
    """Calls a function in a thread, and hands on its result or its error."""

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
    """A rule that waits until it is let go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request: ServedRequest) -> str:
        self.reached.set()
        assert self.open.wait(LIMIT)
        return f"You said {request.prompt}"


def asking(server: ProviderServer, prompt: str = "Hi", stream: bool = False) -> bytes:
    body = {**QUESTION, "stream": stream, "messages": [{"role": "user", "content": prompt}]}
    return exchanged(server, request(body, "/v1/chat/completions", "connection: close"))


def text_of(answer: bytes) -> object:
    return refusal(answer)[1]["choices"][0]["message"]["content"]


def test_a_rule_that_waits_delays_no_other_server_and_nothing_else_of_its_own() -> None:
    gate = Gate()
    with ProviderServer(gate) as slow, ProviderServer("Quick.") as quick:
        waiting = Call(lambda: asking(slow))
        assert gate.reached.wait(LIMIT)
        assert Call(lambda: ask(quick, "openai")).result() == ("Quick.", None)
        status, found = refusal(exchanged(slow, request("", "/v1/models", "connection: close", method="GET")))
        assert (status, found["object"]) == (200, "list")
        gate.open.set()
        assert text_of(waiting.result()) == "You said Hi"


def test_a_rule_is_called_for_one_request_after_the_other_in_their_order() -> None:
    asked: list[str] = []
    inside = threading.Lock()

    def rule(request: ServedRequest) -> str:
        assert inside.acquire(blocking=False), "it is called twice at once"
        asked.append(request.prompt)
        inside.release()
        return f"{len(asked)}, and {len(server.requests)} before"

    with ProviderServer(rule) as server:
        calls = [Call(lambda number=number: text_of(asking(server, str(number)))) for number in range(8)]
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
        assert Call(lambda: asking(server)).result() == b""
        assert over.wait(LIMIT)
        assert ask(other, "openai") == ("Still here.", None)
        assert [entry.client_disconnected for entry in server.requests] == [False]


def test_a_rule_may_open_and_close_other_servers() -> None:
    def rule(request: ServedRequest) -> str:
        with ProviderServer("Inner.") as inner:
            return f"{ask(inner, 'openai')[0]} {request.prompt}"

    with ProviderServer(rule) as server:
        assert Call(lambda: text_of(asking(server))).result() == "Inner. Hi"


def test_closing_a_server_does_not_wait_for_its_rule() -> None:
    gate = Gate()
    server = ProviderServer(gate).start()
    waiting = Call(lambda: asking(server))
    assert gate.reached.wait(LIMIT)
    arriving = Call(lambda: asking(server, "Next"))
    Call(server.close).result()
    assert waiting.result() == b""
    with suppress(ConnectionError):  # it came too late, or its request was not read any more
        assert arriving.result() == b""
    gate.open.set()


def test_a_client_that_leaves_while_the_rule_works_is_in_the_journal() -> None:
    gate = Gate()
    with ProviderServer(gate) as server:
        with connected(server) as client:
            client.sendall(request())
            assert gate.reached.wait(LIMIT)
        server.assert_client_disconnected(within=LIMIT)
        gate.open.set()
        assert text_of(asking(server, "Again")) == "You said Again"
        assert [(entry.prompt, entry.client_disconnected) for entry in server.requests] == [
            ("Hi", True),
            ("Again", False),
        ]


class Odd(BaseException):
    """An error that is no `Exception`, as pytest's own are none."""


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt, Odd, StopIteration], ids=lambda error: error.__name__)
def test_a_rule_that_raises_whatever_it_may_ends_its_own_answer_only(error: type[BaseException]) -> None:
    def rule(request: ServedRequest) -> str:
        if request.prompt == "Hi":
            raise error("from a rule")
        return "Fine."

    with ProviderServer(rule) as server:
        status, found = refusal(asking(server))
        assert status == 500
        assert f"{error.__name__}: from a rule" in found["error"]["message"]
        assert text_of(asking(server, "Again")) == "Fine."
        assert len(list(server.unmet())) == 1


variable: ContextVar[str] = ContextVar("variable", default="unset")


def test_a_rule_runs_in_the_context_in_which_its_server_was_made() -> None:
    token = variable.set("of the test")
    with ProviderServer(lambda _: variable.get()) as server:
        variable.reset(token)
        assert text_of(asking(server)) == "of the test"


# Closing


def test_closing_a_server_from_several_threads_ends_no_other_one() -> None:
    with ProviderServer("Still here.") as other:
        for _ in range(20):
            server = ProviderServer("x").start()
            for call in [Call(server.close) for _ in range(4)]:
                call.result()
        assert Call(lambda: ask(other, "openai")).result() == ("Still here.", None)
        assert len(server_threads()) == 1


def test_a_server_that_could_not_be_opened_keeps_neither_its_thread_nor_its_port(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no more descriptors")

    server = ProviderServer("x")
    monkeypatch.setattr(server._site, "open", fail)
    with pytest.raises(OSError, match="no more descriptors"):
        server.start()
    assert server_threads() == []
    with ProviderServer(port=server.port):
        server.close()


# Dropping


def server_thread_ends() -> None:
    """Wait for the thread that closes a dropped server by itself."""
    for thread in server_threads():
        thread.join(LIMIT)


def dropped(**options: object) -> int:
    server = ProviderServer(Script.of("Hel", Stall()), **options).start()
    return server.port


def test_a_server_that_is_dropped_while_open_warns_and_ends() -> None:
    with pytest.warns(ResourceWarning, match=r"<ProviderServer http.*, 0 requests> was dropped while it was open"):
        port = dropped()
    server_thread_ends()
    with ProviderServer(port=port):
        pass


def test_so_does_a_server_that_refuses_connections() -> None:
    with pytest.warns(ResourceWarning) as caught:
        dropped(fault="refuse")
    server_thread_ends()
    assert ["was dropped while it was open" in str(each.message) for each in caught] == [True]


def test_a_dropped_server_ends_its_connections_and_no_other_server() -> None:
    with ProviderServer("Still here.") as other:
        server = ProviderServer(Script.of("Hel", Stall())).start()
        with connected(server) as client:
            client.sendall(request())
            until(client, b"Hel")
            with pytest.warns(ResourceWarning, match="1 request"):
                del server
            assert everything(client) == b""
        assert ask(other, "openai") == ("Still here.", None)


@pytest.mark.filterwarnings("error::ResourceWarning")
def test_a_server_that_was_closed_or_never_opened_is_dropped_quietly() -> None:
    ProviderServer("x")
    ProviderServer("x").start().close()
    with ProviderServer("x"):
        pass
    gc.collect()


AT_EXIT = """
from pytest_streamval import ProviderServer
server = ProviderServer(lambda request: str(server.port)).start()
"""


def test_the_end_of_the_program_closes_a_server_that_its_own_rule_holds_and_warns() -> None:
    command = [sys.executable, "-X", "dev", "-c", AT_EXIT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0
    assert done.stderr.count("was dropped while it was open") == 1
    assert "unclosed" not in done.stderr


# Forks

FORKED = """
import os, sys, threading, time
from pytest_streamval import ProviderServer, Script, Stall
from tests.server.clients import ask, connected, exchanged, request, until

server = ProviderServer(Script.of("One."), Script.of("Hel", Stall()), "Three.").start()
never_opened = ProviderServer("Mine.")
assert ask(server, "openai") == ("One.", None)
client = connected(server)
client.sendall(request())
until(client, b"Hel")
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


def test_a_forked_child_closes_a_server_that_it_inherited_and_opens_others() -> None:
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
    os.read(reading, 1)  # lives on until its parent has done
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


def test_a_forked_child_does_not_keep_the_port_of_its_parents_server() -> None:
    command = [sys.executable, "-W", "ignore", "-c", PORT]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert (done.stdout, done.returncode) == ("refused\n", 0), done.stderr
