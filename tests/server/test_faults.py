"""Faults: each has its effect at its place, on streamed and on other responses."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    Delay,
    Delta,
    InvalidArgumentError,
    ProviderServer,
    ProviderStatusError,
    Raise,
    Script,
    Usage,
    faults,
)
from pytest_streamval.server import Fault
from pytest_streamval.server.actions import Disconnect, Hang, SendData, SendHead, Sleep
from pytest_streamval.server.rendering import Renderer
from pytest_streamval.wire import ADAPTERS, ParsedRequest
from tests.server.clients import (
    BODY,
    CHAT,
    CLOSE,
    PROTOCOLS,
    ask,
    chunks_of,
    connect,
    exchange,
    parse,
    receive_until,
    request,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.actions import Action

HELLO = Script.of("H\xe9", "llo", ".")
either_form = pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])


def response(fault: Fault, script: Script = HELLO, *, stream: bool = True, path: str = CHAT) -> bytes:
    """Return the response to a request."""
    with ProviderServer(script, fault=fault) as server:
        return exchange(server, request({**BODY, "stream": stream}, path, CLOSE))


def body_of(fault: Fault, script: Script = HELLO) -> bytes:
    """Return the body of a streamed response, as far as it arrived."""
    return b"".join(chunks_of(response(fault, script)))


def actions(fault: Fault, script: Script = HELLO, *, stream: bool = True) -> list[Action]:
    """Return the actions of a response."""
    renderer = Renderer(ADAPTERS["openai"], ParsedRequest("m", stream=stream))
    return list(fault.apply(renderer.render(script), renderer))


def texts(body: bytes) -> list[str]:
    """Return the texts in the frames of a streamed chat completion."""
    frames = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
    return [
        frame["choices"][0]["delta"]["content"]
        for frame in frames
        if frame["choices"] and frame["choices"][0]["delta"].get("content")
    ]


# Values


@pytest.mark.parametrize("fault", [faults.refuse()])
def test_a_fault_gives_its_name_to_the_id_of_a_case(fault: Fault, request: pytest.FixtureRequest) -> None:
    assert request.node.name.endswith("[refuse]")


def test_a_fault_is_a_value() -> None:
    fault = faults.reset(after_deltas=3)
    assert fault == faults.reset(after_deltas=3) != faults.reset()
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301  # this test made it
    assert faults.named("reset") == faults.reset()


def test_all_faults_are_described_and_public() -> None:
    assert all(fault.description for fault in faults.all())
    assert {fault.name for fault in faults.all()} == set(faults.__all__) - {"Fault", "Faulty", "all", "named"}
    assert {fault.name for fault in faults.all() if not fault.ruins} == HARMLESS


INVALID = {
    "name": lambda: Fault("nothing"),
    "looked up": lambda: faults.named("nothing"),
    "deltas": lambda: faults.reset(after_deltas=-1),
    "a bool": lambda: faults.reset(after_deltas=True),
    "seconds": lambda: faults.stall(float("nan")),
    "two places": lambda: faults.reset(after_deltas=1, after_bytes=1),
    "half a delta": lambda: faults.reset(after_deltas=1.5),
    "another status": lambda: Fault("rate_limited", status=418),
    "no status": lambda: Fault("bad_request"),
}


@pytest.mark.parametrize("make", INVALID.values(), ids=INVALID)
def test_an_invalid_fault_raises(make: Callable[[], Fault]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"It must be|one place"):
        make()


INVALID_FOR_SERVERS = {
    "a name with values": (
        lambda: ProviderServer(fault="reset:after_deltas=3"),
        "Invalid fault: 'reset:after_deltas=3'. A fault with values is a call: faults.reset(...).",
    ),
    "no such name": (lambda: ProviderServer(fault="resett"), "Invalid fault: 'resett'. It must be one of refuse"),
    "not called": (lambda: ProviderServer(fault=faults.reset), r"Call it: faults\.reset\(\)"),
    "not called, as a rule": (lambda: ProviderServer(faults.reset), r"scripts\[0\].*Call it: faults\.reset\(\)"),
    "not called, in a list": (lambda: ProviderServer("One.", faults.stall), r"scripts\[1\].*faults\.stall\(\)"),
    "a number": (lambda: ProviderServer(fault=5), "It must be a fault, such as"),
    "refused once": (lambda: ProviderServer(faults.refuse(), "One."), r"scripts\[0\]: 'refuse'.*fault='refuse'"),
    "refused on a script": (lambda: ProviderServer(faults.refuse().on("One.")), "belong to the server"),
}


@pytest.mark.parametrize(("make", "message"), INVALID_FOR_SERVERS.values(), ids=INVALID_FOR_SERVERS)
def test_a_server_with_an_invalid_fault_raises(make: Callable[[], ProviderServer], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


# The connection and the response


def test_refuse_refuses_connections() -> None:
    with ProviderServer(HELLO, fault=faults.refuse()) as server:
        with pytest.raises(ConnectionRefusedError):
            connect(server)
        assert list(server.unmet()) == []


STATUSES = {"bad_request": 400, "unauthorized": 401, "rate_limited": 429, "server_error": 500}
KINDS = {
    "/v1/chat/completions": (
        "type",
        ["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"],
    ),
    "/v1/messages": (
        "type",
        ["invalid_request_error", "authentication_error", "rate_limit_error", "api_error"],
    ),
    "/v1beta/models/m:generateContent": (
        "status",
        ["INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "INTERNAL"],
    ),
}


@pytest.mark.parametrize("path", KINDS)
def test_a_fault_with_a_status_responds_in_the_format_of_the_provider(path: str) -> None:
    field, kinds = KINDS[path]
    for (name, status), kind in zip(STATUSES.items(), kinds, strict=True):
        found, report = parse(response(faults.named(name), path=path))
        assert (found, report["error"][field]) == (status, kind)


def test_rate_limited_names_the_seconds_to_wait() -> None:
    assert b"retry-after: 0.5\r\n" in response(faults.rate_limited(0.5))
    assert b"retry-after" not in response(faults.rate_limited(None))


@either_form
def test_headers_then_silence_sends_the_headers_only(stream: bool) -> None:
    fault = faults.headers_then_silence()
    assert [type(action) for action in actions(fault, stream=stream)[:2]] == [SendHead, Hang]
    with ProviderServer(HELLO, fault=fault) as server, connect(server) as client:
        client.sendall(request({**BODY, "stream": stream}))
        assert receive_until(client, b"\r\n\r\n").endswith(b"\r\n\r\n")


def test_empty_body_sends_no_body() -> None:
    assert response(faults.empty_body()).endswith(b"content-length: 0\r\nConnection: close\r\n\r\n")


@either_form
def test_wrong_content_type_is_html(stream: bool) -> None:
    found = response(faults.wrong_content_type(), stream=stream)
    assert b"text/html" in found
    assert b"application/json" not in found.partition(b"\r\n\r\n")[0]


# Places


def test_stall_waits_at_its_place_and_goes_on() -> None:
    found = actions(faults.stall(7.5, after_deltas=2))
    place = found.index(Sleep(7.5))
    assert sum(action.deltas for action in found[:place] if isinstance(action, SendData)) == 2
    assert texts(body_of(faults.stall(0.001, after_deltas=2))) == ["H\xe9", "llo", "."]


def test_a_fault_keeps_the_delays_of_its_script() -> None:
    script = Script((Delay(1.5), *HELLO.steps, Delay(2.5)))
    for name in ("empty_body", "one_write", "cut_character", "slow_drip", "duplicated_frame"):
        found = actions(faults.named(name), script)
        assert found[0] == Sleep(1.5)
        assert isinstance(found[1], SendHead)
        assert (Sleep(2.5) in found) == (name != "empty_body")


def test_a_fault_damages_the_next_frame_after_a_delay() -> None:
    script = Script((HELLO.steps[0], Delay(2.5), *HELLO.steps[1:]))
    found = actions(faults.duplicated_frame(), script)
    after = found[found.index(Sleep(2.5)) + 1]
    assert isinstance(after, SendData)
    assert after.data.count(b"llo") == 2


def test_a_fault_changes_no_response_that_never_begins() -> None:
    script = Script.of(Raise(EOFError()))
    for name in ("headers_then_silence", "empty_body", "truncate", "wrong_content_type"):
        assert actions(faults.named(name), script) == [Disconnect("closed")]


@pytest.mark.parametrize("make", [faults.reset, faults.unfinished, faults.truncate])
def test_a_fault_ends_a_stream_after_a_number_of_deltas(make: Callable[..., Fault]) -> None:
    for place in (0, 1, 2, 9):
        with ProviderServer(HELLO, fault=make(after_deltas=place)) as server:
            text, _ = ask(server, "openai")
            entry = server.requests[0]
            assert text == "".join(["H\xe9", "llo", "."][:place])
            assert (entry.deltas_sent, entry.fault) == (min(place, 3), make.__name__)
            assert not entry.client_disconnected


@pytest.mark.usefixtures("same_second")
@pytest.mark.parametrize("make", [faults.unfinished, faults.truncate, faults.close_mid_frame])
def test_a_fault_ends_a_stream_after_a_number_of_bytes(make: Callable[..., Fault]) -> None:
    complete = body_of(faults.slow_drip(0))
    for place in (0, 1, 77, 200):
        found = body_of(make(after_bytes=place))
        assert complete.startswith(found)
        assert len(found) == place if make is not faults.unfinished else found.endswith(b"\n\n") or not found


def test_only_truncate_ends_the_body() -> None:
    assert response(faults.truncate(after_deltas=1)).endswith(b"0\r\n\r\n")
    assert not response(faults.unfinished()).endswith(b"0\r\n\r\n")
    assert not body_of(faults.close_mid_frame()).endswith(b"\n\n")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_truncate_after_the_last_delta_leaves_out_the_end_of_the_stream(protocol: str) -> None:
    with ProviderServer(HELLO, fault=faults.truncate(after_deltas=3)) as server:
        text, error = ask(server, protocol)
    assert (text, type(error).__name__) == ("H\xe9llo.", "StreamTruncatedError")


IN_THE_MIDDLE = {
    "many deltas": (Script.of("H", "\xe9", "l", "l", "o", "."), "H\xe9l"),
    "one delta": (Script.of("H\xe9llo."), "H\xe9l"),
    "a delta across the middle": (HELLO, "H\xe9l"),
    "a delta that ends there": (Script.of("H\xe9l", Delta(thinking="Hm."), "lo."), "H\xe9l"),
    "a Delta": (Script.of(Delta("H\xe9llo.", usage=Usage(1, 2))), "H\xe9l"),
    "one character": (Script.of(Delta(thinking="Hm."), "H"), ""),
    "no text": (Script.of(Delta(thinking="Hm.")), ""),
}


@pytest.mark.parametrize(("script", "left"), IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE)
def test_truncate_without_a_place_ends_in_the_middle_of_the_text(script: Script, left: str) -> None:
    for protocol, cut in zip(PROTOCOLS, [None, "whole", "chars", "3"], strict=True):
        with ProviderServer(script, fault=faults.truncate(), cut=cut) as server:
            text, error = ask(server, protocol)
        assert (text, type(error).__name__) == (left, "StreamTruncatedError"), protocol


def test_truncate_keeps_an_error_before_the_middle() -> None:
    broken = Script.of("H\xe9", Raise(ValueError("no")), "llo.")
    with ProviderServer(broken, fault=faults.truncate()) as server:
        text, error = ask(server, "openai")
    assert (text, type(error).__name__) == ("H\xe9", "ProviderStreamError")


# Damage

DAMAGED = {
    "malformed_json": ("H\xe9", "MalformedFrameError"),
    "invalid_utf8": ("H\xe9", "MalformedFrameError"),
    "duplicated_frame": ("H\xe9llollo.", "NoneType"),
    "out_of_order": ("H\xe9.llo", "NoneType"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_fault_damages_a_frame_of_a_stream(name: str) -> None:
    for protocol in PROTOCOLS:
        with ProviderServer(HELLO, fault=faults.named(name)) as server:
            text, error = ask(server, protocol)
            assert (text, type(error).__name__) == DAMAGED[name], protocol
            assert list(server.unmet()) == []


@pytest.mark.parametrize("name", DAMAGED)
def test_a_fault_damages_a_response_that_is_not_streamed(name: str) -> None:
    with ProviderServer(HELLO, fault=faults.named(name)) as server:
        text, error = ask(server, "anthropic", stream=False)
        assert (text, type(error).__name__) == ("", "MalformedResponseError")
        assert list(server.unmet()) == []


def test_invalid_utf8_damages_a_frame_without_text() -> None:
    assert b"\xff" in body_of(faults.invalid_utf8(after_deltas=3))
    assert b"\xff" in body_of(faults.invalid_utf8(after_bytes=0))


def test_a_fault_after_the_last_frame_is_reported_to_the_test() -> None:
    with ProviderServer(HELLO, fault=faults.malformed_json(after_bytes=100_000)) as server:
        ask(server, "openai")
        (failure,) = server.unmet()
    assert "100,000 bytes" in str(failure)
    assert "Choose an earlier place" in str(failure)


# Writes

HARMLESS = {
    "compressed",
    "cut_character",
    "doubled_end",
    "joined_frames",
    "keep_alives",
    "no_last_blank_line",
    "one_byte_writes",
    "one_write",
    "slow_drip",
    "stall",
}


@pytest.mark.parametrize("name", sorted(HARMLESS))
def test_a_fault_that_only_cuts_or_waits_keeps_the_response(name: str) -> None:
    fault = faults.stall(0.001) if name == "stall" else faults.named(name)
    for protocol, stream in (("openai", True), ("ollama", True), ("gemini", False)):
        with ProviderServer(HELLO, fault=fault) as server:
            assert ask(server, protocol, stream=stream) == ("H\xe9llo.", None)
            entry = server.requests[0]
            assert (entry.finished, entry.deltas_sent) == (True, 3)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("name", sorted(HARMLESS - {"stall"}))
def test_a_harmless_fault_keeps_a_stream_that_breaks(name: str, protocol: str) -> None:
    with ProviderServer(Script.of("One ", Delay(0), "two", Raise(EOFError())), fault=faults.named(name)) as server:
        text, error = ask(server, protocol)
        assert (text, error is None) == ("One two", False)


def test_a_fault_of_the_writes_cuts_the_chunks() -> None:
    assert {len(chunk) for chunk in chunks_of(response(faults.one_byte_writes()))[:-1]} == {1}
    assert len(chunks_of(response(faults.one_write()))) == 2
    assert all(chunk.endswith(b"\n\n") for chunk in chunks_of(response(faults.slow_drip(0)))[:-1])
    cut = chunks_of(response(faults.cut_character()))
    assert any(chunk.endswith(b"\xc3") for chunk in cut)
    assert texts(b"".join(cut)) == ["H\xe9", "llo", "."]


def test_one_write_sends_the_text_before_the_connection_breaks() -> None:
    broken = Script((*HELLO.steps, Raise(EOFError())))
    assert texts(body_of(faults.one_write(), broken)) == ["H\xe9", "llo", "."]


def test_every_fault_ends_a_response_without_a_failure_of_the_server() -> None:
    for fault in faults.all():
        for protocol, stream in (("openai", True), ("ollama", False)):
            if fault.name not in {"headers_then_silence", "stall"}:
                with ProviderServer(HELLO, fault=fault) as server:
                    text, error = ask(server, protocol, stream=stream)
                    assert error is not None or text is not None
                    assert list(server.unmet()) == []


# Repetition


def test_a_fault_of_the_server_strikes_again_when_the_request_is_repeated() -> None:
    with ProviderServer("One.", "Two.", fault=faults.overloaded()) as server:
        for _ in range(3):
            assert parse(exchange(server, request(None, CHAT, CLOSE)))[0] == 503
        (unplayed,) = server.unmet()
        assert "'Two.'" in str(unplayed)
        assert parse(exchange(server, request({**BODY, "seed": 1}, CHAT, CLOSE)))[0] == 503
        assert list(server.unmet()) == []


def test_a_fault_on_a_script_strikes_once() -> None:
    with ProviderServer(faults.unfinished().on(HELLO), HELLO) as server:
        assert ask(server, "gemini")[0] == "H\xe9"
        assert ask(server, "gemini") == ("H\xe9llo.", None)
        assert [entry.fault for entry in server.requests] == ["unfinished", None]


def test_a_fault_in_the_place_of_a_script_strikes_once() -> None:
    with ProviderServer(faults.overloaded(), "Hello.") as server:
        assert isinstance(ask(server, "anthropic")[1], ProviderStatusError)
        assert ask(server, "anthropic") == ("Hello.", None)
        assert [entry.fault for entry in server.requests] == ["overloaded", None]


def test_a_server_takes_the_name_of_a_fault() -> None:
    with ProviderServer("Hello.", fault="overloaded") as server:
        error = ask(server, "anthropic")[1]
        assert isinstance(error, ProviderStatusError)
        assert error.status == 529
