"""`ProviderServer`: what clients get, and what the journal says."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    ClientStayedError,
    Delay,
    Delta,
    InvalidArgumentError,
    LiveBackend,
    ModelOption,
    NotRequestedError,
    NotStoppedError,
    ProviderServer,
    ProviderStatusError,
    ProviderStreamError,
    ProviderUnreachableError,
    Raise,
    Script,
    ServedRequest,
    ServerStateError,
    SimpleContext,
    Stall,
    StreamTruncatedError,
    assert_stopped,
    faults,
)
from pytest_streamval.model import ToolCall, ToolCallDelta, Usage
from tests.server.clients import (
    PROTOCOLS,
    QUESTION,
    ask,
    asked,
    connected,
    eventually,
    everything,
    exchanged,
    refusal,
    request,
    server_threads,
    until,
    url_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

FULL = Script.of(
    Delta(thinking="Hm, "),
    Delta(thinking="well."),
    "Héllo ",
    "\U0001f34e.\r\n\u2028",
    Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": '),)),
    Delta(tool_calls=(ToolCallDelta(0, arguments='"Ödenburg"}'),)),
    Delta(usage=Usage(7, 11)),
)
WORDS = Script.of("One ", "two ", "three.")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_script_gives_the_same_in_each_protocol(protocol: str, stream: bool) -> None:
    async def main() -> None:
        with ProviderServer(FULL) as server:
            output = await asked(server, protocol, stream=stream)
            await output.avalue()
        assert (output.value, output.thinking) == ("Héllo \U0001f34e.\r\n\u2028", "Hm, well.")
        assert output.generation.usage == Usage(7, 11)
        (call,) = output.tool_calls
        assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Ödenburg"})
        assert isinstance(call, ToolCall)
        assert server.requests[0].finished

    asyncio.run(main())


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_script_without_usage_gets_a_plausible_count(protocol: str, stream: bool) -> None:
    async def main() -> Usage | None:
        with ProviderServer("Twelve chars") as server:
            output = await asked(server, protocol, stream=stream)
            await output.avalue()
        return output.generation.usage

    usage = asyncio.run(main())
    assert usage is not None
    assert usage.output_tokens == 3
    assert 5 < usage.input_tokens < 50


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_without_text_has_a_count_too(protocol: str, stream: bool) -> None:
    async def main() -> Usage | None:
        with ProviderServer("") as server:
            output = await asked(server, protocol, stream=stream)
            assert await output.avalue() == ""
        assert server.requests[0].deltas_sent == 0
        return output.generation.usage

    usage = asyncio.run(main())
    assert usage is not None
    assert usage.output_tokens == 0
    assert 5 < usage.input_tokens < 50


def test_a_stream_has_a_chunk_for_each_delta() -> None:
    with ProviderServer(WORDS) as server:
        answer = exchanged(server, request(None, "/v1/chat/completions", "connection: close"))
    chunks = [line for line in answer.split(b"\r\n") if line.startswith(b"data:")]
    assert [word in chunk for chunk, word in zip(chunks, (b"One", b"two", b"three"), strict=False)] == [True] * 3
    assert answer.endswith(b"\r\n0\r\n\r\n")
    assert server.requests[0].deltas_sent == 3


def test_the_journal_tells_what_was_asked_and_what_was_sent() -> None:
    body = {**QUESTION, "temperature": 0.5}
    with ProviderServer(WORDS) as server:
        answer = exchanged(
            server,
            request(
                body, "/v1/chat/completions?key=secret-1234", "Authorization: Bearer sk-secret", "connection: close"
            ),
        )
        (entry,) = server.requests
    assert isinstance(entry, ServedRequest)
    assert (entry.method, entry.protocol, entry.model, entry.stream, entry.status) == ("POST", "openai", "m", True, 200)
    assert "secret-1234" not in entry.path
    assert entry.headers["authorization"] == "[redacted]"
    assert entry.body == body
    assert entry.prompt == "Hi"
    assert (entry.deltas_sent, entry.finished, entry.client_disconnected, entry.fault) == (3, True, False, None)
    body_sent = answer.partition(b"\r\n\r\n")[2]
    sizes = [int(line, 16) for line in body_sent.split(b"\r\n") if line and len(line) < 5]
    assert entry.bytes_sent == sum(sizes)
    assert "finished, 3 deltas sent" in repr(entry)


def test_several_scripts_are_played_in_order_and_connections_are_kept() -> None:
    with ProviderServer("First.", "Second.", token_size=10) as server, connected(server) as client:
        client.sendall(request())
        assert b"First." in until(client, b"0\r\n\r\n")
        client.sendall(request())
        assert b"Second." in until(client, b"0\r\n\r\n")
        assert list(server.unmet()) == []


def test_a_rule_chooses_by_the_request() -> None:
    def rule(request: ServedRequest) -> str | None:
        return f"You said {request.prompt}." if request.model == "m" else None

    with ProviderServer(rule) as server:
        assert ask(server, "anthropic") == ("You said Hi.", None)
        text, error = ask(server, "ollama")
        assert (text, error) == ("You said Hi.", None)
        answer = exchanged(server, request({**QUESTION, "model": "other"}, "/v1/messages", "connection: close"))
        assert refusal(answer)[0] == 400
        assert "POST /v1/messages 'Hi'" in refusal(answer)[1]["error"]["message"]
        assert len(list(server.unmet())) == 1


def test_a_rule_that_raises_is_told_to_the_client_and_to_the_test() -> None:
    def rule(request: ServedRequest) -> str:
        raise KeyError(request.model)

    with ProviderServer(rule) as server:
        _, error = ask(server, "gemini")
        assert isinstance(error, ProviderStatusError)
        assert error.status == 500
        (failure,) = server.unmet()
        assert "KeyError: 'm'" in str(failure)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_without_a_script_gets_an_error_in_the_form_of_the_provider(protocol: str) -> None:
    with ProviderServer() as server:
        text, error = ask(server, protocol)
        assert text == ""
        assert isinstance(error, ProviderStatusError)
        assert error.status == 400
        (refused,) = server.unmet()
    assert "Nothing was scripted." in str(refused)


def test_a_request_too_many_is_told_with_what_was_scripted_and_the_nearest_request() -> None:
    with ProviderServer("One.") as server:
        assert ask(server, "openai") == ("One.", None)
        exchanged(
            server, request({**QUESTION, "model": "other", "seed": 1}, "/v1/chat/completions", "connection: close")
        )
        exchanged(server, request(server.requests[0].body, "/v1/chat/completions", "connection: close"))
        other, again = map(str, server.unmet())
    assert "script 1: 'One.', played for POST /v1/chat/completions 'Hi'" in other
    assert "is now    'other'\n    but was   'm'" in other
    assert "It repeats POST" in again


def test_a_script_that_nobody_asked_for_is_told() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server, "openai")
        (unasked,) = server.unmet()
    assert "script 2: 'Two.'" in str(unasked)


FAILING = {
    "before anything was said": ([Raise(ValueError("no"))], ProviderStatusError, ""),
    "after a delay": ([Delay(0.001), Raise(ValueError)], ProviderStatusError, ""),
    "in the stream": (["Hel", Delay(0.001), Raise(ValueError("no"))], ProviderStreamError, "Hel"),
    "with the status that is named": (
        [Raise(ProviderStatusError("openai", "u", 429, "slow", 3.0))],
        ProviderStatusError,
        "",
    ),
    "by a reset": (["Hel", Raise(ConnectionResetError())], StreamTruncatedError, "Hel"),
    "by the end of the connection": (["Hel", Raise(ConnectionError())], StreamTruncatedError, "Hel"),
    "by the end of the connection, at once": ([Raise(EOFError())], ProviderUnreachableError, ""),
}


@pytest.mark.parametrize("case", FAILING.values(), ids=FAILING)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_script_fails_as_a_provider_does(protocol: str, case: tuple[list[object], type[Exception], str]) -> None:
    steps, kind, text = case
    with ProviderServer(Script.of(*steps)) as server:
        value, error = ask(server, protocol)
        assert (value, type(error)) == (text, kind)
        assert list(server.unmet()) == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_script_fails_whole_answers_too(protocol: str) -> None:
    with ProviderServer(Script.of("Hel", Delay(0.001), Raise(ValueError("no")))) as server:
        assert isinstance(ask(server, protocol, stream=False)[1], ProviderStatusError)


def test_the_status_and_the_wait_of_a_failure_reach_the_client() -> None:
    with ProviderServer(Script.of(Raise(ProviderStatusError("openai", "u", 429, "slow", 3.0)))) as server:
        error = ask(server, "anthropic")[1]
    assert isinstance(error, ProviderStatusError)
    assert (error.status, error.retry_after) == (429, 3.0)


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_a_client_that_leaves_is_noticed_while_the_server_is_silent(stream: bool) -> None:
    with ProviderServer(Script.of("Hel", Stall(), "lo")) as server:
        with connected(server) as client:
            client.sendall(request({**QUESTION, "stream": stream}))
            if stream:
                until(client, b"Hel")
            else:
                server._journal.wait_for(lambda: len(server.requests) == 1, 5)
        server.assert_client_disconnected(within=5)
        server.assert_client_disconnected(request=0)
        server.assert_client_disconnected(request=-1)
        with pytest.raises(ClientStayedError):
            server.assert_client_disconnected(request=1)
        entry = server.requests[0]
        assert (entry.deltas_sent, entry.finished) == (1 if stream else 0, False)
        assert "left by its client" in repr(entry)


def test_a_client_that_reads_to_the_end_has_not_left() -> None:
    with ProviderServer(WORDS) as server:
        ask(server, "openai")
        with pytest.raises(ClientStayedError, match="200, finished, 3 deltas sent"):
            server.assert_client_disconnected(within=0.01)


def test_a_client_that_reads_slowly_holds_the_producer_back() -> None:
    script = Script(("x" * 100_000,) * 400)
    with ProviderServer(script) as server, connected(server) as client:
        client.sendall(request(None, "/v1/chat/completions", "connection: close"))
        until(client, b"200")
        eventually(lambda: any(connection._room for connection in server._site.connections))
        assert server.requests[0].deltas_sent < 400
        everything(client)
        assert server.requests[0].finished


def test_a_client_that_leaves_while_the_producer_is_held_back_is_noticed() -> None:
    with ProviderServer(Script(("x" * 100_000,) * 400)) as server:
        with connected(server) as client:
            client.sendall(request())
            eventually(lambda: any(connection._room for connection in server._site.connections))
        server.assert_client_disconnected(within=5)


def test_assert_stopped_holds_once_a_client_has_left_and_names_one_that_stays() -> None:
    with ProviderServer("Hi.", Script.of("One, ", Stall())) as server:
        assert ask(server, "openai") == ("Hi.", None)
        with connected(server) as client:
            client.sendall(request())
            until(client, b"One")
            with pytest.raises(NotStoppedError, match=r"1 of 2 continued.*\nPOST .*: the producer still runs: <Served"):
                assert_stopped(server, within=0)
        assert_stopped(server)
        server.requests[1].deltas_late = 2
        with pytest.raises(NotStoppedError, match="sent 2 more after its client had gone"):
            assert_stopped(server)


@pytest.mark.parametrize("fault", [faults.reset(), faults.unauthorized(), faults.truncate()])
def test_assert_stopped_holds_for_an_answer_that_a_fault_has_ended(fault: faults.Fault) -> None:
    with ProviderServer("Hi there.", fault=fault) as server:
        assert ask(server, "openai")[1] is not None
        assert_stopped(server)


def test_requests_can_be_waited_for() -> None:
    with ProviderServer("One.") as server:
        assert not server.wait_for_requests(1, within=0)
        ask(server, "openai")
        assert server.wait_for_requests(1, within=5)


def test_what_was_asked_can_be_asserted() -> None:
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
    "times": ({"times": 2}, "once too few"),
}


@pytest.mark.parametrize("case", MISSED.values(), ids=MISSED)
def test_what_was_not_asked_is_told_with_what_was(case: tuple[dict[str, object], str]) -> None:
    wanted, difference = case
    with ProviderServer("One.") as server:
        ask(server, "openai")
        with pytest.raises(NotRequestedError) as caught:
            server.assert_requested(**wanted)
    assert "requests[0]: POST /v1/chat/completions 'Hi'" in str(caught.value)
    if "times" not in wanted:
        assert difference in str(caught.value)


def test_how_often_is_a_number() -> None:
    with ProviderServer() as server, pytest.raises(InvalidArgumentError, match="what was asked goes by name: path="):
        server.assert_requested("/v1/chat/completions")


def test_an_assertion_on_a_server_that_nobody_asked_says_so() -> None:
    with ProviderServer() as server, pytest.raises(NotRequestedError, match="asked nothing at all"):
        server.assert_requested()


def test_a_server_has_one_life() -> None:
    server = ProviderServer()
    with pytest.raises(ServerStateError, match="has no address"):
        _ = server.url
    with server:
        with pytest.raises(ServerStateError, match="opened before"):
            server.start()
        assert repr(server) == f"<ProviderServer {server.url}, 0 requests>"
    server.close()
    with pytest.raises(ServerStateError, match="opened before"):
        server.start()


def test_a_port_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    with ProviderServer() as server, pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        ProviderServer(port=server.port).start()
    assert server_threads() == []


@pytest.mark.parametrize("given", [3, [], None, ProviderServer])
def test_what_is_no_script_is_refused(given: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"scripts\[0\]"):
        ProviderServer(given)


def test_a_list_of_scripts_is_unpacked_by_its_caller() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Unpack the list: \*scripts"):
        ProviderServer(["One.", "Two."])


WRONG = {
    "no speed": ({"speed": 0}, "Invalid speed: 0. It must be more than 0"),
    "a speed in words": ({"speed": "fast"}, "leaves out the pauses"),
    "one model": ({"models": "gpt"}, "a list of names"),
    "models that are none": ({"models": [1]}, "a list of names"),
    "no limit": ({"body_limit": -1}, "a number of bytes"),
    "no port": ({"port": 65_536}, "up to 65535"),
    "a port in words": ({"port": "http"}, "0 for any"),
    "nothing to record": ({"record": "new"}, "neither an upstream nor cassettes"),
    "nobody to record": ({"record": "all", "cassettes": "anywhere"}, "It must be none without an upstream"),
}


@pytest.mark.parametrize("case", WRONG.values(), ids=WRONG)
def test_an_option_that_says_nothing_is_refused(case: tuple[dict[str, object], str]) -> None:
    options, message = case
    with pytest.raises(InvalidArgumentError, match=message):
        ProviderServer(**options)


def test_servers_share_a_thread_which_ends_with_the_last_of_them() -> None:
    with ProviderServer("One.") as one:
        with ProviderServer("Two.") as two:
            assert len(server_threads()) == 1
            assert not server_threads()[0].daemon
            assert (ask(two, "openai"), ask(one, "openai")) == (("Two.", None), ("One.", None))
        assert len(server_threads()) == 1
    assert server_threads() == []


def test_closing_a_server_ends_the_answers_that_are_under_way() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as server, connected(server) as client:
        client.sendall(request())
        until(client, b"Hel")
        server.close()
        assert everything(client) == b""
        assert not server.requests[0].client_disconnected
    assert server_threads() == []


def test_a_script_that_its_protocol_cannot_say_is_told_to_the_test() -> None:
    begun, ended = (Delta(tool_calls=(ToolCallDelta(0, "a", "f", arguments),)) for arguments in "{}")
    with ProviderServer(Script.of(begun, "text", ended), Script.of(begun)) as server:
        assert isinstance(ask(server, "anthropic")[1], StreamTruncatedError)
        error = ask(server, "ollama", stream=False)[1]
        assert isinstance(error, ProviderStatusError)
        assert error.status == 500
        assert error.body.startswith('{"error":"UnencodableDeltaError')
        assert ["UnencodableDeltaError" in str(failure) for failure in server.unmet()] == [True, True]


def test_requests_come_from_many_threads_at_once() -> None:
    def rule(request: ServedRequest) -> str:
        return f"Answer to {request.prompt}"

    with ProviderServer(rule) as server:
        found: list[object] = []

        def client(number: int) -> None:
            body = {**QUESTION, "stream": False, "messages": [{"role": "user", "content": str(number)}]}
            answer = refusal(exchanged(server, request(body, "/v1/chat/completions", "connection: close")))
            found.append((number, answer[1]["choices"][0]["message"]["content"]))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [(number, f"Answer to {number}") for number in range(20)]


def test_an_early_exit_of_the_own_client_reaches_the_server() -> None:
    async def main(server: ProviderServer) -> None:
        output = await asked(server, "openai")
        async for _ in output:
            break
        await output.cancel_generation()

    with ProviderServer(Script.of("Hel", Stall())) as server:
        asyncio.run(main(server))
        server.assert_client_disconnected(within=5)


def test_a_server_that_nobody_closes_does_not_keep_the_process() -> None:
    code = "from pytest_streamval import ProviderServer; print(ProviderServer('x').start().port > 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == ("True\n", 0)


async def test_a_synchronous_wait_does_not_stop_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
    with ProviderServer("One.") as server:
        backend = LiveBackend("ollama:m", base_url=server.ollama_url)
        output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
        assert await output.avalue() == "One."
        assert url_of(server, "ollama") == server.url
        assert server.assert_requested(1)[0].finished


FACTS = {
    "/v1/models": lambda found: found["data"][0]["id"],
    "/models": lambda found: found["data"][0]["id"],
    "/v1beta/models": lambda found: found["models"][0]["name"].removeprefix("models/"),
    "/v1/models/big": lambda found: found["id"],
    "/api/tags": lambda found: found["models"][0]["name"],
}


@pytest.mark.parametrize(("path", "read"), FACTS.items(), ids=FACTS)
def test_models_are_listed_where_each_client_looks(path: str, read: Callable[[object], str]) -> None:
    with ProviderServer(models=["big"]) as server:
        status, found = refusal(exchanged(server, request("", path, "connection: close", method="GET")))
        assert (status, read(found)) == (200, "big")
        head = exchanged(server, request("", path, "connection: close", method="HEAD"))
        assert head.startswith(b"HTTP/1.1 200")
        assert head.endswith(b"\r\n\r\n")
        assert list(server.unmet()) == []


def test_what_clients_of_ollama_and_anthropic_ask_besides_is_answered() -> None:
    with ProviderServer() as server:
        shown = refusal(exchanged(server, request({"model": "m"}, "/api/show", "connection: close")))[1]
        assert "completion" in shown["capabilities"]
        version = refusal(exchanged(server, request("", "/api/version", "connection: close", method="GET")))[1]
        assert version["version"]
        counted = refusal(exchanged(server, request(None, "/v1/messages/count_tokens", "connection: close")))[1]
        assert counted["input_tokens"] > 1
        assert exchanged(server, request("", "/", "connection: close", method="GET")).endswith(b"Ollama is running")


def test_a_fault_in_the_place_of_a_script_strikes_once() -> None:
    with ProviderServer(faults.overloaded(), "Hello.") as server:
        assert isinstance(ask(server, "anthropic")[1], ProviderStatusError)
        assert ask(server, "anthropic") == ("Hello.", None)
        assert [entry.fault for entry in server.requests] == ["overloaded", None]
