"""`assert_faults_noticed`: a client must notice each fault, or make up for it."""

from __future__ import annotations

import asyncio
import json
import re
import time

import httpx2
import pytest

from pytest_streamval import (
    CheckFailedError,
    InvalidArgumentError,
    LiveBackend,
    ModelOption,
    Script,
    SimpleContext,
    assert_faults_noticed,
    faults,
)

SCRIPT = Script.of("One ", "two ", "three.", finish_reason="stop")
BODY = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}


async def live(server, protocol="openai"):
    backend = LiveBackend(f"{protocol}:m", base_url=getattr(server, f"{protocol}_url"), retries=0)
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    return await output.avalue()


def text_of(lines):
    text, reason = "", None
    for line in lines:
        if line.startswith("data: {"):
            for choice in json.loads(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
                reason = choice.get("finish_reason") or reason
    return text, reason


def careless(server):
    """Read a stream as many applications do: every line that comes, until there are no more."""
    with (
        httpx2.Client(timeout=1) as client,
        client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY) as answer,
    ):
        answer.raise_for_status()
        return text_of(answer.iter_lines())[0]


def careful(server):
    """Read a stream to its finish reason, in whole frames of JSON."""
    with (
        httpx2.Client(timeout=1) as client,
        client.stream("POST", f"{server.openai_url}/chat/completions", json=BODY) as answer,
    ):
        answer.raise_for_status()
        text, reason = text_of(answer.iter_lines())
    if reason is None:
        raise ValueError("the stream has no end")
    return text


REPEATED = ["duplicated_frame", "out_of_order", "invalid_utf8"]


def test_assert_faults_noticed_shows_a_line_for_each_fault() -> None:
    with pytest.raises(CheckFailedError) as caught:
        assert_faults_noticed(careless, SCRIPT)
    first, *lines, advice = str(caught.value).splitlines()
    assert first.startswith("5 faults went unnoticed. A client must raise an error")
    assert len(lines) == len(faults.all())
    kinds = {
        name: (mark, kind) for mark, name, kind in (re.match(r"(.) (\w+) +(\w+)", line).groups() for line in lines)
    }
    silent = [name for name, (mark, kind) in kinds.items() if (mark, kind) == ("!", "silent")]
    assert silent == ["empty_body", "truncate", "duplicated_frame", "out_of_order", "invalid_utf8"]
    assert kinds["one_byte_writes"] == (" ", "healed")
    assert kinds["refuse"] == kinds["server_error"] == kinds["reset"] == (" ", "noticed")
    assert "ignore=[...]" in advice


def test_assert_faults_noticed_passes_for_a_client_that_checks_the_end() -> None:
    assert_faults_noticed(careful, SCRIPT, ignore=REPEATED)
    assert_faults_noticed(careful, SCRIPT, faults=["truncate", faults.reset()])
    with pytest.raises(CheckFailedError, match="3 faults went unnoticed"):
        assert_faults_noticed(careful, SCRIPT, faults=[*REPEATED, "stall"])


def test_assert_faults_noticed_runs_an_asynchronous_client_in_virtual_time_with_each_protocol() -> None:
    calls = []

    async def subject(server, protocol):
        calls.append(protocol)
        return await live(server, protocol)

    assert_faults_noticed(subject, SCRIPT, faults=["truncate", "headers_then_silence"], protocols=["openai", "gemini"])
    assert calls == ["openai"] * 3 + ["gemini"] * 3


def test_assert_faults_noticed_finds_a_client_that_hangs_in_virtual_time() -> None:
    async def hangs(server):
        try:
            return await live(server)
        except Exception:  # noqa: BLE001  # a bug
            await asyncio.sleep(10**9)

    began = time.monotonic()
    with pytest.raises(CheckFailedError, match="the client hung under 2") as caught:
        assert_faults_noticed(hangs, SCRIPT, faults=["server_error", "reset", "one_write"], timeout=10**6)
    assert "! reset         hangs    no value within 1e+06 s" in str(caught.value)
    assert time.monotonic() - began < 600


def test_assert_faults_noticed_finds_a_client_without_a_timeout_on_a_silent_connection() -> None:
    async def patient(server):
        async with httpx2.AsyncClient(timeout=None) as client:  # the bug
            answer = await client.post(f"{server.openai_url}/chat/completions", json=BODY)
            return text_of(answer.text.splitlines())

    with pytest.raises(CheckFailedError, match="the client hung under 1"):
        assert_faults_noticed(patient, SCRIPT, faults=["headers_then_silence"])


def test_assert_faults_noticed_ends_a_blocking_client_that_hangs() -> None:
    def patient(server):
        with httpx2.Client(timeout=None) as client:  # the bug
            return client.post(f"{server.openai_url}/chat/completions", json=BODY).text

    with pytest.raises(CheckFailedError, match="the client hung under 1"):
        assert_faults_noticed(patient, SCRIPT, faults=["headers_then_silence"], timeout=0.5)


def test_assert_faults_noticed_raises_an_error_without_a_fault_as_it_is() -> None:
    def broken(server):
        raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"):
        assert_faults_noticed(broken, SCRIPT)


def retrying(server):
    """Ask again once if the stream has no end."""
    try:
        return careful(server)
    except ValueError:
        return careful(server)


def test_assert_faults_noticed_accepts_an_error_after_another_request() -> None:
    assert_faults_noticed(retrying, SCRIPT, faults=["truncate", "empty_body"])


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"subject": 3}, "It must be a function of a server"),
        ({"faults": "truncate"}, "It must be a list of faults"),
        ({"faults": ["nothing"]}, "It must be one of refuse"),
        ({"ignore": faults.reset()}, "It must be a list of faults"),
        ({"protocols": ["smoke"]}, "They must be among anthropic"),
        ({"protocols": "openai"}, "They must be among anthropic"),
        ({"timeout": 0}, "It must be a number of seconds above 0"),
    ],
    ids=str,
)
def test_assert_faults_noticed_rejects_invalid_arguments(arguments, rule) -> None:
    with pytest.raises(InvalidArgumentError, match=rule):
        assert_faults_noticed(**{"subject": careful, "script": SCRIPT, **arguments})


@pytest.mark.parametrize("asynchronous", [False, True])
def test_assert_faults_noticed_fails_if_the_subject_sends_no_request(asynchronous):
    async def answer(server):
        return "Hello."

    with pytest.raises(CheckFailedError, match="sent no request to the server"):
        assert_faults_noticed(answer if asynchronous else lambda server: "Hello.", SCRIPT)
