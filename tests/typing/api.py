"""Public use, as a user's type checker sees it. It is checked, never run, and fails if an annotation is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from opentelemetry.sdk.trace import ReadableSpan

from pytest_streamval import (
    AppClient,
    Backend,
    Cassette,
    ChatContext,
    Chunk,
    Chunker,
    ChunkingStrategy,
    Context,
    Council,
    CouncilCache,
    CouncilEvent,
    CouncilResult,
    Delta,
    LiveBackend,
    ModelAnswer,
    ModelOption,
    ModelOutputThunk,
    Page,
    PageRead,
    PartialValidationResult,
    ProviderServer,
    QuickCheckEvent,
    RawFrame,
    RecordingTransport,
    ReplayTransport,
    Requirement,
    Restart,
    Script,
    SentenceChunker,
    Session,
    SimpleContext,
    StreamChunkingResult,
    StreamEvent,
    StreamingMockBackend,
    Timeouts,
    ValidationResult,
    VirtualClock,
    assert_never_sent,
    assert_no_unvalidated_text,
    assert_streams,
    faults,
    per_member,
    recording,
    replaying,
    served,
    set_span_status_error,
    start_session,
    stream_with_chunking,
    wait_for_all_mots,
)
from pytest_streamval.typing import (
    App,
    AppClientFactory,
    Attempt,
    CapturedTelemetry,
    CouncilFactory,
    CouncilStream,
    Ending,
    Fault,
    Faulty,
    Member,
    ProviderServerFactory,
    RunView,
    ServedRequest,
    Step,
    StreamCassette,
    StreamingMockBackendFactory,
)
from pytest_streamval.wire import OpenAIResponses, WireRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval import CBlock, Component


class Mine(Requirement):
    """A requirement as users write it."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Judge a chunk."""
        return PartialValidationResult("pass", reason=chunk, score=1.0)


class Lines(ChunkingStrategy):
    """A strategy as users write it."""

    def split(self, accumulated_text: str) -> list[str]:
        """Cut."""
        return accumulated_text.splitlines()


class Own(Backend):
    """A backend as users write it."""

    async def generate_from_context(
        self,
        action: Component | CBlock,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # the interface's word
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Generate."""

        async def produce(thunk: ModelOutputThunk) -> None:
            await thunk.put("text")
            await thunk.put(Delta(thinking="hm"))

        thunk = ModelOutputThunk(action=action)
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


class SlowMock(StreamingMockBackend):
    """A mock of a downstream project."""


async def use(streaming_mock_backend: StreamingMockBackendFactory, path: Path) -> None:
    """Use the names of a test."""
    slow: SlowMock = streaming_mock_backend("text", cls=SlowMock)
    assert slow.calls == []
    backend = streaming_mock_backend("text", Script.from_cassette(path, timing=True), token_size=4)
    assert_type(backend, StreamingMockBackend)
    assert_type(backend.calls[0].deltas_sent, int)
    requirements = [Mine("words"), Requirement("short", lambda ctx: ctx.last_output() is not None)]
    result = await stream_with_chunking("Hi", backend, ChatContext(window_size=3), requirements=requirements)
    assert_type(result, StreamChunkingResult)
    async with result as same:
        assert_type(same, StreamChunkingResult)
        assert_type(result.astream(lossless=True), AsyncIterator[str])
        async for event in result.events():
            assert_type(event, StreamEvent)
            if isinstance(event, QuickCheckEvent):
                assert_type(event.results, tuple[PartialValidationResult, ...])
    assert_type(result.history, tuple[StreamEvent, ...])
    assert_type(result.final_validations, list[ValidationResult])
    assert_type(result.as_thunk.value, str | None)
    assert_type(result.attempts, tuple[Attempt, ...])
    retried = await stream_with_chunking("Hi", backend, SimpleContext(), holdback=2, max_attempts=3, on_retry="hold")
    async for piece in retried.astream():
        if isinstance(piece, Restart):
            assert_type((piece.attempt, piece.reason), tuple[int, str])
    await stream_with_chunking("Hi", backend, SimpleContext(), repair=lambda action, failures, text: f"{action} {text}")
    await stream_with_chunking("Hi", backend, SimpleContext(), on_retry="again")  # type: ignore[arg-type]
    Requirement("No jargon.", name="jargon", chunking="word", judge=True)
    PartialValidationResult("fail", replacement="…")
    await stream_with_chunking("Hi", Own(), SimpleContext(), chunking=Lines(), validator_timeout=1, fail_fast=True)
    await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    chunker: Chunker = SentenceChunker().chunker()
    assert_type(chunker.feed("text"), list[Chunk])
    await stream_with_chunking("Hi", "no backend", SimpleContext())  # type: ignore[arg-type]
    await stream_with_chunking("Hi", backend, SimpleContext(), requirements=["in words"])  # type: ignore[list-item]
    assert_type(OpenAIResponses().build_request("Hi", model="m", stream=True), WireRequest)
    PartialValidationResult("maybe")  # type: ignore[arg-type]


async def record(stream_cassette: StreamCassette, path: Path) -> None:
    """Ask real models, and record them."""
    backend = LiveBackend("openai:gpt-4.1", base_url="http://127.0.0.1:1/v1", timeouts=Timeouts(first_byte=None))
    assert_type(backend.spec, str)
    assert_type(recording(backend, path), LiveBackend)
    assert_type(replaying(backend, [path, Cassette.load(path)], speed=2), LiveBackend)
    assert_type(stream_cassette(backend), LiveBackend)
    transport = RecordingTransport(ReplayTransport(path), path)
    assert_type(transport.written, list[Path])
    LiveBackend("openai:gpt-4.1", transport=transport)
    assert_type(Cassette.load(path).ending, Ending)
    LiveBackend(model="gpt-4.1")  # type: ignore[call-arg]


async def ask(council: CouncilFactory, backend: Backend, path: Path) -> None:
    """Ask a council."""
    asked = council({"alice": "text"}, ["one", Script.of("two")], backend, synthesizer="so", timeout=5)
    assert_type(asked, Council[Backend, Member[Backend]])
    asked = Council({"alice": "openai:gpt-4.1"}, synthesizer=backend, requirements=[Mine("words")], cache=path)
    asked = Council(["openai:gpt-4.1", backend], chunking=Lines(), cache=CouncilCache(path, limit=5), timeout=2.5)
    members = Council(["openai:gpt-4.1"]).members
    assert_type(members, tuple[Member, ...])
    assert_type(asked.ask_stream("Hi", synthesize=False), CouncilStream)
    events: list[CouncilEvent] = []
    async with asked.ask_stream("Hi", mode="raw") as stream:
        async for event in stream:
            assert_type(event, CouncilEvent)
            assert_type(event.answer, ModelAnswer | None)
            events.append(event)
    assert_type(per_member(events), list[CouncilEvent])
    result = await asked.ask("Hi")
    assert_type(result, CouncilResult)
    assert_type(result.answers, tuple[ModelAnswer, ...])
    assert_type(result.synthesis, str | None)
    assert_type(asked.stream_sync("Hi", print), CouncilResult)
    assert_type(asked.ask_sync("Hi", mode="debate", rounds=3), CouncilResult)
    Council([42])  # type: ignore[list-item]


def watch(captured_telemetry: CapturedTelemetry) -> None:
    """Use telemetry."""
    assert_type(captured_telemetry.spans, tuple[ReadableSpan, ...])
    assert_type(captured_telemetry.span().name, str)
    assert_type(captured_telemetry.total("streamval.outcomes", {"streamval.outcome": "completed"}), float)
    [measured] = captured_telemetry.metrics["streamval.time_to_first_delta"]
    assert_type(measured.low, float | None)
    for span in captured_telemetry.open_spans:
        set_span_status_error(span, "it never ended")
    set_span_status_error(None, "there is no telemetry")


def serve(provider_server: ProviderServerFactory) -> None:
    """Use a provider on loopback."""
    assert_type(faults.all(), list[Fault])
    assert_type(faults.reset(after_deltas=3).on("text"), Faulty)
    assert_type(Script.tool_call("weather", {"city": "Ulm"}, id="call_1", pieces=2), Script)
    assert_type(Script.of(RawFrame(b": ping\n\n"), "text").steps, tuple[Step, ...])
    provider_server(embeddings={"text": [0.5, 1]}).close()
    server = provider_server("text", faults.overloaded(), Script.of("text"), fault=faults.stall(0.5), token_size=4)
    assert_type(server, ProviderServer)
    assert_type(server.openai_url, str)
    assert_type(server.requests[0], ServedRequest)
    assert_type(server.assert_requested(1, model="m", body={"seed": 1}), list[ServedRequest])
    server.assert_client_disconnected(within=0.5)
    _left: Coroutine[object, object, None] = server.client_left(within=1)
    with ProviderServer(lambda request: request.prompt if request.stream else None) as mine:
        assert_type(mine, ProviderServer)
    provider_server(42)  # type: ignore[arg-type]
    faults.reset("early")  # type: ignore[call-arg, arg-type, unused-ignore]


async def use_sessions(backend: Backend) -> None:
    """Use sessions."""
    with start_session(backend, ctx=ChatContext(), model_options={ModelOption.SEED: 1}) as session:
        assert_type(session, Session)
        assert_type(session.ctx, Context)
        assert_type(session.instruct("{{a}}", requirements=[Mine()], user_variables={"a": 1}), ModelOutputThunk)
        assert_type(session.chat("Hello."), ModelOutputThunk)
        assert_type(session.act(Own.__doc__ or "x"), ModelOutputThunk)
        assert_type(session.validate([Mine()], "text"), list[ValidationResult])
        assert_type(session.query({"a": 1}, "Why?"), ModelOutputThunk)
        assert_type(session.transform("text", "Shorter."), ModelOutputThunk)
    async with start_session([Script.of("a"), "b"]) as session:
        thunk = await session.ainstruct("Go.", max_attempts=2)
        assert_type(thunk, ModelOutputThunk)
        await wait_for_all_mots([thunk])
        assert_type(await session.achat("Hello."), ModelOutputThunk)
        assert_type(await session.avalidate([Mine()]), list[ValidationResult])
        assert_type(await session.stream("Go.", requirements=[Mine()], chunking="word"), StreamChunkingResult)
    start_session("openai:gpt-4.1")
    start_session(3)  # type: ignore[call-overload]


def tell_the_time(virtual_clock: VirtualClock) -> None:
    """A virtual clock."""
    for clock in (VirtualClock(), VirtualClock("2030-05-05"), VirtualClock(0.5), VirtualClock(date(2030, 5, 5))):
        with clock as running:
            assert_type(running.elapsed, float)
    virtual_clock.advance(5)
    virtual_clock.move_to(datetime(2030, 5, 5, tzinfo=UTC))


async def await_the_time(virtual_clock: VirtualClock) -> None:
    """Tasks that have their turn."""
    await virtual_clock.advance(5)


async def call_an_application(app_client: AppClientFactory, app: App, runs: list[RunView]) -> None:
    """An application under test."""
    client = app_client(app)
    assert_type(client, AppClient)
    async with client.stream("POST", "/", json={"a": 1}, headers={"a": "b"}, read_every=1.5) as page:
        assert_type(page, Page)
        assert_type(page.status, int | None)
        assert_type(page.headers["a"], str)
        assert_type(page.reads[0], PageRead)
        assert_type((page.reads[0].data, page.reads[0].at, page.reads[0].upstream), tuple[bytes, float, int])
        assert_type((page.text, page.events[0].data), tuple[str, str])
        assert_type(await page.read(), bytes)
        assert_type(await page.until("a"), str)
        assert_type(await page.rest(), bytes)
        await page.leave()
    assert_type(await client.post("/", content=[b"a"]), Page)
    async with client.websocket("/ws") as socket:
        assert_type(await socket.receive(), str | bytes)
        await socket.send(b"a")
    assert_never_sent(page, "a", "b")
    assert_streams(page, within=5)
    assert_no_unvalidated_text(runs[0], page)
    assert_type(runs[0].accepted, bool)
    async with AppClient(app) as mine:
        assert_type(mine, AppClient)
    async with served(app, process=True) as url:
        assert_type(url, str)
    app_client("app")  # type: ignore[arg-type]
