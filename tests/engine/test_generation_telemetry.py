"""Telemetry of generations, tested with the SDK of OpenTelemetry and the names of its semantic conventions."""

import asyncio
import random
import sys
from contextlib import suppress

import pytest
from opentelemetry import trace
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as names
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics as instruments
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.trace import SpanKind, StatusCode

from pytest_streamval import (
    Delta,
    ModelOption,
    ModelOutputThunk,
    Raise,
    Requirement,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    Usage,
    start_session,
    stream_with_chunking,
)
from pytest_streamval.engine.telemetry import generations

STREAMED = {ModelOption.STREAM: True}


class Named(StreamingMockBackend):
    """A mock whose generations have a provider and a model, which it names after their start."""

    async def generate_from_context(self, action, ctx, **options):
        thunk, ctx = await super().generate_from_context(action, ctx, **options)
        thunk.generation.provider, thunk.generation.model = "gemini", "flash"
        return thunk, ctx


async def generation(*steps, options=STREAMED):
    """Start a generation without a run, and return its output."""
    thunk, _ = await Named(Script.of(*steps)).generate_from_context("Tell.", SimpleContext(), model_options=options)
    return thunk


LAST = Delta(usage=Usage(3, 5), finish_reason="STOP")


async def test_the_generation_of_a_bare_output_is_a_span_by_the_conventions(captured):
    thunk = await generation("One. ", "Two.", LAST)
    assert await thunk.avalue() == "One. Two."
    span = captured.span("chat flash")
    assert span.kind is SpanKind.CLIENT
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        names.GEN_AI_OPERATION_NAME: names.GenAiOperationNameValues.CHAT.value,
        names.GEN_AI_PROVIDER_NAME: names.GenAiProviderNameValues.GCP_GEMINI.value,
        names.GEN_AI_REQUEST_MODEL: "flash",
        names.GEN_AI_REQUEST_STREAM: True,
        names.GEN_AI_RESPONSE_FINISH_REASONS: ("STOP",),
        names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: thunk.generation.ttfb_ms / 1000,
        names.GEN_AI_USAGE_INPUT_TOKENS: 3,
        names.GEN_AI_USAGE_OUTPUT_TOKENS: 5,
        "streamval.outcome": "completed",
    }
    assert captured.open_spans == ()


async def test_a_generation_is_measured_by_the_conventions(captured):
    await (await generation("One.", LAST)).avalue()
    request = {
        names.GEN_AI_OPERATION_NAME: "chat",
        names.GEN_AI_PROVIDER_NAME: "gcp.gemini",
        names.GEN_AI_REQUEST_MODEL: "flash",
    }
    metrics = captured.metrics
    [duration] = metrics[instruments.GEN_AI_CLIENT_OPERATION_DURATION]
    [first] = metrics[instruments.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK]
    assert duration.attributes == first.attributes == request
    assert 0 < first.total <= duration.total
    tokens = {each.attributes[names.GEN_AI_TOKEN_TYPE]: each for each in metrics[instruments.GEN_AI_CLIENT_TOKEN_USAGE]}
    assert {kind: (each.total, each.count) for kind, each in tokens.items()} == {"input": (3, 1), "output": (5, 1)}
    assert all(request.items() <= each.attributes.items() for each in tokens.values())


async def test_a_generation_that_is_not_streamed_has_no_time_to_first_chunk(captured):
    await (await generation("One.", options={})).avalue()
    assert names.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK not in captured.span("chat flash").attributes
    assert instruments.GEN_AI_CLIENT_OPERATION_TIME_TO_FIRST_CHUNK not in captured.metrics


async def test_the_generations_of_a_run_are_children_of_its_span(captured):
    backend = Named("One. ", "Two.")
    async with stream_with_chunking("Tell.", backend, SimpleContext()) as run:
        await run.acomplete()
    generation, run_span = captured.span("chat flash"), captured.span()
    assert generation.parent.span_id == run_span.context.span_id
    assert run_span.start_time <= generation.start_time <= generation.end_time <= run_span.end_time


async def test_the_span_of_a_generation_is_current_in_its_producer(captured):
    async def produce(thunk):
        with trace.get_tracer("the code under test").start_as_current_span("request"):
            await thunk.put("One.")

    thunk = ModelOutputThunk()
    thunk.start(produce)
    assert not trace.get_current_span().get_span_context().is_valid
    await thunk.avalue()
    assert captured.span("request").parent.span_id == captured.span("chat").context.span_id


async def test_every_attempt_of_a_session_is_one_generation_and_their_output_is_none(captured):
    async with start_session(["no", "yes"]) as session:
        yes = Requirement(validation_fn=lambda ctx: str(ctx.last_output()) == "yes")
        output = await session.ainstruct("Tell.", requirements=[yes], max_attempts=2)
        assert await output.avalue() == "yes"
    assert [span.name for span in captured.spans] == ["chat", "chat"]


async def test_cancel_generation_ends_the_span_with_its_real_cause(captured, own_task):
    thunk = await generation("swordfish", Stall())
    own_task(thunk.producer)
    await thunk.astream()
    await thunk.cancel_generation(LookupError("swordfish is no fish"))
    span = captured.span("chat flash")
    assert span.attributes[ERROR_TYPE] == "LookupError"
    assert span.attributes["streamval.outcome"] == "error"
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "LookupError")
    assert captured.total(instruments.GEN_AI_CLIENT_OPERATION_DURATION, {ERROR_TYPE: "LookupError"}) > 0
    assert "swordfish" not in span.to_json()


async def test_cancel_generation_of_a_received_output_that_nobody_reads_has_its_cause_too(captured, turns):
    thunk = await generation("One.", LAST)
    await turns(3)
    assert captured.spans == ()
    await thunk.cancel_generation(TimeoutError())
    assert captured.span("chat flash").attributes[ERROR_TYPE] == "TimeoutError"
    assert captured.span("chat flash").attributes[names.GEN_AI_USAGE_OUTPUT_TOKENS] == 5


async def test_a_cancelled_generation_without_a_cause_is_no_error(captured):
    thunk = await generation("One.", Stall())
    await thunk.cancel_generation()
    span = captured.span("chat flash")
    assert span.attributes["streamval.outcome"] == "cancelled"
    assert ERROR_TYPE not in span.attributes
    assert span.status.status_code is StatusCode.UNSET


async def test_an_error_of_the_producer_ends_the_span_before_it_is_read(captured, turns):
    thunk = await generation(Delta("One.", usage=Usage(3)), Raise(ConnectionResetError("One.")))
    await turns(3)
    span = captured.span("chat flash")
    assert span.attributes[ERROR_TYPE] == "ConnectionResetError"
    assert span.attributes[names.GEN_AI_USAGE_INPUT_TOKENS] == 3
    assert "One." not in span.to_json()
    await thunk.cancel_generation(LookupError())  # the real cause stays
    assert captured.spans == (span,)


async def test_the_error_of_a_run_is_the_cause_of_its_generations_end(captured, judge):
    run = await stream_with_chunking(
        "Tell.", Named(Script.of("One. ", "Two. ", Stall())), SimpleContext(), requirements=[judge(LookupError("no"))]
    )
    assert isinstance(await run.aexception(), LookupError)
    assert captured.span("chat flash").attributes[ERROR_TYPE] == "LookupError"


async def test_a_request_that_the_backend_refuses_is_a_run_with_an_error(captured):
    with pytest.raises(Exception, match="script"):
        await stream_with_chunking("Tell.", Named(), SimpleContext())
    span = captured.span()
    assert span.attributes[ERROR_TYPE] == "ScriptExhaustedError"
    assert span.status.description == "ScriptExhaustedError"
    assert not trace.get_current_span().get_span_context().is_valid


async def test_the_span_of_an_output_that_is_dropped_unread_ends_as_it_was_received(captured, turns):
    thunk = await generation("One.", LAST)
    await turns(3)
    assert len(captured.open_spans) == 1
    del thunk
    await turns(2)
    assert captured.span("chat flash").attributes["streamval.outcome"] == "completed"
    assert captured.open_spans == ()


async def test_telemetry_that_fails_never_disturbs_an_output(captured, monkeypatch, caplog):
    monkeypatch.setattr(generations, "_measure", lambda *_: 1 / 0)
    assert await (await generation("One.")).avalue() == "One."
    assert captured.open_spans == ()
    assert "The telemetry of" in caplog.text


async def test_a_span_that_cannot_be_opened_never_disturbs_an_output(captured, monkeypatch, caplog):
    monkeypatch.setattr(generations, "GenerationTelemetry", lambda *_: 1 / 0)
    assert await (await generation("One.")).avalue() == "One."
    assert captured.spans == ()
    assert "the generation goes on without it" in caplog.text


async def test_a_generation_has_no_telemetry_if_opentelemetry_was_never_imported(captured, monkeypatch):
    monkeypatch.delitem(sys.modules, "opentelemetry")
    assert await (await generation("One.")).avalue() == "One."
    monkeypatch.undo()
    assert captured.spans == ()


async def test_a_run_that_is_cancelled_while_its_backend_starts_is_no_error(captured, own_task, turns):
    class Slow(Named):
        async def generate_from_context(self, action, ctx, **options):
            await asyncio.get_running_loop().create_future()

    task = own_task(asyncio.ensure_future(stream_with_chunking("Tell.", Slow(), SimpleContext())))
    await turns(2)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert dict(captured.span().attributes) == {"streamval.outcome": "cancelled"}


def test_an_output_without_an_event_loop_leaves_no_span(captured):
    async def produce(thunk):
        """Put nothing."""

    with pytest.raises(RuntimeError, match="event loop"):
        ModelOutputThunk().start(produce)
    assert captured.open_spans == ()


@pytest.mark.filterwarnings("ignore:.*was dropped while it was generated:ResourceWarning")
@pytest.mark.parametrize("seed", range(10))
async def test_no_span_of_a_bare_output_is_left_open_by_any_end(seed, captured, turns, generate, spawn):
    chance = random.Random(seed)  # noqa: S311  # repeatable chance, not secrets
    for _ in range(100):
        await one_generation(chance, turns, generate, spawn)
    await turns(5)
    assert captured.open_spans == ()
    assert len(captured.spans) == 100


def producer(texts, last):
    """Return a function that puts texts and a last delta, raises an error, or never ends."""

    async def produce(thunk):
        for text in texts:
            await thunk.put(text)
        if last is None:
            await asyncio.get_running_loop().create_future()
        if isinstance(last, OSError):
            raise last
        await thunk.put(last)

    return produce


async def one_generation(chance, turns, generate, spawn):
    """Start a generation and treat it as badly as chance has it."""
    last = chance.choice([LAST, None, OSError("by chance"), "end"])
    thunk = ModelOutputThunk()
    generate(thunk, producer(["One. "] * chance.choice([0, 1, 30]), last))
    await turns(chance.randrange(4))
    with suppress(OSError):
        match chance.choice(["read", "cancel", "cancel with a cause", "abandon", "drop", "time out"]):
            case "read" if last is not None:
                await thunk.avalue()
            case "cancel":
                await thunk.cancel_generation()
            case "cancel with a cause":
                await thunk.cancel_generation(LookupError("by chance"))
            case "abandon":
                thunk.abandon()
            case "time out":
                reader = spawn(thunk.avalue())
                await turns(chance.randrange(4))
                reader.cancel()
                await asyncio.wait([reader])  # which lets a cancellation of the test itself through
                if not reader.cancelled():
                    reader.result()
    del thunk
    await turns(3)


async def test_the_latest_usage_of_a_cut_output_is_the_last_count_that_the_provider_sent(own_task, turns):
    thunk = await generation(Delta("One.", usage=Usage(3)), Delta(usage=Usage(3, 1)), Stall())
    own_task(thunk.producer)
    await turns(3)
    assert thunk.latest_usage == Usage(3, 1)
    await thunk.cancel_generation()
    assert thunk.generation.usage is None
    assert thunk.latest_usage == thunk.with_text("One").latest_usage == Usage(3, 1)
