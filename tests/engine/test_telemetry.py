"""Telemetry of runs, tested with the SDK of OpenTelemetry."""

import asyncio
import gc
import random
import sys
import weakref
from contextlib import suppress

import pytest
from opentelemetry import metrics, trace
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import ProxyTracerProvider, StatusCode

from pytest_streamval import (
    Delay,
    Delta,
    Deviation,
    PartialValidationResult,
    Requirement,
    RetryEvent,
    Script,
    SimpleContext,
    Stall,
    StreamingMockBackend,
    Usage,
    ValidationResult,
    set_span_status_error,
    stream_with_chunking,
)
from pytest_streamval.engine import orchestrator, tasks
from pytest_streamval.engine.telemetry import spans as telemetry_module
from pytest_streamval.engine.telemetry.spans import SPAN, telemetry
from pytest_streamval.errors import InvalidVerdictError, MalformedFrameError, ProviderStreamError
from pytest_streamval.plugin.clock import clock_of_test


@pytest.fixture
def clock(request):
    """Live on virtual time, unguarded: the fixture of the plugin would have the whole session guarded."""
    with clock_of_test(request.node, ()) as clock:
        yield clock


def names(span):
    return [event.name for event in span.events]


def events(span, name):
    return [dict(event.attributes) for event in span.events if event.name == name]


# The span


async def test_a_run_is_one_span_with_an_event_for_everything_that_happened(start, judge, captured):
    result, _ = await start(["One. ", "Two"], judge())
    await result.acomplete()
    span = captured.span()
    assert names(span) == [
        "quick_check",
        "chunk",
        "quick_check",
        "chunk",
        "streaming_done",
        "full_validation",
        "completed",
    ]
    assert events(span, "chunk") == [
        {"streamval.chunk.index": 0, "streamval.chunk.length": 4},
        {"streamval.chunk.index": 1, "streamval.chunk.length": 3},
    ]
    assert events(span, "quick_check")[1] == {"streamval.chunk.index": 1, "streamval.passed": True}
    assert events(span, "streaming_done") == [{"streamval.text.length": 8}]
    assert events(span, "full_validation") == [{"streamval.passed": True}]
    assert events(span, "completed") == [{"streamval.success": True, "streamval.text.length": 8}]
    assert [event.timestamp for event in span.events] == [int(event.timestamp * 1e9) for event in result.history]
    assert span.status.status_code is StatusCode.UNSET
    assert captured.open_spans == ()


async def test_a_run_without_requirements_has_no_event_of_a_check(start, captured):
    result, _ = await start(["One. ", "Two"])
    await result.acomplete()
    assert names(captured.span()) == ["chunk", "chunk", "streaming_done", "completed"]


async def test_attributes_have_the_names_of_the_conventions(start, judge, played, captured):
    class Known(played):
        async def generate_from_context(self, action, ctx, **options):
            thunk, ctx = await super().generate_from_context(action, ctx, **options)
            thunk.generation.provider, thunk.generation.model = "gemini", "flash"
            return thunk, ctx

    last = Delta(usage=Usage(3, 5), finish_reason="stop")
    result, backend = await start(Known("One. ", "Two.", last), judge())
    await result.acomplete()
    assert dict(captured.span().attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "flash",
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": backend.thunk.generation.ttfb_ms / 1000,
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 5,
        "streamval.requirements": ("Judge",),
        "streamval.outcome": "completed",
        "streamval.deltas": 3,
        "streamval.chunks": 2,
        "streamval.text.length": 9,
    }


async def test_the_kinds_of_the_deviations_of_a_stream_are_an_attribute(start, played, captured):
    class Odd(played):
        async def generate_from_context(self, action, ctx, **options):
            thunk, ctx = await super().generate_from_context(action, ctx, **options)
            kinds = ("missing-end", "usage-value", "missing-end")
            thunk.generation.deviations = tuple(Deviation(kind, 0, "odd") for kind in kinds)
            return thunk, ctx

    result, _ = await start(Odd("One. "))
    await result.acomplete()
    assert captured.span().attributes["streamval.deviations"] == ("missing-end", "usage-value")


async def test_no_text_of_the_model_is_exported(start, judge, captured):
    result, _ = await start(["swordfish. ", "swordfish. "], judge("pass", "fail"))
    await result.acomplete()
    span = captured.span()
    assert "swordfish" not in span.to_json()
    assert "swordfish" not in str(captured.metrics)


async def test_the_span_is_a_child_of_the_callers_and_the_parent_of_a_validators(start, judge, captured):
    tracer = trace.get_tracer("the code under test")

    def asks(_):
        with tracer.start_as_current_span("judge's request"):
            return "pass"

    with tracer.start_as_current_span("the caller's"):
        result, _ = await start(["One. "], judge(asks))
        await result.acomplete()
        assert trace.get_current_span().name == "the caller's"
    inner, _, span, outer = captured.spans
    assert [each.name for each in captured.spans] == ["judge's request", "chat", SPAN, "the caller's"]
    assert span.parent.span_id == outer.context.span_id
    assert inner.parent.span_id == span.context.span_id


async def test_a_failed_chunk_marks_the_span_without_an_exception(start, judge, captured):
    result, _ = await start(["One. ", "Two. "], judge("pass", "fail"), judge(name="other"))
    await result.acomplete()
    span = captured.span()
    assert names(span) == ["quick_check", "chunk", "quick_check", "completed"]
    failed = {"streamval.chunk.index": 1, "streamval.passed": False, "streamval.failed_requirements": ("Judge",)}
    assert events(span, "quick_check")[1] == failed
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "Judge('judge') failed a chunk: no reason given"
    assert span.attributes["streamval.outcome"] == "stopped"
    assert "error.type" not in span.attributes


async def test_a_failed_final_validation_marks_the_span_too(start, judge, captured):
    verdict = ValidationResult(result=False, reason="too short")
    result, _ = await start(["One. "], judge(), judge(final=verdict, name="last"))
    await result.acomplete()
    span = captured.span()
    assert span.status.description == "Judge('last') failed the output: too short"
    assert names(span)[-2:] == ["full_validation", "completed"]
    assert span.attributes["streamval.outcome"] == "invalid"


async def test_the_reason_of_a_requirement_is_not_exported_if_it_may_have_a_key(start, judge, captured):
    verdict = ValidationResult(result=False, reason="the judge refused: api_key=swordfish")
    result, _ = await start(["One. "], judge(final=verdict, name="last"))
    await result.acomplete()
    assert captured.span().status.description == "Judge('last') failed the output: its reason may have a secret"


async def test_attempts_and_replacements_and_delays_are_reported(start, judge, captured):
    replaced = PartialValidationResult("fail", replacement="!")
    first = judge("pass", replaced, "pass", "fail", final=False)
    result, _ = await start(["One. ", "Two. ", "Three. ", "Four."], first, max_attempts=2, holdback=1)
    await result.acomplete()
    span = captured.span()
    assert span.attributes["streamval.attempts"] == 2
    assert span.attributes["streamval.outcome"] == "stopped"
    assert span.status.description == "Judge('judge') failed the output: no reason given"
    assert events(span, "retry") == [{"streamval.attempt": 2}]
    chunks = events(span, "chunk")
    assert [chunk.get("streamval.chunk.held_chunks", 0) for chunk in chunks] == [1, 1, 1, 1, 1, 0]
    assert [chunk.get("streamval.chunk.replaced") for chunk in chunks] == [None, True, None, None, None, None]
    assert all(chunk["streamval.chunk.held_seconds"] >= 0 for chunk in chunks[:-1])


async def test_the_checks_of_a_requirement_are_those_of_its_own_chunks(start, captured):
    class Words(Requirement):
        chunking = "word"

        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("pass")

    class Sentences(Words):
        chunking = None

    result, _ = await start(["One two. Three."], Words(), Sentences())
    await result.acomplete()
    counted = {
        each.attributes["streamval.requirement"]: each.total
        for each in captured.metrics["streamval.requirement.checks"]
    }
    assert counted == {"Words": 4, "Sentences": 3}


async def test_an_error_is_recorded_as_the_exception_that_it_is(start, judge, captured):
    result, _ = await start(["One. "], judge(ValueError("broken")))
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    span = captured.span()
    assert names(span) == ["exception", "completed"]
    [recorded] = events(span, "exception")
    assert (recorded["exception.type"], recorded["exception.message"]) == ("ValueError", "broken")
    assert "Traceback" in recorded["exception.stacktrace"]
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError: broken")
    assert span.attributes["error.type"] == "ValueError"
    assert span.attributes["streamval.outcome"] == "error"


@pytest.mark.parametrize(
    "error",
    [
        ValueError("not allowed: The pass word is swordfish."),
        ValueError("swordfish"),
        KeyError("One. The pass word"),
        MalformedFrameError("openai", "", (), '{"text": "unseen', 0, "it is not JSON"),
        ProviderStreamError("openai", "error", "you asked: Tell."),
    ],
    ids=["a quoted chunk", "a piece", "a key", "a quoted frame", "a provider's message"],
)
async def test_the_text_of_a_prompt_or_an_answer_is_not_exported_with_an_error(start, judge, captured, error):
    result, _ = await start(["One. ", "The pass word is swordfish. "], judge("pass", error))
    with pytest.raises(type(error)):
        await result.acomplete()
    span = captured.span()
    exported = f"{span.to_json()} {span.status.description}"
    assert span.status.description == type(error).__name__
    assert not any(text in exported for text in ("swordfish", "pass word", "unseen", "Tell."))


async def test_a_wrong_verdict_that_is_the_chunk_is_not_exported(start, captured):
    class Echoes(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return chunk

    result, _ = await start(["The word is swordfish. "], Echoes())
    with pytest.raises(InvalidVerdictError, match="swordfish"):
        await result.acomplete()
    assert "swordfish" not in captured.span().to_json()


async def test_a_cancellation_is_no_error(start, never, turns, captured):
    result, _ = await start(["One. ", never])
    await turns(4)
    await result.aclose()
    span = captured.span()
    assert names(span) == ["chunk", "completed"]
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes["streamval.outcome"] == "cancelled"


async def test_a_failed_clean_up_is_exported_with_its_message(start, never, turns, captured):
    async def cleanup():
        raise OSError("disk full")

    result, _ = await start(["One. ", never], cleanup=cleanup)
    await turns(4)
    await result.aclose()
    span = captured.span()
    assert events(span, "exception") == [{"exception.type": "OSError", "exception.message": "disk full"}]
    assert (span.attributes["error.type"], span.attributes["streamval.outcome"]) == ("OSError", "error")
    with pytest.raises(OSError, match="disk full"):
        await result.acomplete()


async def test_cancelling_the_output_ends_the_span(start, never, turns, captured):
    result, backend = await start(["One. ", never])
    await turns(4)
    span, _ = captured.open_spans
    await backend.thunk.cancel_generation()
    assert captured.open_spans == ()
    assert captured.span().context == span.context
    assert captured.span().attributes["error.type"] == "GenerationCancelledError"
    assert await result.aexception()


async def test_a_run_that_was_cancelled_before_its_first_step_has_its_span(start, never, turns, captured):
    result, _ = await start(["One. ", never])
    result.task.cancel()
    await turns(6)
    assert names(captured.span()) == ["completed"]
    assert captured.open_spans == ()
    await result.aclose()


async def test_a_result_that_is_dropped_leaves_no_open_span(start, never, turns, captured):
    result, _ = await start(["One. ", never])
    await turns(4)
    assert [span.name for span in captured.open_spans] == [SPAN, "chat"]
    with pytest.warns(ResourceWarning, match="was dropped"):
        del result
    await turns(6)
    assert captured.open_spans == ()
    assert captured.span().attributes["streamval.outcome"] == "cancelled"


@pytest.mark.parametrize("steps", [0, 5])
@pytest.mark.filterwarnings("ignore:.*was dropped while its generation was running:ResourceWarning")
def test_a_result_that_is_dropped_after_the_end_of_its_loop_leaves_no_open_span(turns, captured, caplog, steps):
    async def main():
        backend = StreamingMockBackend(Script.of("One. ", Stall()))
        kept.append(await stream_with_chunking("Tell.", backend, SimpleContext()))
        await turns(steps)
        loop.stop()  # at once: without steps, the run has not begun

    kept = []
    loop = asyncio.new_event_loop()
    done = loop.create_task(main())
    loop.run_forever()
    loop.close()
    done.result()
    kept.clear()
    assert captured.open_spans == ()
    span = captured.span()
    assert span.attributes["streamval.outcome"] == "cancelled"
    assert (
        not trace.get_current_span().get_span_context().is_valid
    )  # the run does not change the current span of others
    for task in [task for task in tasks._running_tasks if task.get_loop() is loop]:
        task.get_coro().close()  # as happens to it at the very end
        tasks._running_tasks.discard(task)
    del task
    gc.collect()
    assert captured.span() is span
    assert {record.getMessage().partition("\n")[0] for record in caplog.records} == {
        "Task was destroyed but it is pending!"
    }


async def test_an_exported_run_is_freed_without_the_cyclic_collector(start, judge, captured, turns, no_cyclic_gc):
    result, _ = await start(["One. "], judge("fail"))
    await result.acomplete()
    run = weakref.ref(result._run)
    del result, _
    await turns()
    assert run() is None


async def test_a_retry_is_an_event_like_any_other(start, captured):
    result, _ = await start(["One. "])
    result._run.history.append(RetryEvent(2, "too short"))
    await result.acomplete()
    assert events(captured.span(), "retry") == [{"streamval.attempt": 2}]


@pytest.mark.parametrize(("limit", "kept"), [(None, 64), ("10", 10), ("1", 2), ("100", 100)])
async def test_the_beginning_and_the_end_of_a_long_run_are_exported(start, monkeypatch, captured, limit, kept):
    if limit is not None:
        monkeypatch.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", limit)
    result, _ = await start(["x " * 200], chunking="word")
    await result.acomplete()
    span = captured.span()
    assert span.attributes.get("streamval.events_left_out", 0) == len(result.history) - kept
    assert names(span)[-1] == "completed"
    told = [each["streamval.chunk.index"] for each in events(span, "chunk")]
    assert told == [*range(kept // 2), *range(202 - kept + kept // 2, 200)]


# The measurements


async def test_results_are_counted_by_the_class_of_their_requirement_never_by_reason(start, judge, captured):
    class Strict(judge):
        pass

    result, _ = await start(["One. ", "Two. ", "Three. "], judge(), judge(), Strict("pass", "fail"))
    await result.acomplete()
    result, _ = await start(["One. "], judge(final=False))
    await result.acomplete()
    found = captured.metrics
    assert {each.attributes["streamval.requirement"]: each.total for each in found["streamval.requirement.checks"]} == {
        "Judge": 4 + 2,
        "Strict": 2,
    }
    failures = found["streamval.requirement.failures"]  # in the order of the SDK
    assert len(failures) == 2
    assert {each.attributes["streamval.requirement"]: each.total for each in failures} == {"Strict": 1, "Judge": 1}


@pytest.mark.parametrize(
    ("steps", "answers", "outcome"),
    [
        (["One. "], {}, "completed"),
        (["One. "], {"final": False}, "invalid"),
        (["One. "], {"answer": "fail"}, "stopped"),
        (["One. ", KeyError("x")], {}, "error"),
        (["One. ", None], {}, "cancelled"),
    ],
)
async def test_outcomes_are_counted_under_the_name_of_the_function(
    start, judge, never, turns, captured, steps, answers, outcome
):
    requirement = judge(answers.get("answer", "pass"), final=answers.get("final", True))
    result, _ = await start([never if step is None else step for step in steps], requirement)
    await turns(6)
    await result.aclose()
    [found] = captured.metrics["streamval.outcomes"]
    labels = {"streamval.operation": "stream_with_chunking", "streamval.outcome": outcome}
    assert (found.attributes, found.total) == (labels, 1)
    assert captured.total("streamval.errors", {"error.type": "KeyError"}) == (outcome == "error")
    with suppress(KeyError):
        await result.acomplete()


async def test_times_are_measured_from_the_request(start, judge, clock, captured):
    result, _ = await start(
        [lambda: asyncio.sleep(2), "One. ", lambda: asyncio.sleep(3), "Two. "], judge(takes(0.5), takes(4))
    )
    await result.acomplete()
    found = captured.metrics
    assert [each.total for each in found["streamval.time_to_first_delta"]] == [pytest.approx(2)]
    assert [each.total for each in found["streamval.time_to_first_chunk"]] == [pytest.approx(2.5)]
    [waits] = found["streamval.chunk.validation.duration"]
    assert waits.count == 2
    assert (waits.low, waits.high, waits.total) == (pytest.approx(0.5), pytest.approx(4), pytest.approx(4.5))


async def test_the_wait_of_a_chunk_begins_after_the_previous_chunk(start, judge, clock, captured):
    result, _ = await start(["One. Two. Three. "], judge(takes(1), takes(2), takes(3)))
    await result.acomplete()
    [waits] = captured.metrics["streamval.chunk.validation.duration"]
    assert (waits.count, waits.low, waits.high) == (3, pytest.approx(1), pytest.approx(3))


def takes(seconds):
    async def answer(_):
        await asyncio.sleep(seconds)
        return "pass"

    return answer


async def test_a_sample_of_many_chunks_is_measured(start, judge, captured):
    result, _ = await start(["x " * 100], judge(), chunking="word")
    await result.acomplete()
    [waits] = captured.metrics["streamval.chunk.validation.duration"]
    assert 20 < waits.count <= 32


async def test_deltas_sent_after_a_failing_chunk_are_those_of_the_producer(judge, captured):
    backend = StreamingMockBackend(Script.of("One. ", Delay(0), *"x" * 100))

    async def later(_):
        for _ in range(4):
            await asyncio.sleep(0)
        return "fail"

    result = await stream_with_chunking("go", backend, SimpleContext(), requirements=[judge(later)])
    await result.acomplete()
    sent = backend.calls[0].deltas_sent - result.deltas_read
    assert sent > 0
    [found] = captured.metrics["streamval.deltas_after_failure"]
    assert (found.count, found.total) == (1, sent)
    assert captured.span().attributes["streamval.deltas_after_failure"] == sent


async def test_a_run_without_deltas_has_no_times(start, captured):
    result, _ = await start([KeyError("x")])
    with pytest.raises(KeyError):
        await result.acomplete()
    of_runs = {name for name in captured.metrics if name.startswith("streamval.")}
    assert of_runs == {"streamval.outcomes", "streamval.errors"}


# Where telemetry goes


@pytest.fixture
def providers(monkeypatch):
    """Set providers, as a program does at its start."""

    def set_them(tracers=None, meters=None):
        tracers, meters = tracers or ProxyTracerProvider(), meters or NoOpMeterProvider()
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: tracers)
        monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)

    return set_them


@pytest.mark.parametrize("imported", [False, True])
def test_a_run_has_no_telemetry_if_opentelemetry_was_never_imported(monkeypatch, imported):
    if not imported:
        monkeypatch.delitem(sys.modules, "opentelemetry")
    monkeypatch.setattr(telemetry_module, "telemetry", lambda: "an observer")
    assert orchestrator._telemetry() == ("an observer" if imported else None)


async def test_a_run_has_no_observers_if_no_provider_is_set(start, providers):
    providers()
    assert telemetry() is None
    result, _ = await start(["One. "])
    assert result._run.observers is None
    assert [chunk async for chunk in result.astream()] == ["One."]
    assert [event async for event in result.events()] == list(result.history)


async def test_telemetry_works_with_only_spans_and_with_only_measurements(start, judge, providers):
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider(shutdown_on_exit=False)
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider([reader], shutdown_on_exit=False)
    for set_now in ({"tracers": tracers}, {"meters": meters}):
        providers(**set_now)
        result, _ = await start(["One. "], judge("fail"))
        await result.acomplete()
    assert [span.name for span in exporter.get_finished_spans()] == ["chat", SPAN]
    [resource] = reader.get_metrics_data().resource_metrics
    assert resource.scope_metrics[0].scope.name == "pytest_streamval"


async def test_a_span_that_is_not_sampled_is_only_ended(start, providers):
    providers(TracerProvider(ALWAYS_OFF, shutdown_on_exit=False))
    result, _ = await start(["One. "])
    await result.acomplete()
    assert result.completed


def test_tracer_and_instruments_are_made_once_for_the_providers_that_are_set(providers):
    one, other = (TracerProvider(shutdown_on_exit=False) for _ in range(2))
    providers(one)
    first, again = telemetry(), telemetry()
    assert first._tracer is again._tracer
    providers(one, MeterProvider(shutdown_on_exit=False))
    assert telemetry()._instruments is not None
    providers(other)
    assert telemetry()._tracer is not first._tracer


def test_set_span_status_error_ignores_none():
    set_span_status_error(None, "nobody hears it")


def test_set_span_status_error_adds_no_event(captured):
    with trace.get_tracer("mine").start_as_current_span("mine") as span:
        set_span_status_error(span, "too short")
    span = captured.span("mine")
    assert (span.status.status_code, span.status.description, span.events) == (StatusCode.ERROR, "too short", ())


async def test_a_span_is_ended_even_if_its_events_cannot_be_recorded(start, monkeypatch, captured, caplog):
    monkeypatch.setattr(telemetry_module, "_record_events", lambda *_: 1 / 0)
    result, _ = await start(["One. "])
    await result.acomplete()
    assert captured.span().name == SPAN
    assert captured.open_spans == ()
    assert "raised in ended()" in caplog.text


# Whatever happens


class Faulty(Requirement):
    """Does one of many things, by chance."""

    def __init__(self, chance):
        super().__init__()
        self.chance = chance

    async def stream_validate(self, chunk, *, backend, ctx):
        await self.something()
        return await super().stream_validate(chunk, backend=backend, ctx=ctx)

    async def validate(self, backend, ctx, **options):
        await self.something()
        return ValidationResult(self.chance.random() < 0.5)

    async def something(self):
        draw = self.chance.random()
        if draw < 0.03:
            raise LookupError("by chance")
        if draw < 0.06:
            asyncio.current_task().cancel()
        for _ in range(self.chance.randrange(3)):
            await asyncio.sleep(0)


@pytest.mark.streamval_not_cancelled  # it catches cancellations
@pytest.mark.parametrize("seed", range(10))
async def test_whatever_happens_no_span_is_left_open(seed, captured, played, turns, start, recwarn):
    chance = random.Random(seed)  # noqa: S311  # repeatable chance, not secrets
    for _ in range(100):
        await one_run(chance, played, turns, start)
    await turns(10)
    assert captured.open_spans == ()
    assert len(captured.spans) == 2 * captured.total("streamval.outcomes") == 200
    assert captured.total("gen_ai.client.operation.duration") > 0
    outcomes = {each.attributes["streamval.outcome"] for each in captured.metrics["streamval.outcomes"]}
    assert outcomes >= {"completed", "cancelled", "error"}


async def one_run(chance, played, turns, start):
    """Start a run and treat it as badly as chance has it."""
    steps = ["One. ", "Two", ". ", "Three. " * 3, lambda: asyncio.sleep(0), "Four. "]
    chance.shuffle(steps)
    if chance.random() < 0.2:
        steps.insert(chance.randrange(len(steps)), OSError("by chance"))
    result, backend = await start(played(*steps), *[Faulty(chance) for _ in range(chance.randrange(3))])
    await turns(chance.randrange(8))
    treatment = chance.choice(["complete", "read", "close", "cancel", "cancel output", "drop", "time out"])
    with suppress(Exception, asyncio.CancelledError):
        if treatment == "complete":
            await result.acomplete()
        elif treatment == "read":
            async for _ in result.astream():
                await turns(chance.randrange(2))
        elif treatment == "close":
            await result.aclose()
        elif treatment == "cancel":
            result.task.cancel()
        elif treatment == "cancel output":
            await backend.thunk.cancel_generation()
        elif treatment == "time out":
            waiting = asyncio.ensure_future(result.acomplete())
            await turns(chance.randrange(4))
            waiting.cancel()
            await waiting
    del result
    await turns(12)
