"""Faults of the provider server, seen by a council."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import Council, CouncilEvent, LiveBackend, Script, faults
from pytest_streamval.http.client import Timeouts

PROTOCOLS = ("anthropic", "gemini", "ollama", "openai", "openai-responses")
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
KEY = "planted-key-0123456789abcdef"
SCRIPT = Script.of("One ", "føsh. ", "Two ", "fish.", finish_reason="stop")
# A client cannot see that a frame is repeated or out of order, unless the protocol numbers its frames.
INVISIBLE = {"duplicated_frame", "out_of_order"}
# The client reads the content and ignores the label.
HARMLESS = {"wrong_content_type"}
# These faults come before the first delta.
WITHOUT_TEXT = {"refuse", "headers_then_silence", "empty_body", "overloaded"}


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, KEY)


def member(protocol: str, server, first_byte: float = 30) -> LiveBackend:
    url = server.openai_url if protocol.startswith("openai") else server.url
    return LiveBackend(f"{protocol}:m", base_url=url, retries=0, timeouts=Timeouts(first_byte=first_byte))


FAULTS = [(fault, "anthropic", index % 3, True) for index, fault in enumerate(faults.all())]
IN_EACH_PROTOCOL = [
    (fault, protocol, 1, streams)
    for protocol in PROTOCOLS
    for fault, streams in ((faults.truncate(), False), (faults.malformed_json(after_deltas=2), True))
]


@pytest.mark.streamval_allow_unplayed(reason="a refused member does not ask")
@pytest.mark.parametrize(("fault", "protocol", "position", "streams"), [*FAULTS, *IN_EACH_PROTOCOL])
async def test_a_fault_of_the_provider_server_leaves_the_other_members_complete(
    provider_server, caplog, fault, protocol, position, streams
) -> None:
    good, bad = provider_server(SCRIPT, SCRIPT), provider_server(SCRIPT, fault=fault)
    models = [("first", member("openai", good)), ("second", member("anthropic", good))]
    # this fault is silent in real time
    models.insert(position, ("bad", member(protocol, bad, 0.1 if fault.name == "headers_then_silence" else 30)))
    council = Council(dict(models), timeout=30)
    events: list[CouncilEvent] = []
    if streams:
        events = [event async for event in council.ask_stream("Go")]
        result = events[-1].result
        for answer in result.answers:
            deltas = [event.text for event in events if event.member == answer.name and event.type == "member_delta"]
            assert "".join(deltas) == answer.text
    else:
        result = await council.ask("Go")
    answers = list(result.answers)
    failed = answers.pop(position)
    assert [(answer.text, answer.error) for answer in answers] == [(SCRIPT.text, None)] * 2
    if not fault.ruins or fault.name in HARMLESS:
        assert (failed.text, failed.error) == (SCRIPT.text, None)
    elif fault.name not in INVISIBLE:
        assert failed.error is not None
        assert not failed.usable
        assert SCRIPT.text.startswith(failed.text)
        assert not streams or failed.text.startswith("" if fault.status or fault.name in WITHOUT_TEXT else "One ")
    assert KEY not in f"{result!r}{events!r}{caplog.text}"
    assert asyncio.all_tasks() == {asyncio.current_task()}
