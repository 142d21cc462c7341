"""Faults: each does what it says, at the place that it names, to streams and to whole answers."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import (
    Delay,
    Delta,
    Fault,
    InvalidArgumentError,
    ProviderServer,
    ProviderStatusError,
    Raise,
    Script,
    Usage,
    faults,
)
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence
from pytest_streamval.server.rendering import Question
from pytest_streamval.wire import ADAPTERS, ParsedRequest
from tests.server.clients import (
    CHAT,
    PROTOCOLS,
    QUESTION,
    ask,
    connected,
    exchanged,
    refusal,
    request,
    server_threads,
    until,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytest_plugins = ["pytester"]

HELLO = Script.of("H\xe9", "llo", ".")
CLOSE = "connection: close"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert server_threads() == []


def answer(fault: Fault, script: Script = HELLO, *, stream: bool = True, path: str = CHAT) -> bytes:
    """Return all that a client gets."""
    with ProviderServer(script, fault=fault) as server:
        return exchanged(server, request({**QUESTION, "stream": stream}, path, CLOSE))


def question(stream: bool = True) -> Question:
    """Return what a client asks for, to see the steps of an answer alone."""
    return Question(ADAPTERS["openai"], ParsedRequest("m", stream=stream))


def body_of(data: bytes) -> bytes:
    """Return the body of an answer in chunks, as far as it came."""
    rest = data.partition(b"\r\n\r\n")[2]
    found = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found


def texts(body: bytes) -> list[str]:
    """Return the texts in the frames of a streamed chat completion."""
    frames = [json.loads(line[6:]) for line in body.decode().splitlines() if line.startswith("data: {")]
    return [
        frame["choices"][0]["delta"]["content"]
        for frame in frames
        if frame["choices"] and frame["choices"][0]["delta"].get("content")
    ]


def test_all_faults_have_names_by_which_pytest_calls_their_cases(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile("""
        import pytest
        from pytest_streamval import faults

        @pytest.mark.parametrize("fault", faults.all())
        def test_it(fault):
            assert fault.__name__ == fault.name
    """)
    result = pytester.runpytest_inprocess("-v", "-p", "no:randomly")
    result.assert_outcomes(passed=len(faults.all()))
    result.stdout.fnmatch_lines(["*::test_it[[]refuse[]]*", "*::test_it[[]slow_drip[]]*"])


def test_a_fault_is_a_value() -> None:
    fault = faults.reset(after_deltas=3)
    assert fault == faults.reset(after_deltas=3) != faults.reset()
    assert pickle.loads(pickle.dumps(fault)) == fault  # noqa: S301  # what this test made
    assert faults.named("reset") == faults.reset()
    assert all(each.what for each in faults.all())
    assert {each.name for each in faults.all()} <= set(faults.__all__)


WRONG = {
    "name": lambda: Fault("nothing"),
    "looked up": lambda: faults.named("nothing"),
    "deltas": lambda: faults.reset(after_deltas=-1),
    "truth": lambda: faults.reset(after_deltas=True),
    "seconds": lambda: faults.stall(float("nan")),
    "two places": lambda: faults.reset(after_deltas=1, after_bytes=1),
    "half a delta": lambda: faults.reset(after_deltas=1.5),
    "a status of its own": lambda: Fault("rate_limited", status=418),
    "no status": lambda: Fault("bad_request"),
}


@pytest.mark.parametrize("make", WRONG.values(), ids=WRONG)
def test_what_is_no_fault_is_refused(make: object) -> None:
    with pytest.raises(InvalidArgumentError):
        make()


def test_a_fault_goes_by_its_name_too() -> None:
    with ProviderServer("Hello.", fault="overloaded") as server:
        error = ask(server, "anthropic")[1]
        assert isinstance(error, ProviderStatusError)
        assert error.status == 529


MISTAKEN = {
    "no such name": (lambda: ProviderServer(fault="resett"), "Invalid fault: 'resett'. It must be one of refuse"),
    "not called": (lambda: ProviderServer(fault=faults.reset), r"call it: faults\.reset\(\)"),
    "not called, as a rule": (lambda: ProviderServer(faults.reset), r"scripts\[0\].*call it: faults\.reset\(\)"),
    "not called, in a list": (lambda: ProviderServer("One.", faults.stall), r"scripts\[1\].*faults\.stall\(\)"),
    "no fault": (lambda: ProviderServer(fault=5), "it is a fault, such as"),
    "refused once": (lambda: ProviderServer(faults.refuse(), "One."), r"scripts\[0\]='refuse'.*fault='refuse'"),
    "refused on a script": (lambda: ProviderServer(faults.refuse().on("One.")), "of the whole server"),
}


@pytest.mark.parametrize("case", MISTAKEN.values(), ids=MISTAKEN)
def test_what_is_no_fault_of_a_server_is_refused(case: tuple[Callable[[], ProviderServer], str]) -> None:
    make, message = case
    with pytest.raises(InvalidArgumentError, match=message):
        make()


def test_a_refused_connection_is_one() -> None:
    with ProviderServer(HELLO, fault=faults.refuse()) as server:
        with pytest.raises(ConnectionRefusedError):
            connected(server)
        assert list(server.unmet()) == []


STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "rate_limited": 429,
    "server_error": 500,
    "overloaded": 529,
}
KINDS = {
    "/v1/chat/completions": (
        "type",
        ["invalid_request_error", "authentication_error", "rate_limit_error", "server_error", "server_error"],
    ),
    "/v1/messages": (
        "type",
        ["invalid_request_error", "authentication_error", "rate_limit_error", "api_error", "overloaded_error"],
    ),
    "/v1beta/models/m:generateContent": (
        "status",
        ["INVALID_ARGUMENT", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "INTERNAL", "UNAVAILABLE"],
    ),
}


@pytest.mark.parametrize("path", KINDS)
def test_a_refusal_has_its_status_in_the_form_of_the_provider(path: str) -> None:
    field, kinds = KINDS[path]
    for (name, status), kind in zip(STATUSES.items(), kinds, strict=True):
        found, report = refusal(answer(faults.named(name), path=path))
        assert (found, report["error"][field]) == (status, kind)


def test_a_limit_says_when_to_ask_again() -> None:
    assert b"retry-after: 0.5\r\n" in answer(faults.rate_limited(0.5))
    assert b"retry-after" not in answer(faults.rate_limited(None))


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_headers_come_and_then_silence(stream: bool) -> None:
    fault = faults.headers_then_silence()
    steps = list(fault.applied(question(stream).reply(HELLO), question(stream)))
    assert [type(step) for step in steps[:2]] == [Head, Silence]
    with ProviderServer(HELLO, fault=fault) as server, connected(server) as client:
        client.sendall(request({**QUESTION, "stream": stream}))
        assert until(client, b"\r\n\r\n").endswith(b"\r\n\r\n")


def test_a_body_may_be_empty() -> None:
    assert answer(faults.empty_body()).endswith(b"content-length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
def test_the_content_type_may_be_wrong(stream: bool) -> None:
    found = answer(faults.wrong_content_type(), stream=stream)
    assert b"text/html" in found
    assert b"application/json" not in found.partition(b"\r\n\r\n")[0]


def test_a_stall_comes_at_its_place_and_ends() -> None:
    steps = list(faults.stall(7.5, after_deltas=2).applied(question().reply(HELLO), question()))
    place = steps.index(Pause(7.5))
    assert sum(step.deltas for step in steps[:place] if isinstance(step, Frame)) == 2
    assert texts(body_of(answer(faults.stall(0.001, after_deltas=2)))) == ["H\xe9", "llo", "."]


def test_what_a_script_waits_for_comes_before_the_head_and_stays() -> None:
    script = Script((Delay(1.5), *HELLO.steps, Delay(2.5)))
    for name in ("empty_body", "one_write", "cut_character", "slow_drip", "duplicated_frame"):
        steps = list(faults.named(name).applied(question().reply(script), question()))
        assert steps[0] == Pause(1.5)
        assert isinstance(steps[1], Head)
        assert (Pause(2.5) in steps) == (name != "empty_body")


def test_a_frame_is_looked_for_behind_what_is_waited_for() -> None:
    script = Script((HELLO.steps[0], Delay(2.5), *HELLO.steps[1:]))
    steps = list(faults.duplicated_frame().applied(question().reply(script), question()))
    behind = steps[steps.index(Pause(2.5)) + 1]
    assert isinstance(behind, Frame)
    assert behind.data.count(b"llo") == 2


def test_an_answer_that_never_begins_has_no_head_to_spoil() -> None:
    script = Script.of(Raise(EOFError()))
    for name in ("headers_then_silence", "empty_body", "truncate", "wrong_content_type"):
        assert list(faults.named(name).applied(question().reply(script), question())) == [Break("closed")]


PLACES = {"at once": 0, "behind the first": 1, "behind the second": 2, "beyond the end": 9}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("make", [faults.reset, faults.unfinished, faults.truncate])
def test_a_stream_ends_at_the_place_that_was_named(make: object, place: int) -> None:
    with ProviderServer(HELLO, fault=make(after_deltas=place)) as server:
        text, _ = ask(server, "openai")
        entry = server.requests[0]
        assert text == "".join(["H\xe9", "llo", "."][:place])
        assert (entry.deltas_sent, entry.fault) == (min(place, 3), make.__name__)
        assert not entry.client_disconnected


@pytest.mark.parametrize("place", [0, 1, 77, 200])
@pytest.mark.parametrize("make", [faults.unfinished, faults.truncate, faults.close_mid_frame])
def test_a_stream_ends_behind_so_many_bytes(make: object, place: int) -> None:
    whole = body_of(answer(faults.slow_drip(0)))
    found = body_of(answer(make(after_bytes=place)))
    assert whole.startswith(found)
    assert len(found) == place if make is not faults.unfinished else found.endswith(b"\n\n") or not found


def test_the_end_of_a_body_tells_a_truncation_from_a_broken_connection() -> None:
    assert answer(faults.truncate(after_deltas=1)).endswith(b"0\r\n\r\n")
    assert not answer(faults.unfinished()).endswith(b"0\r\n\r\n")
    assert not body_of(answer(faults.close_mid_frame())).endswith(b"\n\n")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_truncation_behind_the_last_delta_lacks_nothing_but_the_end(protocol: str) -> None:
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


@pytest.mark.parametrize("case", IN_THE_MIDDLE.values(), ids=IN_THE_MIDDLE)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("cut", [None, "whole", "chars", "3"])
def test_a_truncation_without_a_place_is_in_the_middle_of_the_text(
    protocol: str, case: tuple[Script, str], cut: object
) -> None:
    script, left = case
    with ProviderServer(script, fault=faults.truncate(), cut=cut) as server:
        text, error = ask(server, protocol)
    assert (text, type(error).__name__) == (left, "StreamTruncatedError")


def test_a_stream_that_reports_an_error_before_its_middle_ends_with_that() -> None:
    broken = Script.of("H\xe9", Raise(ValueError("no")), "llo.")
    with ProviderServer(broken, fault=faults.truncate()) as server:
        text, error = ask(server, "openai")
    assert (text, type(error).__name__) == ("H\xe9", "ProviderStreamError")


DAMAGED = {
    "malformed_json": ("H\xe9", "MalformedFrameError"),
    "invalid_utf8": ("H\xe9", "MalformedFrameError"),
    "duplicated_frame": ("H\xe9llollo.", "NoneType"),
    "out_of_order": ("H\xe9.llo", "NoneType"),
}


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_frame_is_damaged(protocol: str, name: str) -> None:
    with ProviderServer(HELLO, fault=faults.named(name)) as server:
        text, error = ask(server, protocol)
        assert (text, type(error).__name__) == DAMAGED[name]
        assert list(server.unmet()) == []


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_answer_that_is_not_streamed_is_damaged_too(protocol: str, name: str) -> None:
    with ProviderServer(HELLO, fault=faults.named(name)) as server:
        text, error = ask(server, protocol, stream=False)
        assert (text, type(error).__name__) == ("", "MalformedResponseError")
        assert list(server.unmet()) == []


def test_a_damaged_frame_without_text_holds_bytes_that_are_no_utf8() -> None:
    found = body_of(answer(faults.invalid_utf8(after_deltas=3)))
    assert b"\xff" in found
    assert b"\xff" in body_of(answer(faults.invalid_utf8(after_bytes=0)))


def test_a_frame_that_is_not_there_cannot_be_damaged_and_the_test_is_told() -> None:
    with ProviderServer(HELLO, fault=faults.malformed_json(after_bytes=100_000)) as server:
        ask(server, "openai")
        (failure,) = server.unmet()
    assert "100000 bytes" in str(failure)
    assert "Let it strike earlier" in str(failure)


HARMLESS = [fault for fault in faults.all() if not fault.ruins]


@pytest.mark.parametrize("fault", HARMLESS)
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_fault_that_only_cuts_or_waits_costs_nothing_of_the_answer(protocol: str, stream: bool, fault: Fault) -> None:
    with ProviderServer(HELLO, fault=fault) as server:
        assert ask(server, protocol, stream=stream) == ("H\xe9llo.", None)
        entry = server.requests[0]
        assert (entry.finished, entry.deltas_sent) == (True, 3)


def chunks(data: bytes) -> list[bytes]:
    rest, found = data.partition(b"\r\n\r\n")[2], []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    return found[:-1]


def test_the_writes_are_cut_as_named() -> None:
    assert {len(chunk) for chunk in chunks(answer(faults.one_byte_writes()))} == {1}
    assert len(chunks(answer(faults.one_write()))) == 1
    assert all(chunk.endswith(b"\n\n") for chunk in chunks(answer(faults.slow_drip(0))))
    cut = chunks(answer(faults.cut_character()))
    assert any(chunk.endswith(b"\xc3") for chunk in cut)
    assert texts(b"".join(cut)) == ["H\xe9", "llo", "."]


def test_one_write_holds_back_nothing_that_a_break_would_lose() -> None:
    broken = Script((*HELLO.steps, Raise(EOFError())))
    assert texts(body_of(answer(faults.one_write(), broken))) == ["H\xe9", "llo", "."]


def test_every_fault_ends_in_a_defined_way_for_streams_and_for_lines() -> None:
    for fault in faults.all():
        if fault.name == "headers_then_silence":
            continue
        for protocol in ("openai", "ollama"):
            for stream in (True, False):
                with ProviderServer(HELLO, fault=fault) as server:
                    text, error = ask(server, protocol, stream=stream)
                    assert error is not None or text is not None
                    assert list(server.unmet()) == []


def test_a_fault_of_the_server_strikes_again_when_a_client_asks_again() -> None:
    with ProviderServer("One.", "Two.", fault=faults.overloaded()) as server:
        for _ in range(3):
            assert refusal(exchanged(server, request(None, CHAT, CLOSE)))[0] == 529
        (unasked,) = server.unmet()
        assert "'Two.'" in str(unasked)
        assert refusal(exchanged(server, request({**QUESTION, "seed": 1}, CHAT, CLOSE)))[0] == 529
        assert list(server.unmet()) == []


def test_a_fault_on_a_script_strikes_once() -> None:
    with ProviderServer(faults.unfinished().on(HELLO), HELLO) as server:
        assert ask(server, "gemini")[0] == "H\xe9"
        assert ask(server, "gemini") == ("H\xe9llo.", None)
        assert [entry.fault for entry in server.requests] == ["unfinished", None]
