"""The journal of a `ProviderServer`, and the assertions about it."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_streamval import InvalidArgumentError, ProviderServer, Raise, Script, Stall, assert_stopped, faults
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.typing import ServedRequest
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    ask,
    chunks_of,
    connect,
    exchange,
    generate,
    receive_all,
    receive_until,
    request,
    wait_until,
)

WORDS = Script.of("One ", "two ", "three.")
LARGE = Script(("x" * 100_000,) * 400)


def test_the_journal_has_the_request_and_what_was_sent() -> None:
    body = {**BODY, "temperature": 0.5}
    data = request(body, f"{CHAT}?key=secret-1234", "Authorization: Bearer sk-secret", CLOSE)
    with ProviderServer(WORDS) as server:
        response = exchange(server, data)
        (entry,) = server.requests
    assert isinstance(entry, ServedRequest)
    assert (entry.method, entry.protocol, entry.model, entry.stream, entry.status) == ("POST", "openai", "m", True, 200)
    assert "secret-1234" not in entry.path
    assert entry.headers["authorization"] == "[redacted]"
    assert entry.body == body
    assert entry.prompt == "Hi"
    assert (entry.deltas_sent, entry.finished, entry.client_disconnected, entry.fault) == (3, True, False, None)
    assert entry.bytes_sent == sum(map(len, chunks_of(response)))
    assert "finished, 3 deltas sent" in repr(entry)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_the_journal_has_a_client_that_leaves_while_the_server_is_silent(stream: bool) -> None:
    with ProviderServer(Script.of("Hel", Stall(), "lo")) as server:
        with connect(server) as client:
            client.sendall(request({**BODY, "stream": stream}))
            if stream:
                receive_until(client, b"Hel")
            else:
                server._journal.wait_for(lambda: len(server.requests) == 1, 5)
        server.assert_client_disconnected(within=5)
        server.assert_client_disconnected(request=0)
        server.assert_client_disconnected(request=-1)
        with pytest.raises(CheckFailedError):
            server.assert_client_disconnected(request=1)
        entry = server.requests[0]
        assert (entry.deltas_sent, entry.finished) == (1 if stream else 0, False)
        assert "left by its client" in repr(entry)


def test_the_journal_has_an_early_exit_of_a_live_backend() -> None:
    async def main(server: ProviderServer) -> None:
        output = await generate(server, "openai")
        async for _ in output:
            break
        await output.cancel_generation()

    with ProviderServer(Script.of("Hel", Stall())) as server:
        asyncio.run(main(server))
        server.assert_client_disconnected(within=5)


def test_a_client_that_reads_to_the_end_has_not_left() -> None:
    with ProviderServer(WORDS) as server:
        ask(server, "openai")
        with pytest.raises(CheckFailedError, match="200, finished, 3 deltas sent"):
            server.assert_client_disconnected(within=0.01)


def test_a_client_that_reads_slowly_makes_the_producer_wait() -> None:
    with ProviderServer(LARGE) as server, connect(server) as client:
        client.sendall(request(None, CHAT, CLOSE))
        receive_until(client, b"200")
        wait_until(lambda: any(connection._drained for connection in server._handler.connections))
        assert server.requests[0].deltas_sent < 400
        receive_all(client)
        assert server.requests[0].finished


def test_a_client_that_leaves_while_the_producer_waits_is_noticed() -> None:
    with ProviderServer(LARGE) as server:
        with connect(server) as client:
            client.sendall(request())
            wait_until(lambda: any(connection._drained for connection in server._handler.connections))
        server.assert_client_disconnected(within=5)


# The client and the end of a response


def test_the_peer_is_the_same_for_all_requests_on_one_connection() -> None:
    with ProviderServer(*["Hi."] * 3) as server:
        with connect(server) as client:
            own = ":".join(map(str, client.getsockname()))
            for _ in range(2):
                client.sendall(request({**BODY, "stream": False}))
                receive_until(client, b"total_tokens")
        ask(server, "openai")
        first, second, third = server.requests
        assert first.peer == second.peer == own != third.peer


def test_the_outcome_of_a_response_is_never_open_after_its_end() -> None:
    broken = Script.of("One ", "two.")
    with ProviderServer("Hi.", faults.reset(after_deltas=1).on(broken), Script.of("One ", Stall()), "Hi.") as server:
        ask(server, "openai")
        ask(server, "openai")
        with connect(server) as client:
            client.sendall(request())
            receive_until(client, b"One")
            assert server.requests[2].outcome == "open"
        assert_stopped(server)
        ask(server, "openai")
        assert_stopped(server)
        assert [each.outcome for each in server.requests] == ["finished", "broken", "left", "finished"]
        assert "200, broken, 1 delta sent" in repr(server.requests[1])


@pytest.mark.parametrize("end", [ConnectionResetError, EOFError])
def test_the_outcome_of_a_response_is_broken_as_soon_as_its_client_sees_the_end(end: type[Exception]) -> None:
    with ProviderServer(lambda _: Script.of("One ", Raise(end()), "two.")) as server:
        for number in range(20):
            ask(server, "openai")
            assert server.requests[number].outcome == "broken"


def test_the_outcome_of_a_response_is_broken_by_a_server_that_closes() -> None:
    with ProviderServer(Script.of("One ", Stall())) as server, connect(server) as client:
        client.sendall(request())
        receive_until(client, b"One")
        server.close()
        assert server.requests[0].outcome == "broken"


def test_the_outcome_of_a_request_without_a_script_is_finished() -> None:
    with ProviderServer() as server:
        exchange(server, request(None, CHAT, CLOSE))
        assert_stopped(server)
        assert (server.requests[0].status, server.requests[0].outcome) == (400, "finished")
        assert "\n" in server.requests[0].refusal
        assert "\n" not in repr(server.requests[0])


def test_client_left_ends_its_thread_when_it_is_cancelled() -> None:
    async def main(server: ProviderServer) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await server.client_left(within=600)

    with ProviderServer("Hi.") as server:
        asyncio.run(main(server))  # it waits for the threads of its executor


def test_client_left_works_in_several_event_loops_at_once() -> None:
    async def main(server: ProviderServer) -> None:
        await server.client_left(within=60)

    with ProviderServer(Script.of("One ", Stall())) as server, ThreadPoolExecutor() as threads:
        waiting = [threads.submit(asyncio.run, main(server)) for _ in range(3)]
        with connect(server) as client:
            client.sendall(request())
            receive_until(client, b"One")
        for each in waiting:
            each.result(timeout=60)


# Assertions


def test_assert_stopped_passes_when_the_client_has_left_and_names_a_client_that_stays() -> None:
    with ProviderServer("Hi.", Script.of("One, ", Stall())) as server:
        assert ask(server, "openai") == ("Hi.", None)
        with connect(server) as client:
            client.sendall(request())
            receive_until(client, b"One")
            with pytest.raises(
                CheckFailedError, match=r"1 of 2 continued.*\nPOST .*: the producer still runs: <Served"
            ):
                assert_stopped(server, within=0)
        assert_stopped(server)
        server.requests[1].deltas_late = 2
        with pytest.raises(CheckFailedError, match="sent 2 more after its client had gone"):
            assert_stopped(server)


@pytest.mark.parametrize("fault", [faults.reset(), faults.unauthorized(), faults.truncate()])
def test_assert_stopped_passes_for_a_response_that_a_fault_has_ended(fault: faults.Fault) -> None:
    with ProviderServer("Hi there.", fault=fault) as server:
        assert ask(server, "openai")[1] is not None
        assert_stopped(server)


def test_wait_for_requests_returns_whether_they_have_arrived() -> None:
    with ProviderServer("One.") as server:
        assert not server.wait_for_requests(1, within=0)
        ask(server, "openai")
        assert server.wait_for_requests(1, within=5)


def test_assert_requested_returns_the_requests() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server, "openai")
        ask(server, "anthropic", stream=False)
        assert len(server.assert_requested()) == 2
        assert server.assert_requested(1, protocol="openai", stream=True, model="m") == [server.requests[0]]
        assert server.assert_requested(path="/v1/messages", prompt="Hi", body={"max_tokens": 4096}, method="POST")
        assert server.assert_requested(headers={"Content-Type": "application/json"}, times=2)
        assert server.assert_requested(0, protocol="gemini") == []


MISSED = {
    "protocol": ({"protocol": "gemini"}, "its protocol is 'openai'"),
    "path": ({"path": "/v1/messages"}, "its path is '/v1/chat/completions'"),
    "prompt": ({"prompt": "Bye"}, "its prompt is 'Hi'"),
    "field": ({"body": {"model": "n"}}, "its model is 'm'"),
    "missing field": ({"body": {"seed": 1}}, "its body has no seed"),
    "header": ({"headers": {"X-Mine": "1"}}, "its header X-Mine is None"),
    "times": ({"times": 2}, " 2 times. Requests that fit: 1"),
}


def test_assert_requested_names_the_difference_of_each_request() -> None:
    with ProviderServer("One.") as server:
        ask(server, "openai")
        for name, (wanted, message) in MISSED.items():
            with pytest.raises(CheckFailedError) as caught:
                server.assert_requested(**wanted)
            assert "requests[0]: POST /v1/chat/completions 'Hi'" in str(caught.value)
            assert message in str(caught.value), name


def test_assert_requested_takes_a_number_of_requests() -> None:
    with ProviderServer() as server, pytest.raises(InvalidArgumentError, match="Give everything else by name: path="):
        server.assert_requested("/v1/chat/completions")


def test_assert_requested_says_that_there_was_no_request() -> None:
    with ProviderServer() as server, pytest.raises(CheckFailedError, match="got no request at all"):
        server.assert_requested()


def test_a_journal_with_a_limit_forgets_the_oldest_requests() -> None:
    def rule(_: ServedRequest) -> str:
        return "Yes."

    with ProviderServer(rule, journal_limit=20_000) as server:
        seen = 0
        for number in range(10):
            exchange(server, request({**BODY, "number": number, "padding": "x" * 4_000}, CHAT, CLOSE))
            assert server.wait_for_requests(number + 1, within=5)
            seen, requests = server.requests_after(seen)
            assert [each.body["number"] for each in requests] == [number]
        assert [each.body["number"] for each in server.requests] == [7, 8, 9]
        assert len(server._queue.scripts) == 3
        assert server.requests_after(0) == (10, list(server.requests))
        exchange(server, request({**BODY, "padding": "x" * 40_000}, CHAT, CLOSE))
        assert server.requests_after(10)[0] == 11
        assert [len(each.body["padding"]) for each in server.requests] == [40_000]


def test_a_server_with_a_limited_journal_plays_all_its_scripts() -> None:
    with ProviderServer(*["Yes."] * 50, journal_limit=0) as server:
        for _ in range(50):
            assert b"200" in exchange(server, request(None, CHAT, CLOSE))
        assert len(server.requests) == 1
        assert list(server.unmet()) == []


@pytest.mark.parametrize("limit", [-1, 1.5, "1", True])
def test_an_invalid_limit_of_the_journal_is_rejected(limit: object) -> None:
    with pytest.raises(InvalidArgumentError, match="journal_limit"):
        ProviderServer("Hello.", journal_limit=limit)
