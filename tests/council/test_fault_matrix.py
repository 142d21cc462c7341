"""Every fault of the provider server, in every protocol, at every place in a council."""

from __future__ import annotations

import asyncio

import pytest

from pytest_streamval import Council, LiveBackend, Script, faults

PROTOCOLS = ("anthropic", "gemini", "ollama", "openai", "openai-responses")
KEYS = ("ANTHROPIC_API_KEY", "GEMINI_API_KEY", "OPENAI_API_KEY")
KEY = "planted-key-0123456789abcdef"
SCRIPT = Script.of("One ", "føsh. ", "Two ", "fish.", finish_reason="stop")
# A frame that comes twice, or in another order, is a frame: where a protocol does not number them, nobody can tell.
UNSEEN = {"duplicated_frame", "out_of_order"}
# What is wrong with the label alone does not matter to who reads what is in it.
HARMLESS = {"wrong_content_type"}
# What strikes before the first delta has come; whatever else is ruined, is so behind it.
AT_ONCE = {"refuse", "headers_then_silence", "empty_body"}


@pytest.fixture(autouse=True)
def keys(monkeypatch) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, KEY)


def member(protocol: str, server) -> LiveBackend:
    url = server.openai_url if protocol.startswith("openai") else server.url
    return LiveBackend(f"{protocol}:m", base_url=url, retries=0)


@pytest.mark.streamval_allow_unplayed(reason="who is refused never asks")
@pytest.mark.parametrize(
    ("position", "streams"),
    [(0, True), (1, True), (2, True), (1, False)],
    ids=["first", "second", "third", "buffered"],
)
@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("fault", faults.all())
async def test_a_fault_is_its_members_alone(provider_server, caplog, fault, protocol, position, streams) -> None:
    good, bad = provider_server(SCRIPT, SCRIPT), provider_server(SCRIPT, fault=fault)
    models = [("first", member("openai", good)), ("second", member("anthropic", good))]
    models.insert(position, ("bad", member(protocol, bad)))
    council = Council(dict(models), timeout=0.3 if fault.name == "headers_then_silence" else 30)
    if streams:
        events = [event async for event in council.ask_stream("Go")]
        result = events[-1].result
        for answer in result.answers:
            told = [event.text for event in events if event.member == answer.name and event.type == "member_delta"]
            assert "".join(told) == answer.text
    else:
        events = []
        result = await council.ask("Go")
    answers = list(result.answers)
    struck = answers.pop(position)
    assert [(answer.text, answer.error) for answer in answers] == [(SCRIPT.text, None)] * 2
    if not fault.ruins or fault.name in HARMLESS:
        assert (struck.text, struck.error) == (SCRIPT.text, None)
    elif fault.name not in UNSEEN:
        assert struck.error is not None
        assert not struck.usable
        assert SCRIPT.text.startswith(struck.text)
        assert not streams or struck.text.startswith("" if fault.status or fault.name in AT_ONCE else "One ")
    assert KEY not in f"{result!r}{events!r}{caplog.text}"
    assert asyncio.all_tasks() == {asyncio.current_task()}
