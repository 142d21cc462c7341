"""The code of the docs with the annotations of a typed project. It is checked by mypy and pyright and never run.

Both checkers run in their strict mode. A line that they must reject has a comment for each of them.
"""

# pyright: strict

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import assert_type

import pytest

import pytest_streamval.errors
from pytest_streamval import (
    Backend,
    Chunk,
    Context,
    Council,
    Delta,
    LiveBackend,
    ModelOutputThunk,
    Observer,
    ParagraphChunker,
    PartialValidationResult,
    ProviderServer,
    RecordingTransport,
    ReplayTransport,
    Requirement,
    Script,
    Session,
    SimpleContext,
    StreamEvent,
    StreamingMockBackend,
    assert_stopped,
    assert_stopped_within,
    check_backend,
    check_chunker,
    faults,
    observing,
    replaying,
    start_session,
    strategies,
    stream_with_chunking,
    transcribe,
)
from pytest_streamval.typing import (
    Action,
    CapturedTelemetry,
    CouncilFactory,
    Cut,
    EventSnapshot,
    Fault,
    Member,
    MockCall,
    ProviderServerFactory,
    RunView,
    ScriptFactory,
    StreamCassette,
    StreamingMockBackendFactory,
    Transport,
)
from pytest_streamval.wire import OpenAIChat, OpenAIChatDecoder


class NoPassword(Requirement):
    """The word must never reach the reader."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Fail a chunk that has the word in it."""
        return PartialValidationResult("fail" if "password" in chunk else "pass")


class Shouting(Backend):
    """A backend with an annotation of its own for its action."""

    async def generate_from_context(
        self,
        action: Action,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # the interface's word
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Shout."""

        async def produce(thunk: ModelOutputThunk) -> None:
            await thunk.put(Delta("HELLO."))

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


def test_my_backend_keeps_its_contract() -> None:
    """Run the checks of a backend at once, in a plain function, without a warning about a coroutine."""
    check_backend(Shouting)
    check_chunker(ParagraphChunker())


async def test_my_backend_keeps_its_contract_in_a_loop() -> None:
    """Await the checks of a backend."""
    await check_backend(Shouting, timeout=2)


async def test_a_leak_is_stopped(streaming_mock_backend: StreamingMockBackendFactory) -> None:
    """Stop a run, and read the record of the mock."""
    backend = streaming_mock_backend("Hello there. The password is swordfish.", token_size=4)
    async with stream_with_chunking("Hi", backend, SimpleContext(), requirements=[NoPassword()]) as result:
        received = [sentence async for sentence in result.astream()]
    assert_type(received, list[str])
    assert_type(result.streaming_failures[0][1].reason, str | None)
    assert_type(backend.calls, list[MockCall])
    assert_stopped(backend)
    assert_stopped_within(result, backend.calls[0], deltas=20)
    assert (await transcribe(result)).text()


def test_a_session_over_a_mock() -> None:
    """Read the calls of a session's mock."""
    with start_session([Script.of("Hello."), "Bye."]) as session:
        session.chat("Hi")
        assert_type(session.backend.calls[0].cancelled, bool)
    with start_session(StreamingMockBackend("Hello.")) as mine:
        assert_type(mine.backend.calls, list[MockCall])
    with start_session("openai:gpt-4.1") as live:
        assert_type(live.backend, LiveBackend)
    with start_session(Shouting()) as shouting:
        assert_type(shouting.backend, Shouting)
        print(shouting.backend.calls)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
        greet(shouting)


def greet(session: Session) -> str:
    """Greet, as code does that takes any session."""
    assert_type(session.backend, Backend)
    return str(session.chat("Hello."))


async def test_members_of_a_council(council: CouncilFactory) -> None:
    """Read the calls of members and of the synthesizer."""
    asked = council("It is wet.", {"bob": ["Dry.", Script.of("Dry.")]}, synthesizer="Both.")
    result = await asked.ask("Will it rain?")
    assert_type(result.synthesis, str | None)
    assert_type(asked.members[0].backend.calls[0].finished, bool)
    assert "wet" in str(asked.synthesizer.backend.calls[0].action)
    without = council("It is wet.")
    assert_type(without.synthesizer, None)
    mixed = council("It is wet.", Shouting(), synthesizer="Both.")
    assert_type(mixed.members, tuple[Member[Backend], ...])
    council_of_specs = Council(["openai:gpt-4.1"])
    assert_type(council_of_specs.members[0].backend, Backend | None)
    read_any(asked)
    read_any(council_of_specs)


def read_any(council: Council) -> list[str]:
    """Return the names of the members of any council."""
    return [member.name for member in council.members]


def test_a_server(provider_server: ProviderServerFactory) -> None:
    """Serve under a fault."""
    every: list[Fault] = faults.all()
    server: ProviderServer = provider_server("Once upon a time.", fault=every[0])
    assert_type(server.openai_url, str)
    assert_type(server.requests[0].deltas_sent, int)


async def test_recordings(stream_cassette: StreamCassette, tmp_path: Path) -> None:
    """Replay, with transports as arguments."""
    live = stream_cassette(LiveBackend("openai:gpt-4.1"))
    assert_type(live, LiveBackend)
    transports: list[Transport] = [ReplayTransport(tmp_path), RecordingTransport(ReplayTransport(tmp_path), tmp_path)]
    assert_type(replaying(LiveBackend("openai:gpt-4.1", transport=transports[0]), tmp_path), LiveBackend)


async def test_a_script(stream_script: ScriptFactory) -> None:
    """Play a script as an iterator."""
    async for text in stream_script("Hello.", token_size=2).play():
        assert_type(text, str)


def test_the_other_fixtures(event_snapshot: EventSnapshot, captured_telemetry: CapturedTelemetry) -> None:
    """Take fixtures by their types."""
    assert event_snapshot == []
    assert captured_telemetry.total("streamval.outcomes") == 0


def shortest(cuts: list[Cut], text: str) -> list[int]:
    """Use cuts as values."""
    return min((cut.of_text(text) for cut in [*cuts, Cut("chars")]), key=len)


def test_cuts_are_drawn() -> None:
    """Draw cuts with Hypothesis."""
    assert strategies.cuts("some text") is not None


class Counting(Observer):
    """An observer as users write it."""

    def __init__(self) -> None:
        """Count nothing yet."""
        self.runs = 0

    def started(self, run: RunView) -> None:
        """See a run begin."""

    def delta(self, text: str) -> None:
        """See a delta."""

    def event(self, event: StreamEvent) -> None:
        """See an event."""

    def received(self, chunk: Chunk) -> None:
        """See a chunk that the consumer received."""

    def cancelled(self, reason: str) -> None:
        """See a generation stopped."""

    def ended(self, run: RunView) -> None:
        """Count a run."""
        self.runs += 1


async def test_an_observer_counts_runs() -> None:
    """Observe all runs."""
    counting = Counting()
    with observing(lambda: counting):
        await stream_with_chunking("Hi", StreamingMockBackend("Hello."), SimpleContext())
    assert_type(counting.runs, int)


def test_errors_by_name() -> None:
    """Catch errors from the module of errors."""
    with pytest.raises(pytest_streamval.errors.UnknownNameError):
        raise pytest_streamval.errors.UnknownNameError("backend", "nobody:x", ["openai"], "A spec is PROVIDER:MODEL.")
    assert OpenAIChatDecoder is not None
    assert OpenAIChat.__name__
