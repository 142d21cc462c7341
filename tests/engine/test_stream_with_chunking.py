"""Runs: the order of events, the checks, the released chunks and the end."""

import asyncio
from contextlib import nullcontext, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.engine.backend import ModelOption
from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
from pytest_streamval.engine.component import CBlock, Instruction
from pytest_streamval.engine.context import SimpleContext
from pytest_streamval.engine.events import CompletedEvent, ErrorEvent, FullValidationEvent, QuickCheckEvent
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.errors import GenerationCancelledError, ValidatorTimeoutError
from pytest_streamval.model import Delta, ToolCallDelta, Usage

STORY = ["One. ", "Two", ". Thr", "ee"]


class Commas(ChunkingStrategy):
    """Cuts at commas, which it drops, and keeps the fragment to itself."""

    def split(self, accumulated_text):
        return [part for part in accumulated_text.split(",")[:-1] if part]


# Events, in order


@pytest.mark.parametrize(
    ("steps", "requirements", "events"),
    [
        pytest.param(
            STORY, 0, ["chunk 0 One.", "chunk 1 Two.", "chunk 2 Three", "done", "completed True"], id="no requirement"
        ),
        *(
            pytest.param(
                STORY,
                count,
                [
                    *("check 0 passed", "chunk 0 One.", "check 1 passed", "chunk 1 Two."),
                    *("check 2 passed", "chunk 2 Three", "done", "validation passed", "completed True"),
                ],
                id=f"{count} requirements",
            )
            for count in (1, 2, 4)
        ),
        pytest.param([], 0, ["done", "completed True"], id="empty stream"),
        pytest.param([""], 1, ["done", "validation passed", "completed True"], id="stream of an empty delta"),
        pytest.param(
            ["One. Two. Three. "],
            0,
            ["chunk 0 One.", "chunk 1 Two.", "chunk 2 Three.", "done", "completed True"],
            id="many chunks of one delta",
        ),
    ],
)
async def test_a_run_to_the_natural_end_emits_all_events_in_order(
    start, judge, shape, assert_over, steps, requirements, events
):
    judges = [judge() for _ in range(requirements)]
    result, backend = await start(steps, *judges)
    await result.acomplete()
    assert shape(result.history) == events
    assert result.completed
    assert result.full_text == "".join(steps)
    assert result.deltas_read == len(steps)
    assert backend.finished
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("slow", [0, 1, 3])
@pytest.mark.parametrize("peers", [0, 1, 3])
@pytest.mark.parametrize("fail_fast", [False, True])
async def test_a_failing_check_stops_the_run_before_its_chunk_is_released(
    start, judge, shape, assert_over, suspending, slow, peers, fail_fast
):
    failing = judge("unknown", suspending(slow, PartialValidationResult("fail", reason="no")))
    judges = [*(judge() for _ in range(peers)), failing]
    result, backend = await start(STORY, *judges, fail_fast=fail_fast)
    await result.acomplete()
    assert shape(result.history) == ["check 0 passed", "chunk 0 One.", "check 1 failed", "completed False"]
    assert not result.completed
    assert result.full_text == "One."
    [(requirement, verdict)] = result.streaming_failures
    assert requirement is not failing
    assert requirement.record is failing.record
    assert verdict == PartialValidationResult("fail", reason="no")
    assert result.final_validations == []
    assert all(each.record.final_ctx is None for each in judges)
    assert backend.thunk.is_computed()
    assert_over(result, backend, *judges)


async def test_a_failing_check_of_the_flushed_fragment_stops_the_run(start, judge, shape, assert_over):
    result, backend = await start(["One. ", "Two"], judge("pass", "fail"))
    await result.acomplete()
    assert shape(result.history) == ["check 0 passed", "chunk 0 One.", "check 1 failed", "completed False"]
    assert result.full_text == "One."
    assert result.streaming_failures
    assert_over(result, backend)


async def test_an_early_exit_cancels_and_awaits_the_producer(start, judge, never, turns, assert_over):
    ended = []

    async def cleanup():
        await turns(3)
        ended.append(True)

    result, backend = await start(["Bad. ", never], judge("fail"), cleanup=cleanup)
    async for event in result.events():
        if isinstance(event, CompletedEvent):
            assert ended == [True]
    assert backend.stopped
    assert_over(result, backend)


async def test_every_failing_requirement_is_listed_and_results_follow_the_requirements(
    start, judge, assert_over, suspending
):
    verdicts = [
        PartialValidationResult("fail", reason="late"),
        PartialValidationResult("pass", reason="at once"),
        PartialValidationResult("fail", reason="at once"),
        PartialValidationResult("unknown", reason="soon"),
    ]
    judges = [
        judge(suspending(4, verdicts[0])),
        judge(verdicts[1]),
        judge(verdicts[2]),
        judge(suspending(1, verdicts[3])),
    ]
    result, backend = await start(["Bad. "], *judges)
    await result.acomplete()
    assert result.history[0].results == tuple(verdicts)
    assert [pair[1] for pair in result.streaming_failures] == [verdicts[0], verdicts[2]]
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("slow", [0, 1, 2], ids="after {} turns".format)
async def test_fail_fast_cancels_the_other_checks_and_reports_them_as_unknown(
    start, judge, assert_over, suspending, never, slow
):
    judges = [
        judge(never),
        judge("pass"),
        judge(suspending(slow, "fail")),
        judge(suspending(9)),
    ]
    result, backend = await start(["Bad. ", never], *judges, fail_fast=True)
    await result.acomplete()
    [check, _] = result.history
    assert [verdict.success for verdict in check.results] == ["unknown", "pass", "fail", "unknown"]
    assert all("cancelled" in check.results[at].reason for at in (0, 3))
    assert len(result.streaming_failures) == 1
    assert judges[0].record.cancelled == 1
    assert_over(result, backend, *judges)


async def test_fail_fast_waits_for_every_check_while_none_fails(start, judge, assert_over, suspending):
    judges = [judge(suspending(3)), judge(suspending(1, "unknown")), judge()]
    result, backend = await start(["Good. "], *judges, fail_fast=True)
    await result.acomplete()
    assert [verdict.success for verdict in result.history[0].results] == ["pass", "unknown", "pass"]
    assert_over(result, backend, *judges)


async def test_the_other_checks_return_without_fail_fast(start, judge, suspending):
    slow = judge(suspending(5, "unknown"))
    result, _ = await start(["Bad. "], judge("fail"), slow)
    await result.acomplete()
    assert [verdict.success for verdict in result.history[0].results] == ["fail", "unknown"]
    assert slow.record.cancelled == 0


async def test_chunks_of_one_read_are_checked_in_order_up_to_the_failing_one(start, judge):
    judges = [judge("pass", "pass", "fail"), judge()]
    result, _ = await start(["One. Two. Three. Four. "], *judges)
    await result.acomplete()
    assert [each.record.seen for each in judges] == [["One.", "Two.", "Three."]] * 2
    assert result.full_text == "One. Two."


async def test_a_chunk_reaches_every_requirement_before_any_has_returned(start, judge, suspending):
    order = []

    def noting(name):
        async def note(chunk):
            order.append(f"{name} asked")
            await asyncio.sleep(0)
            order.append(f"{name} answers")
            return "pass"

        return note

    result, _ = await start(["One. "], judge(noting("first")), judge(noting("second")))
    await result.acomplete()
    assert order == ["first asked", "second asked", "first answers", "second answers"]


async def test_a_chunk_is_released_before_the_next_one_is_checked(start, judge):
    seen = []
    result, _ = await start(STORY, judge(*[lambda chunk: seen.append(result.full_text) or "pass"] * 3))
    await result.acomplete()
    assert seen == ["", "One.", "One. Two."]


# The final validation


async def test_the_final_validation_calls_all_at_once_and_returns_results_in_order(
    start, judge, assert_over, suspending
):
    judges = [judge(final=suspending(3, False)), judge(final=suspending(1, True)), judge(final=True)]
    result, backend = await start(STORY, *judges)
    await result.acomplete()
    assert [bool(verdict) for verdict in result.final_validations] == [False, True, True]
    full = result.history[-2]
    assert isinstance(full, FullValidationEvent)
    assert (full.passed, list(full.results)) == (False, result.final_validations)
    assert result.completed
    assert result.full_text == "One. Two. Three"
    assert_over(result, backend, *judges)


async def test_the_final_validation_finds_the_computed_output_in_the_backends_context(start, judge):
    text = []
    requirement = judge(final=lambda ctx: text.append(str(ctx.last_output())) or True)
    result, backend = await start(STORY, requirement)
    await result.acomplete()
    assert text == ["One. Two. Three"]
    assert requirement.record.final_ctx is backend.answer_ctx
    assert backend.thunk.is_computed()


async def test_a_validation_that_raises_ends_the_run_with_its_error(start, judge, shape, assert_over, never):
    judges = [judge(final=never), judge(final=ValueError("broken"))]
    result, backend = await start(STORY, *judges)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert shape(result.history)[-3:] == ["done", "error ValueError", "completed False"]
    assert not result.completed
    assert judges[0].record.running == 0
    assert_over(result, backend, *judges)


# Arguments of the backend and the validators


async def test_the_backend_receives_stream_the_action_and_the_context(played):
    backend = played("Hi.")
    ctx = SimpleContext()
    action = Instruction("Greet.")
    result = await stream_with_chunking(action, backend, ctx)
    await result.acomplete()
    [asked] = backend.asked
    assert (asked.action, asked.ctx, asked.model_options) == (action, ctx, {ModelOption.STREAM: True})


async def test_an_action_that_is_a_str_becomes_a_block(start):
    result, backend = await start(["Hi."])
    await result.acomplete()
    assert backend.asked[0].action == CBlock("Tell.")


@pytest.mark.parametrize("other", [False, True], ids=["the backend", "a validation backend"])
async def test_validators_get_the_backend_and_the_context_that_it_returned(start, judge, played, other):
    requirement = judge()
    backend = played("Hi. ")
    judging = played("yes") if other else None
    result, _ = await start(backend, requirement, validation_backend=judging)
    await result.acomplete()
    assert requirement.record.asked == [(judging or backend, backend.answer_ctx)]


async def test_a_requirement_without_a_function_uses_the_validation_backend(played):
    judging = played("Yes, it does.")
    result = await stream_with_chunking(
        "Tell.", played("Hi."), SimpleContext(), requirements=[Requirement("is short")], validation_backend=judging
    )
    await result.acomplete()
    [verdict] = result.final_validations
    assert verdict.as_bool()
    assert verdict.reason == "Yes, it does."
    assert "is short" in judging.asked[0].action.format_for_llm()


async def test_tool_calls_thinking_and_usage_reach_the_thunk_and_not_the_chunks(start, shape):
    result, _ = await start(
        [
            Delta(thinking="Hm."),
            Delta("Hi. ", tool_calls=(ToolCallDelta(name="look"),)),
            Delta(usage=Usage(3, 4), finish_reason="stop"),
        ],
        chunking=None,
    )
    await result.acomplete()
    assert shape(result.history) == ["chunk 0 Hi. ", "done", "completed True"]
    thunk = result.as_thunk
    assert (thunk.thinking, thunk.tool_calls[0].name) == ("Hm.", "look")
    assert (thunk.generation.usage, thunk.generation.finish_reason) == (Usage(3, 4), "stop")


# Requirements are copied


async def test_requirements_are_copied_before_generation_and_the_originals_are_not_changed(played):
    copied_before_generation = []
    backend = played("One. Two. ")

    class Counting(Requirement):
        def __init__(self):
            super().__init__("counts")
            self.seen = []
            self.last = None

        def __copy__(self):
            copied_before_generation.append(not backend.asked)
            return super().__copy__()

        async def stream_validate(self, chunk, *, backend, ctx):
            self.seen.append(chunk)
            self.last = chunk
            return PartialValidationResult("fail" if len(self.seen) == 2 else "pass")

    original = Counting()
    requirements = [original, original]
    result = await stream_with_chunking("Tell.", backend, SimpleContext(), requirements=requirements)
    await result.acomplete()
    assert copied_before_generation == [True, True]
    assert (original.seen, original.last) == ([], None)
    first, second = (requirement for requirement, _ in result.streaming_failures)
    assert first is not second
    assert first.seen == second.seen == ["One.", "Two."]
    assert requirements == [original, original]


async def test_a_copy_that_raises_starts_nothing(played, left):
    class Uncopyable(Requirement):
        def __copy__(self):
            raise LookupError("not me")

    backend = played("One. ")
    with pytest.raises(LookupError, match="not me"):
        await stream_with_chunking("Tell.", backend, SimpleContext(), requirements=[Requirement(), Uncopyable()])
    assert backend.asked == []
    assert left() == set()


async def test_an_action_that_cannot_be_formatted_starts_nothing(played, left):
    class Wordless:
        def parts(self):
            return ()

        def format_for_llm(self):
            raise LookupError("no words")

        def parse(self, computed):
            return computed

    backend = played("One. ")
    with pytest.raises(LookupError, match="no words"):
        await stream_with_chunking(Wordless(), backend, SimpleContext())
    assert backend.asked == []
    assert left() == set()


# Validators that raise


@pytest.mark.parametrize("slow", [0, 1, 2], ids="after {} turns".format)
@pytest.mark.parametrize("position", [0, 1, 2])
@pytest.mark.parametrize("fail_fast", [False, True])
async def test_a_validator_that_raises_has_its_peers_cancelled_and_awaited(
    start, judge, shape, assert_over, suspending, never, turns, slow, position, fail_fast
):
    cleaned = []

    async def tidy(chunk):
        try:
            await never()
        finally:
            await turns(3)
            cleaned.append(chunk)

    judges = [judge(tidy), judge(tidy)]
    judges.insert(position, judge(suspending(slow, ValueError("broken"))))
    result, backend = await start(["Good. ", never], *judges, fail_fast=fail_fast)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    started = sum(bool(each.record.seen) for each in judges) - 1
    assert cleaned == ["Good."] * started
    assert started == 2 or (slow == 0 and started == position)
    assert shape(result.history) == ["error ValueError", "completed False"]
    assert result.history[0].detail == "broken"
    assert result.full_text == ""
    assert backend.stopped
    assert_over(result, backend, *judges)


@pytest.mark.parametrize("count", [1, 2])
async def test_completed_is_false_before_a_failure_can_be_read(start, judge, count):
    read = []
    cases = [
        judge("fail"),
        judge(ValueError()),
        judge(final=ValueError()),
    ]
    for case in cases:
        result, _ = await start(["One. "], *[case] * count)
        read += [
            result.completed
            async for event in result.events()
            if isinstance(event, ErrorEvent) or (isinstance(event, QuickCheckEvent) and not event.passed)
        ]
        with nullcontext() if case is cases[0] else pytest.raises(ValueError):  # noqa: PT011  # it is the judge's own
            await result.acomplete()
    assert read == [False] * 3


@pytest.mark.parametrize("through", ["acomplete", "astream", "both"])
@pytest.mark.parametrize("when", ["before", "after"])
async def test_an_error_is_raised_once(start, judge, turns, through, when):
    result, _ = await start(["One. ", "Two. "], judge("pass", ValueError("broken")))
    if when == "after":
        await turns(20)
    got = []
    raised = 0
    if through != "acomplete":
        reader = result.astream()
        got.append(await anext(reader))
        with pytest.raises(ValueError, match="broken"):
            await anext(reader)
        raised += 1
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
    if through == "acomplete":
        with pytest.raises(ValueError, match="broken"):
            await result.acomplete()
        raised += 1
        got = [chunk async for chunk in result.astream()]
    await result.acomplete()
    async with result:
        pass
    assert (got, raised) == (["One."], 1)


async def test_an_error_of_the_clean_up_of_a_peer_is_appended_to_the_detail(start, judge, never, assert_over):
    async def untidy(chunk):
        try:
            await never()
        finally:
            raise OSError("and the disk is full")

    judges = [judge(untidy), judge(ValueError("broken"))]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    detail = result.history[-2].detail
    assert detail.startswith("broken")
    assert "and the disk is full" in detail
    assert_over(result, backend, *judges)


async def test_the_errors_of_two_validators_that_raise_at_once_are_both_reported(start, judge, suspending, assert_over):
    judges = [judge(suspending(1, ValueError("broken"))), judge(suspending(1, OSError("too")))]
    result, backend = await start(["One. "], *judges)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert result.history[-2].exception_type == "ValueError"
    assert "too" in result.history[-2].detail
    assert_over(result, backend, *judges)


async def test_an_error_of_the_clean_up_of_the_producer_is_appended_to_the_detail(start, judge, never, assert_over):
    async def untidy():
        raise OSError("connection lost")

    result, backend = await start(["One. ", never], judge(ValueError("broken")), cleanup=untidy)
    with pytest.raises(ValueError, match="broken"):
        await result.acomplete()
    assert result.history[-2].exception_type == "ValueError"
    assert "connection lost" in result.history[-2].detail
    assert_over(result, backend)


async def test_a_clean_up_that_fails_after_an_early_exit_is_an_error_of_its_own(
    start, judge, never, shape, assert_over
):
    async def untidy():
        raise OSError("connection lost")

    result, backend = await start(["One. ", never], judge("fail"), cleanup=untidy)
    with pytest.raises(OSError, match="connection lost"):
        await result.acomplete()
    assert shape(result.history) == ["check 0 failed", "error OSError", "completed False"]
    assert_over(result, backend)


@pytest.mark.streamval_not_cancelled  # it catches cancellations
@pytest.mark.parametrize("peers", [0, 1, 3])
@pytest.mark.parametrize("fail_fast", [False, True])
@pytest.mark.parametrize("slow", [0, 3])
async def test_a_validator_that_raises_a_cancellation_of_its_own_ends_the_run(
    start, judge, never, turns, assert_over, peers, fail_fast, slow, spawn
):
    async def wait_for_cancelled_task(chunk):
        await turns(slow)
        task = spawn(asyncio.sleep(0))
        task.cancel()
        await task

    judges = [judge(wait_for_cancelled_task), *(judge(never) for _ in range(peers))]
    result, backend = await start(["One. ", "Two. "], *judges, fail_fast=fail_fast)
    with pytest.raises(asyncio.CancelledError):
        await result.acomplete()
    assert result.full_text == ""
    assert_over(result, backend, *judges)


# Time limits


@pytest.mark.parametrize("peers", [0, 1, 2])
@pytest.mark.parametrize("fail_fast", [False, True])
@pytest.mark.parametrize("peers_answer", [0, 1], ids=["peers answer at once", "peers suspend"])
async def test_a_late_result_stops_the_run_like_an_error(
    start, judge, shape, assert_over, never, suspending, loop_clock, turns, peers, fail_fast, peers_answer
):
    judges = [judge(never, name="slow"), *(judge(suspending(peers_answer), name="quick") for _ in range(peers))]
    result, backend = await start(["One. ", never], *judges, validator_timeout=5, fail_fast=fail_fast)
    await turns(8)
    loop_clock.advance(4.9)
    await turns(4)
    assert not result.task.done()
    loop_clock.advance(0.2)
    with pytest.raises(ValidatorTimeoutError, match=r"validator_timeout=5 s from: Judge\('slow'\)\."):
        await result.acomplete()
    assert shape(result.history) == ["error ValidatorTimeoutError", "completed False"]
    assert judges[0].record.cancelled == 1
    assert backend.stopped
    assert_over(result, backend, *judges)


async def test_a_time_limit_that_expires_together_with_a_result_is_noticed(
    start, judge, assert_over, never, loop_clock, turns
):
    gate = asyncio.Event()

    async def wait_for_gate(chunk):
        await gate.wait()
        return "pass"

    for fail_fast in (False, True):
        gate.clear()
        judges = [judge(never), judge(wait_for_gate)]
        result, backend = await start(["One. "], *judges, validator_timeout=5, fail_fast=fail_fast)
        await turns(5)
        gate.set()
        loop_clock.advance(6)
        with pytest.raises(ValidatorTimeoutError):
            await result.acomplete()
        assert_over(result, backend, *judges)


async def test_each_round_of_checks_has_the_full_time(start, judge, assert_over, loop_clock, turns):
    async def four_seconds(about):
        loop_clock.advance(4)
        await turns(3)
        return "pass"

    async def four_seconds_more(about):
        await four_seconds(about)
        return True

    judges = [judge(four_seconds, four_seconds, final=four_seconds_more)]
    result, backend = await start(["One. ", "Two. "], *judges, validator_timeout=5)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend, *judges)


async def test_a_late_final_validation_stops_the_run_too(start, judge, shape, never, loop_clock, turns, assert_over):
    judges = [judge(final=never)]
    result, backend = await start(["One. "], *judges, validator_timeout=0.5)
    await turns(8)
    loop_clock.advance(1)
    with pytest.raises(TimeoutError, match=r"validator_timeout=0\.5 s"):
        await result.acomplete()
    assert shape(result.history)[-3:] == ["done", "error ValidatorTimeoutError", "completed False"]
    assert_over(result, backend, *judges)


async def test_the_time_limit_of_validators_does_not_limit_the_producer(start, judge, loop_clock, turns, assert_over):
    result, backend = await start(["One. ", lambda: loop_clock.advance(9), "Two. "], judge(), validator_timeout=1)
    await result.acomplete()
    assert result.completed
    assert_over(result, backend)


# Somebody else's cancellation


async def test_a_generation_that_another_task_cancels_is_an_error(start, never, shape, turns, assert_over):
    result, backend = await start(["One. ", "Tw", never])
    await turns(4)
    await backend.thunk.cancel_generation(OSError("why"))
    with pytest.raises(GenerationCancelledError) as caught:
        await result.acomplete()
    assert str(caught.value.__cause__) == "why"
    assert shape(result.history) == ["chunk 0 One.", "error GenerationCancelledError", "completed False"]
    assert result.full_text == "One."
    assert_over(result, backend)


@pytest.mark.parametrize("requirements", [0, 1, 2])
async def test_cancelling_the_task_is_raised_once_to_the_caller(
    start, judge, never, shape, turns, assert_over, requirements
):
    judges = [judge() for _ in range(requirements)]
    result, backend = await start(["One. ", never], *judges)
    await turns(6)
    result.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await result.acomplete()
    await result.acomplete()
    assert shape(result.history)[-2:] == ["chunk 0 One.", "completed False"]
    assert result.full_text == "One."
    assert backend.stopped
    assert_over(result, backend, *judges)


# How early


@pytest.mark.parametrize("requirements", [1, 4])
@pytest.mark.parametrize("slow", [0, 1, 50])
@pytest.mark.parametrize("chunking", ["word", None])
async def test_a_producer_that_never_pauses_is_at_most_one_buffer_ahead_of_the_stop(
    start, judge, suspending, requirements, slow, chunking, assert_over
):
    steps = [f"{number} " for number in range(500)]
    judges = [judge(*["pass"] * 100, suspending(slow, "fail")) for _ in range(requirements)]
    result, backend = await start(steps, *judges, chunking=chunking)
    await result.acomplete()
    assert result.full_text.split() == [str(number) for number in range(100)]
    assert len(backend.sent) - 101 <= 20
    assert result.deltas_read <= len(backend.sent) <= result.deltas_read + 20
    assert_over(result, backend, *judges)


async def test_many_runs_at_once_do_not_disturb_each_other(start, judge, suspending, left):
    async def one(number):
        steps = [f"{number}-{part}. " for part in range(5)]
        fails = number % 3 == 0
        judges = [judge(suspending(number % 4), "pass", "fail" if fails else "pass"), judge(suspending(number % 2))]
        result, backend = await start(steps, *judges)
        got = [chunk async for chunk in result.astream()]
        assert got == [step.strip() for step in steps[: 2 if fails else 5]]
        assert result.completed is not fails
        assert backend.finished or fails

    await asyncio.gather(*(one(number) for number in range(100)))
    assert left() == set()


# Chunking


@pytest.mark.parametrize(
    ("chunking", "steps", "chunks"),
    [
        ("sentence", ["A. B", ". C"], ["A.", "B.", "C"]),
        ("word", ["A b", "c d"], ["A", "bc", "d"]),
        ("line", ["a\r", "\nb\n", "c"], ["a", "b", "c"]),
        ("paragraph", ["a\nb\r\n\r", "\nc"], ["a\nb", "c"]),
        (None, ["A. ", "", "B"], ["A. ", "B"]),
        (Commas(), ["a,,b", ",c"], ["a", "b"]),
    ],
)
async def test_chunks_have_the_requested_boundaries_and_their_offsets(
    start, judge, assert_over, chunking, steps, chunks
):
    requirement = judge()
    result, backend = await start(steps, requirement, chunking=chunking)
    got = [chunk async for chunk in result.astream()]
    assert got == requirement.record.seen == chunks
    assert result.full_text == "".join(steps)
    assert_over(result, backend, requirement)


@pytest.mark.parametrize("waiting", [False, True], ids=["deltas come together", "deltas come one by one"])
async def test_a_custom_strategy_is_called_after_every_delta(start, turns, waiting):
    asked = []

    class Curious(ChunkingStrategy):
        def split(self, accumulated_text):
            asked.append(accumulated_text)
            return []

    steps = ["a", "b", "c"]
    result, _ = await start(
        [step for delta in steps for step in ([delta, turns] if waiting else [delta])], chunking=Curious()
    )
    await result.acomplete()
    assert asked == ["a", "ab", "abc"]


async def test_validation_results_of_a_subclass_are_verdicts(start, judge):
    class Scored(PartialValidationResult):
        __slots__ = ()

    class Final(ValidationResult):
        __slots__ = ()

    result, _ = await start(["One. "], judge(Scored("pass"), final=Final(True)))
    await result.acomplete()
    assert result.completed


# Anything at any time

ANSWERS = st.sampled_from(["pass", "unknown", "fail", "raise"])
SLOW_ANSWERS = st.lists(st.tuples(st.integers(0, 3), ANSWERS), max_size=4)


@pytest.mark.streamval_not_cancelled  # it catches cancellations
@given(
    steps=st.lists(st.text("ab. !\n\ud83d", max_size=5), max_size=8),
    answers=st.lists(SLOW_ANSWERS, max_size=4),
    finals=st.lists(st.tuples(st.integers(0, 2), st.sampled_from([True, False, "raise"])), min_size=4, max_size=4),
    chunking=st.sampled_from(["sentence", "word", "line", "paragraph", None]),
    fail_fast=st.booleans(),
    pauses=st.lists(st.integers(0, 2), min_size=8, max_size=8),
    cleanup=st.integers(0, 3),
    fault=st.booleans(),
    cancelled_after=st.none() | st.integers(0, 40),
    by_closing=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_a_run_ends_well_whatever_happens(
    start,
    judge,
    suspending,
    turns,
    assert_over,
    shape,
    steps,
    answers,
    finals,
    chunking,
    fail_fast,
    pauses,
    cleanup,
    fault,
    cancelled_after,
    by_closing,
    spawn,
):
    def slow(turns_first, answer):
        return suspending(turns_first, ValueError("broken") if answer == "raise" else answer)

    async def run():
        judges = [
            judge(*(slow(*answer) for answer in given), final=slow(*final))
            for given, final in zip(answers, finals, strict=False)
        ]
        played = [part for step, pause in zip(steps, pauses, strict=False) for part in (step, lambda n=pause: turns(n))]
        played += [OSError("line cut")] * fault
        options = {"chunking": chunking, "fail_fast": fail_fast, "cleanup": lambda: turns(cleanup)}
        result, backend = await start(played, *judges, **options)
        reader = spawn(collect(result.astream(lossless=True)))
        if cancelled_after is not None:
            await turns(cancelled_after)
            result.task.cancel()
            if by_closing:
                await result.aclose()
        pieces = await reader
        with suppress(ValueError, OSError, asyncio.CancelledError):
            await result.acomplete()
        assert "".join(pieces) == result.full_text
        assert_over(result, backend, *judges)
        words = shape(result.history)
        if cancelled_after is None:
            assert result.completed is not ("error" in " ".join(words) or bool(result.streaming_failures))
        assert all(verdict.success == "fail" for _, verdict in result.streaming_failures)
        assert bool(result.streaming_failures) is any(word.endswith("failed") and "check" in word for word in words)

    async def collect(reader):
        pieces = []
        with suppress(ValueError, OSError, asyncio.CancelledError):
            async for piece in reader:
                pieces.append(piece)  # noqa: PERF401  # the pieces before the error count
        return pieces

    asyncio.run(run())
