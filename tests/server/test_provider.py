"""`ProviderServer`: the responses that clients get."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    Delay,
    Delta,
    InvalidArgumentError,
    ProviderServer,
    ProviderStatusError,
    ProviderStreamError,
    Raise,
    Script,
    Stall,
    StreamTruncatedError,
)
from pytest_streamval.errors import ClosedError, ProviderUnreachableError
from pytest_streamval.model import ToolCall, ToolCallDelta, Usage
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    PROTOCOLS,
    ask,
    chunks_of,
    connect,
    exchange,
    generate,
    get,
    parse,
    receive_all,
    receive_until,
    request,
    server_threads,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.typing import ServedRequest

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
FORMS = [(protocol, stream) for protocol in PROTOCOLS for stream in (True, False)]


# Responses


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_a_script_gives_the_same_output_in_each_protocol(protocol: str, stream: bool) -> None:
    with ProviderServer(FULL) as server:
        output = await generate(server, protocol, stream=stream)
        await output.avalue()
    assert (output.value, output.thinking) == ("Héllo \U0001f34e.\r\n\u2028", "Hm, well.")
    assert output.generation.usage == Usage(7, 11)
    (call,) = output.tool_calls
    assert (call.name, json.loads(call.arguments)) == ("weather", {"city": "Ödenburg"})
    assert isinstance(call, ToolCall)
    assert server.requests[0].finished


async def test_a_script_without_usage_gets_an_estimate() -> None:
    for protocol, stream in FORMS:
        for text, tokens in (("Twelve chars", 3), ("", 0)):
            with ProviderServer(text) as server:
                output = await generate(server, protocol, stream=stream)
                assert await output.avalue() == text
            usage = output.generation.usage
            assert usage is not None
            assert usage.output_tokens == tokens, protocol
            assert 5 < usage.input_tokens < 50
            assert server.requests[0].deltas_sent == len(text)


def test_a_stream_has_a_chunk_for_each_delta() -> None:
    with ProviderServer(WORDS) as server:
        response = exchange(server, request(None, CHAT, CLOSE))
    chunks = chunks_of(response)
    assert [word in chunk for chunk, word in zip(chunks, (b"One", b"two", b"three"), strict=False)] == [True] * 3
    assert response.endswith(b"\r\n0\r\n\r\n")
    assert server.requests[0].deltas_sent == 3


def test_a_cut_changes_the_chunks_and_keeps_the_text() -> None:
    found = []
    for cut in ("whole", "chars", "words", "3", "4"):
        with ProviderServer("Héllo.", "Héllo.", cut=cut) as server:
            assert ask(server, "openai") == ("Héllo.", None), cut
            found.append(len(chunks_of(exchange(server, request(None, CHAT, CLOSE)))))
    assert len(set(found)) == len(found)
    assert found[0] == 2


def test_scripts_are_played_in_order_on_one_connection() -> None:
    with ProviderServer("First.", "Second.", token_size=10) as server, connect(server) as client:
        client.sendall(request())
        assert b"First." in receive_until(client, b"0\r\n\r\n")
        client.sendall(request())
        assert b"Second." in receive_until(client, b"0\r\n\r\n")
        assert list(server.unmet()) == []


FAILING = {
    "before the first delta": ([Raise(ValueError("no"))], ProviderStatusError, ""),
    "after a delay": ([Delay(0.001), Raise(ValueError)], ProviderStatusError, ""),
    "in the stream": (["Hel", Delay(0.001), Raise(ValueError("no"))], ProviderStreamError, "Hel"),
    "with its own status": ([Raise(ProviderStatusError("openai", "u", 429, "slow", 3.0))], ProviderStatusError, ""),
    "by a reset": (["Hel", Raise(ConnectionResetError())], StreamTruncatedError, "Hel"),
    "by the end of the connection": (["Hel", Raise(ConnectionError())], StreamTruncatedError, "Hel"),
    "by the end of the connection, at once": ([Raise(EOFError())], ProviderUnreachableError, ""),
}


@pytest.mark.parametrize(("steps", "kind", "text"), FAILING.values(), ids=FAILING)
def test_a_script_fails_like_each_provider(steps: list[object], kind: type[Exception], text: str) -> None:
    for protocol in PROTOCOLS:
        with ProviderServer(Script.of(*steps)) as server:
            value, error = ask(server, protocol)
            assert (value, type(error)) == (text, kind), protocol
            assert list(server.unmet()) == []


def test_a_script_fails_a_response_that_is_not_streamed() -> None:
    for protocol in PROTOCOLS:
        with ProviderServer(Script.of("Hel", Delay(0.001), Raise(ValueError("no")))) as server:
            assert isinstance(ask(server, protocol, stream=False)[1], ProviderStatusError)


def test_a_failure_sends_its_status_and_its_wait() -> None:
    with ProviderServer(Script.of(Raise(ProviderStatusError("openai", "u", 429, "slow", 3.0)))) as server:
        error = ask(server, "anthropic")[1]
    assert isinstance(error, ProviderStatusError)
    assert (error.status, error.retry_after) == (429, 3.0)


def test_a_script_that_its_protocol_cannot_express_is_reported_to_the_test() -> None:
    begun, ended = (Delta(tool_calls=(ToolCallDelta(0, "a", "f", arguments),)) for arguments in "{}")
    with ProviderServer(Script.of(begun, "text", ended), Script.of(begun)) as server:
        assert isinstance(ask(server, "anthropic")[1], StreamTruncatedError)
        error = ask(server, "ollama", stream=False)[1]
        assert isinstance(error, ProviderStatusError)
        assert error.status == 500
        assert error.body.startswith('{"error":"UnencodableDeltaError')
        assert ["UnencodableDeltaError" in str(failure) for failure in server.unmet()] == [True, True]


# Rules


def test_a_rule_chooses_the_script_by_the_request() -> None:
    def rule(request: ServedRequest) -> str | None:
        return f"You said {request.prompt}." if request.model == "m" else None

    with ProviderServer(rule) as server:
        assert ask(server, "anthropic") == ("You said Hi.", None)
        assert ask(server, "ollama") == ("You said Hi.", None)
        status, report = parse(exchange(server, request({**BODY, "model": "other"}, "/v1/messages", CLOSE)))
        assert status == 400
        assert "POST /v1/messages 'Hi'" in report["error"]["message"]
        assert len(list(server.unmet())) == 1


def test_a_rule_that_raises_is_reported_to_the_client_and_to_the_test() -> None:
    def rule(request: ServedRequest) -> str:
        raise KeyError(request.model)

    with ProviderServer(rule) as server:
        _, error = ask(server, "gemini")
        assert isinstance(error, ProviderStatusError)
        assert error.status == 500
        (failure,) = server.unmet()
        assert "KeyError: 'm'" in str(failure)


def test_a_rule_with_an_invalid_result_is_reported_to_the_test() -> None:
    with ProviderServer(lambda _: 5) as server:
        assert isinstance(ask(server, "openai")[1], ProviderStatusError)
        (failure,) = server.unmet()
    assert "Invalid result of the rule: 5. It must be a Script" in str(failure)


def test_a_rule_answers_clients_of_many_threads() -> None:
    def rule(request: ServedRequest) -> str:
        return f"Answer to {request.prompt}"

    with ProviderServer(rule) as server:
        found: list[object] = []

        def client(number: int) -> None:
            body = {**BODY, "stream": False, "messages": [{"role": "user", "content": str(number)}]}
            response = parse(exchange(server, request(body, CHAT, CLOSE)))
            found.append((number, response[1]["choices"][0]["message"]["content"]))

        threads = [threading.Thread(target=client, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [(number, f"Answer to {number}") for number in range(20)]


# Requests without a script, and scripts without a request


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_request_without_a_script_gets_an_error_of_its_provider(protocol: str) -> None:
    with ProviderServer() as server:
        text, error = ask(server, protocol)
        assert text == ""
        assert isinstance(error, ProviderStatusError)
        assert error.status == 400
        (unscripted,) = server.unmet()
    assert "It has no scripts." in str(unscripted)


def test_the_error_of_a_request_without_a_script_says_that_the_rule_returned_none() -> None:
    with ProviderServer(lambda _: None) as server:
        ask(server, "openai")
        (unscripted,) = server.unmet()
    assert "Its rule has none for this request.\nAdd a script for it to the rule." in str(unscripted)


def test_the_error_of_a_request_without_a_script_names_the_scripts_and_the_nearest_request() -> None:
    with ProviderServer("One.") as server:
        assert ask(server, "openai") == ("One.", None)
        exchange(server, request({**BODY, "model": "other", "seed": 1}, CHAT, CLOSE))
        exchange(server, request(server.requests[0].body, CHAT, CLOSE))
        other, again = map(str, server.unmet())
    assert "script 1: 'One.', played for POST /v1/chat/completions 'Hi'" in other
    assert "is now    'other'\n    but was   'm'" in other
    assert "It repeats POST" in again


def test_a_script_without_a_request_is_reported_to_the_test() -> None:
    with ProviderServer("One.", "Two.") as server:
        ask(server, "openai")
        (unplayed,) = server.unmet()
    assert "script 2: 'Two.'" in str(unplayed)


# Opening and closing


def test_a_server_opens_once() -> None:
    server = ProviderServer()
    with pytest.raises(ClosedError, match="has no address"):
        _ = server.url
    with server:
        with pytest.raises(ClosedError, match="opened before"):
            server.start()
        assert repr(server) == f"<ProviderServer {server.url}, 0 requests>"
    server.close()
    with pytest.raises(ClosedError, match="opened before"):
        server.start()


def test_a_server_on_a_taken_port_raises_and_leaves_nothing() -> None:
    with ProviderServer() as server, pytest.raises(OSError, match=r"[Aa]ddress already in use"):
        ProviderServer(port=server.port).start()
    assert server_threads() == []


def test_servers_share_a_thread_that_ends_with_the_last_of_them() -> None:
    with ProviderServer("One.") as one:
        with ProviderServer("Two.") as two:
            assert len(server_threads()) == 1
            assert not server_threads()[0].daemon
            assert (ask(two, "openai"), ask(one, "openai")) == (("Two.", None), ("One.", None))
        assert len(server_threads()) == 1
    assert server_threads() == []


def test_close_ends_the_responses_that_are_under_way() -> None:
    with ProviderServer(Script.of("Hel", Stall())) as server, connect(server) as client:
        client.sendall(request())
        receive_until(client, b"Hel")
        server.close()
        assert receive_all(client) == b""
        assert not server.requests[0].client_disconnected
    assert server_threads() == []


async def test_a_server_answers_a_client_that_blocks_the_event_loop() -> None:
    with ProviderServer("One.") as server:
        assert exchange(server, request(None, CHAT, CLOSE)).startswith(b"HTTP/1.1 200")


# Arguments


@pytest.mark.parametrize("given", [3, [], None, ProviderServer])
def test_a_server_refuses_a_value_that_is_not_a_script(given: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"scripts\[0\]"):
        ProviderServer(given)


def test_a_server_refuses_a_list_of_scripts() -> None:
    with pytest.raises(InvalidArgumentError, match=r"Unpack the list: \*scripts"):
        ProviderServer(["One.", "Two."])


INVALID = {
    "no speed": ({"speed": 0}, "Invalid speed: 0. It must be more than 0"),
    "a speed in words": ({"speed": "fast"}, "skip all pauses"),
    "one model": ({"models": "gpt"}, "a list of names"),
    "models that are numbers": ({"models": [1]}, "a list of names"),
    "a negative limit": ({"body_limit": -1}, "a number of bytes"),
    "a high port": ({"port": 65_536}, "up to 65535"),
    "a port in words": ({"port": "http"}, "0 for any"),
    "nothing to record": ({"record": "new"}, "neither an upstream nor cassettes"),
    "no provider to record": ({"record": "all", "cassettes": "anywhere"}, "It must be none without an upstream"),
}


@pytest.mark.parametrize(("options", "message"), INVALID.values(), ids=INVALID)
def test_a_server_refuses_an_invalid_option(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        ProviderServer(**options)


# Other paths

LISTS = {
    "/v1/models": lambda found: found["data"][0]["id"],
    "/models": lambda found: found["data"][0]["id"],
    "/v1beta/models": lambda found: found["models"][0]["name"].removeprefix("models/"),
    "/v1/models/big": lambda found: found["id"],
    "/api/tags": lambda found: found["models"][0]["name"],
}


@pytest.mark.parametrize(("path", "read"), LISTS.items(), ids=LISTS)
def test_a_server_lists_its_models_at_the_path_of_each_client(path: str, read: Callable[[object], str]) -> None:
    with ProviderServer(models=["big"]) as server:
        status, found = parse(get(server, path))
        assert (status, read(found)) == (200, "big")
        head = exchange(server, request("", path, CLOSE, method="HEAD"))
        assert head.startswith(b"HTTP/1.1 200")
        assert head.endswith(b"\r\n\r\n")
        assert list(server.unmet()) == []


def test_a_server_answers_the_other_requests_of_ollama_and_anthropic() -> None:
    with ProviderServer() as server:
        details = parse(exchange(server, request({"model": "m"}, "/api/show", CLOSE)))[1]
        assert "completion" in details["capabilities"]
        assert parse(get(server, "/api/version"))[1]["version"]
        counted = parse(exchange(server, request(None, "/v1/messages/count_tokens", CLOSE)))[1]
        assert counted["input_tokens"] > 1
        assert get(server, "/").endswith(b"Ollama is running")
