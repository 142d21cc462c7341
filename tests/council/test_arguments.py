"""Members, invalid arguments, and synchronous calls of a council."""

from __future__ import annotations

import re

import pytest

from pytest_streamval import (
    Council,
    CouncilEvent,
    CouncilResult,
    InvalidArgumentError,
)
from pytest_streamval.errors import EventLoopRunningError, UnknownChunkingError


def test_ask_sync_and_stream_sync_return_the_result(council) -> None:
    seen: list[CouncilEvent] = []
    streamed = council("Hello.", synthesizer="So.").stream_sync("Go", seen.append)
    assert streamed == council("Hello.", synthesizer="So.").ask_sync("Go")
    assert seen[-1].result == streamed
    assert isinstance(streamed, CouncilResult)


def test_an_error_in_on_event_stops_every_member_and_is_raised(council) -> None:
    the_council = council("Hello. " * 100)

    def refuse(event: CouncilEvent) -> None:
        raise ValueError(event.type)

    with pytest.raises(ValueError, match="member_delta"):
        the_council.stream_sync("Go", refuse)
    assert the_council.members[0].backend.calls[0].cancelled


@pytest.mark.streamval_allow_unplayed(reason="the call is refused")
async def test_the_synchronous_methods_of_a_council_refuse_a_running_event_loop(council) -> None:
    with pytest.raises(EventLoopRunningError, match=re.escape("to_thread(Council.ask_sync, ...)")):
        council("Hello.").ask_sync("Go")
    with pytest.raises(EventLoopRunningError, match=re.escape("to_thread(Council.stream_sync, ...)")):
        council("Hello.").stream_sync("Go", print)


def test_members_are_named_by_their_spec_and_numbered(streaming_mock_backend) -> None:
    mocks = [streaming_mock_backend(), streaming_mock_backend()]
    found = Council(["openai:gpt-4.1", "openai:gpt-4.1", "nobody:x", *mocks]).members
    assert [(member.name, member.model) for member in found] == [
        ("openai:gpt-4.1", "gpt-4.1"),
        ("openai:gpt-4.1-2", "gpt-4.1"),
        ("nobody:x", "x"),
        ("StreamingMockBackend", "StreamingMockBackend"),
        ("StreamingMockBackend-2", "StreamingMockBackend"),
    ]
    assert repr(Council({"alice": mocks[0]}, synthesizer=mocks[1])) == (
        "<Council of alice, synthesized by synthesizer>"
    )
    assert repr(Council({"alice": mocks[0]})) == "<Council of alice>"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"models": []}, InvalidArgumentError, "There must be at least one model"),
        ({"models": "openai:gpt-4.1"}, InvalidArgumentError, "Put a single model into a list"),
        ({"models": [42]}, InvalidArgumentError, "Invalid model: 42"),
        ({"synthesizer": 42}, InvalidArgumentError, "Invalid model: 42"),
        ({"chunking": "sentances"}, UnknownChunkingError, "sentances"),
        ({"timeout": 0}, InvalidArgumentError, "Invalid timeout: 0"),
        ({"cache": 42}, InvalidArgumentError, "Invalid cache: 42. It must be a CouncilCache"),
        ({"requirements": ["short"]}, InvalidArgumentError, "requirements"),
        ({"validation_backend": "openai:gpt-4.1"}, InvalidArgumentError, "validation_backend"),
    ],
)
def test_a_council_refuses_invalid_arguments(options, error, message) -> None:
    with pytest.raises(error, match=message):
        Council(**{"models": ["openai:gpt-4.1"], **options})


async def test_a_council_refuses_invalid_prompts_modes_and_rounds() -> None:
    the_council = Council(["openai:gpt-4.1"])
    for ask, message in [
        (lambda: the_council.ask(42), "Invalid prompt: 42"),
        (lambda: the_council.ask("Go", mode="vote"), "Invalid mode: 'vote'. Choose from: synthesize"),
        (lambda: the_council.debate("Go", rounds=0), "Invalid rounds: 0"),
    ]:
        with pytest.raises(InvalidArgumentError, match=message):
            await ask()
    with pytest.raises(InvalidArgumentError, match="A stream has the mode synthesize or raw"):
        the_council.ask_stream("Go", mode="debate")


async def test_the_council_fixture_accepts_backends(council, streaming_mock_backend) -> None:
    mine = streaming_mock_backend("Hi.")
    the_council = council("Hello.", mine, synthesizer="Both.")
    assert [member.name for member in the_council.members] == ["member-1", "member-2"]
    assert the_council.members[1].backend is mine
    assert (await the_council.ask("Go")).synthesis == "Both."
