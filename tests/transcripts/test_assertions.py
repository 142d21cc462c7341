"""The assertions about runs pass for correct runs, and their errors show the fault."""

from __future__ import annotations

import asyncio
import itertools
import traceback
from contextlib import suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    ErrorEvent,
    InvalidArgumentError,
    ModelOutputThunk,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    RetryEvent,
    Script,
    SimpleContext,
    Stall,
    StreamEvent,
    StreamingDoneEvent,
    StreamingMockBackend,
    ThunkClosedError,
    Transcript,
    assert_accepted,
    assert_event_order,
    assert_no_unvalidated_text,
    assert_stopped,
    assert_stopped_within,
    in_any_order,
    stream_with_chunking,
    transcribe,
)
from pytest_streamval.engine.component import as_action
from pytest_streamval.errors import CheckFailedError
from pytest_streamval.scripting.mock import MockCall

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import StreamChunkingResult


class NoBad(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "bad" in chunk else "pass")


async def start(
    script: Script | str, *requirements: Requirement, **options: object
) -> tuple[StreamChunkingResult, StreamingMockBackend]:
    backend = StreamingMockBackend(script, token_size=1)
    result = await stream_with_chunking("go", backend, SimpleContext(), requirements=requirements, **options)
    return result, backend


def check(index: int, passed: bool = True, attempt: int = 1) -> QuickCheckEvent:
    return QuickCheckEvent(index, attempt, passed, (PartialValidationResult("pass" if passed else "fail"),))


def chunk(text: str, index: int = 0, attempt: int = 1) -> ChunkEvent:
    return ChunkEvent(text, index, attempt)


# Received text


@pytest.mark.parametrize(
    "received", ["One.\n\nTwo.", "One.Two.", "One. T", "", "  ", ["One.", "Two."], ["One."], iter(["One."])]
)
async def test_received_text_may_be_the_released_text_or_its_beginning(received: object) -> None:
    result, _ = await start("One.\n\nTwo. A bad one.", NoBad())
    assert_no_unvalidated_text(await transcribe(result), received)
    assert_no_unvalidated_text(result, "One.")
    assert_no_unvalidated_text(result.history, "One.")


@pytest.mark.parametrize("lossless", [False, True])
async def test_the_chunks_of_astream_are_validated_text(lossless: bool) -> None:
    result, _ = await start("One.\n\nTwo. Three. \n", NoBad())
    received = [piece async for piece in result.astream(lossless=lossless)]
    assert_no_unvalidated_text(result, received)


@pytest.mark.parametrize(
    ("received", "message"),
    [
        ("One. A bad", "'A bad' reached the consumer after 'One. ', but it is not the text that was validated"),
        (["A bad one."], "'A bad one.' reached the consumer, but it is not"),
        ("One. One.", "'One.' reached the consumer after 'One. ', but"),
    ],
)
async def test_received_text_after_the_released_text_is_reported(received: object, message: str) -> None:
    result, _ = await start("One. A bad one.", NoBad())
    with pytest.raises(CheckFailedError) as caught:
        assert_no_unvalidated_text(await transcribe(result), received)
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith(
        'The events before:\n  check passed: pass\n  chunk "One."\n  check FAILED: fail\n  completed WITHOUT SUCCESS'
    )


@pytest.mark.parametrize(
    ("events", "message", "last"),
    [
        ([check(0), chunk("Ok."), chunk("Sly.", 1)], "'Sly.' was released before any verdict.", '  chunk "Sly."'),
        (
            [check(0, passed=False), chunk("Bad."), CompletedEvent(True, "Bad.", 1)],
            "'Bad.' was released although it had failed.",
            '  chunk "Bad."',
        ),
        ([chunk("Early."), check(0)], "'Early.' was released before any verdict.", '  chunk "Early."'),
        (
            [check(0), chunk("Ok."), RetryEvent(2, "again"), chunk("Ok.", 0, 2)],
            "'Ok.' was released before any verdict.",
            '  chunk "Ok."',
        ),
    ],
    ids=["no verdict", "failed", "too early", "judged in another attempt"],
)
def test_a_chunk_that_was_released_without_passing_is_reported(
    events: list[StreamEvent], message: str, last: str
) -> None:
    with pytest.raises(CheckFailedError) as caught:
        assert_no_unvalidated_text(events, "")
    assert str(caught.value).startswith(message)
    assert str(caught.value).splitlines()[-1] == last


async def test_a_run_without_requirements_has_unvalidated_text() -> None:
    result, _ = await start("One.")
    with pytest.raises(CheckFailedError, match=r"'One\.' was .*verdict.*Give requirements to the run"):
        assert_no_unvalidated_text(await transcribe(result), "One.")


def test_an_unvalidated_text_error_shows_the_last_lines_of_a_long_run() -> None:
    events = [event for index in range(50) for event in (check(index), chunk(f"{index}.", index))]
    with pytest.raises(CheckFailedError) as caught:
        assert_no_unvalidated_text([*events, chunk("Sly.", 50)], "")
    shown = str(caught.value).splitlines()[1:]
    assert (len(shown), shown[0], shown[-1]) == (16, "  ... 86 more before", '  chunk "Sly."')


@pytest.mark.parametrize(
    "received", [None, 7, [chunk("One.")], [b"One."]], ids=["nothing", "a number", "events", "bytes"]
)
def test_received_values_other_than_text_are_rejected(received: object) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid received: .*: .*\[chunk async for chunk in"):
        assert_no_unvalidated_text([], received)


# The end of the producer


async def stopped_early(sent_more: int) -> tuple[StreamChunkingResult, StreamingMockBackend]:
    """Return a run that was stopped when its producer was a number of deltas ahead."""
    result, backend = await start("A bad one. " + "x" * 100, NoBad())
    await result.acomplete()
    assert not result.completed
    backend.calls[0].deltas_sent = result.deltas_read + sent_more
    return result, backend


@pytest.mark.parametrize(("sent_more", "limit"), [(20, {}), (0, {"deltas": 0}), (7, {"deltas": 7})])
async def test_assert_stopped_within_passes_for_a_producer_that_stopped_in_time(
    sent_more: int, limit: dict[str, int]
) -> None:
    result, backend = await stopped_early(sent_more)
    assert_stopped_within(result, backend.calls[0], **limit)


async def test_assert_stopped_within_passes_for_a_real_producer_and_its_buffer() -> None:
    result, backend = await start("A bad one. " + "x" * 100, NoBad())
    await result.acomplete()
    assert_stopped_within(result, backend.calls[0])
    assert backend.calls[0].cancelled


async def test_assert_stopped_within_reports_the_deltas_of_a_producer_that_continued() -> None:
    result, backend = await stopped_early(21)
    with pytest.raises(CheckFailedError, match=r"sent 21 deltas more .* at most 20 were allowed.*put\(delta\)"):
        assert_stopped_within(result, backend.calls[0])


async def test_assert_stopped_within_fails_for_a_run_in_progress() -> None:
    result, backend = await start(Script.of("One. ", Stall()))
    with pytest.raises(CheckFailedError, match=r"the run is still going: await result.acomplete\(\) first"):
        assert_stopped_within(result, backend.calls[0])
    await result.aclose()
    assert_stopped_within(result, backend.calls[0])


async def test_assert_stopped_within_fails_for_a_run_that_reached_its_end() -> None:
    result, backend = await start("One.")
    await result.acomplete()
    with pytest.raises(CheckFailedError, match="came to its natural end: let a requirement fail, or leave it early"):
        assert_stopped_within(result, backend.calls[0])


async def test_assert_stopped_within_rejects_the_call_of_another_run() -> None:
    backend = StreamingMockBackend("A bad one.", "Another bad one.")
    results = [await stream_with_chunking("go", backend, SimpleContext(), requirements=[NoBad()]) for _ in range(2)]
    await asyncio.gather(*(result.acomplete() for result in results))
    for result, call in zip(results, backend.calls, strict=True):
        assert_stopped_within(result, call)
    with pytest.raises(InvalidArgumentError, match=r"belongs to another run\. Pass the call that fed this one"):
        assert_stopped_within(results[0], backend.calls[1])


async def test_assert_stopped_within_rejects_other_values_than_calls() -> None:
    result, backend = await stopped_early(0)
    for call in (backend, backend.calls):
        with pytest.raises(InvalidArgumentError, match=r"one call, backend\.calls\[i\]"):
            assert_stopped_within(result, call)


async def test_assert_stopped_within_accepts_any_object_that_counts_its_deltas() -> None:
    result, _ = await stopped_early(0)
    assert_stopped_within(result, SimpleNamespace(deltas_sent=result.deltas_read + 3), deltas=3)
    with pytest.raises(CheckFailedError, match="sent 4 deltas more"):
        assert_stopped_within(result, SimpleNamespace(deltas_sent=result.deltas_read + 4), deltas=3)


@pytest.mark.parametrize("token_size", [1, 200])
async def test_assert_stopped_does_not_depend_on_the_cut(token_size: int) -> None:
    backend = StreamingMockBackend("A bad one. " + "x" * 100, token_size=token_size)
    async with stream_with_chunking("go", backend, SimpleContext(), requirements=[NoBad()]) as run:
        await run.acomplete()
    assert backend.calls[0].cancelled == (token_size == 1)
    assert_stopped(backend)


async def test_assert_stopped_names_the_call_that_still_runs() -> None:
    backend = StreamingMockBackend("One.", Script.of("Two. ", Stall()))
    await (await stream_with_chunking("first", backend, SimpleContext())).acomplete()
    async with stream_with_chunking("second", backend, SimpleContext()) as run:
        assert await anext(run.astream()) == "Two."
        with pytest.raises(
            CheckFailedError, match=r"1 of 2 continued.*\n.*second.*still runs: <MockCall playing, 1 of 1"
        ):
            assert_stopped(backend)
    assert_stopped(backend)


async def test_assert_stopped_reports_a_producer_in_its_clean_up() -> None:
    backend = StreamingMockBackend(Script.of("One. ", Stall()))
    run = await stream_with_chunking("go", backend, SimpleContext())
    assert await anext(run.astream()) == "One."
    backend.calls[0].thunk.abandon()
    with pytest.raises(CheckFailedError, match="is being stopped, but has not ended"):
        assert_stopped(backend)
    await run.aclose()
    assert_stopped(backend)


class Stubborn(StreamingMockBackend):
    """A backend that sends a delta after it is stopped."""

    async def generate_from_context(self, action, ctx, **options):
        self.calls.append(call := MockCall(self.scripts[0], as_action(action), ctx, None, {}))

        async def produce(thunk: ModelOutputThunk) -> None:
            try:
                await call.play(thunk)
            finally:
                with suppress(ThunkClosedError):
                    thunk.try_put("more")

        call.thunk.start(produce)
        return call.thunk, ctx


async def test_assert_stopped_reports_a_producer_that_still_sends() -> None:
    backend = Stubborn(Script.of("A bad one. ", Stall()))
    async with stream_with_chunking("go", backend, SimpleContext(), requirements=[NoBad()]) as run:
        await run.acomplete()
    with pytest.raises(CheckFailedError, match="tried to send 1 more after the end of its output"):
        assert_stopped(backend)


def test_assert_stopped_fails_without_calls() -> None:
    with pytest.raises(CheckFailedError, match="it received no call"):
        assert_stopped(StreamingMockBackend("One."))
    with pytest.raises(InvalidArgumentError, match="must be a StreamingMockBackend or a ProviderServer"):
        assert_stopped("backend")


# The order of events

STOPPED = Transcript(
    [check(0), chunk("One."), check(1), chunk("Two.", 1), check(2, passed=False), CompletedEvent(False, "One. Two.", 1)]
)


def is_second(event: StreamEvent) -> bool:
    return getattr(event, "chunk_index", None) == 1


@pytest.mark.parametrize(
    "expected",
    [
        [ChunkEvent],
        [StreamEvent] * 6,
        [QuickCheckEvent, ChunkEvent, ChunkEvent, CompletedEvent],
        [chunk("One."), chunk("Two.", 1)],
        ["check passed", 'chunk "Two', "check FAILED", "completed WITHOUT"],
        [is_second, is_second],
        [lambda event: isinstance(event, ChunkEvent), "completed"],
        [in_any_order("check FAILED", ChunkEvent, ChunkEvent), CompletedEvent],
        [in_any_order(StreamEvent, 'chunk "One."'), in_any_order(CompletedEvent, 'chunk "Two."', QuickCheckEvent)],
        [in_any_order(is_second, is_second)],
    ],
)
def test_assert_event_order_accepts_expected_events_in_many_forms(expected: list[object]) -> None:
    assert_event_order(STOPPED, *expected)
    assert_event_order(list(STOPPED), *expected)


async def test_assert_event_order_accepts_a_result() -> None:
    result, _ = await start("One. A bad two.", NoBad())
    await result.acomplete()
    assert_event_order(result, QuickCheckEvent, ChunkEvent, "check FAILED", CompletedEvent)


@pytest.mark.parametrize(
    ("expected", "message", "marked"),
    [
        ([ErrorEvent], "ErrorEvent did not happen. Each", "      "),
        ([ChunkEvent, "validation"], "'validation' did not happen after ChunkEvent. Each", " >    "),
        (
            [ChunkEvent, "check FAILED", ChunkEvent],
            "ChunkEvent did not happen after ChunkEvent, 'check FAILED', only before (see the lines marked <). Each",
            " > <> ",
        ),
        ([CompletedEvent, 'chunk "One."'], "'chunk \"One.\"' did not happen after CompletedEvent, only", " <   >"),
        ([is_second, is_second, is_second], "is_second did not happen after is_second, is_second. Each", "  >>  "),
        ([chunk("Three.")], "ChunkEvent(timestamp=", "      "),
        ([lambda event: False], "<lambda> did not happen", "      "),
        (
            [QuickCheckEvent, in_any_order(CompletedEvent, ErrorEvent, ChunkEvent)],
            "ErrorEvent of in_any_order(CompletedEvent, ErrorEvent, ChunkEvent) did not happen after QuickCheckEvent.",
            ">>   >",
        ),
        (
            [in_any_order("check FAILED", ChunkEvent), in_any_order(ChunkEvent, ChunkEvent)],
            "ChunkEvent of in_any_order(ChunkEvent, ChunkEvent) did not happen after in_any_order('check FAILED'",
            " > <> ",
        ),
        (
            ["check"] * 3 + ["chunk"],
            "'chunk' did not happen after 'check', 'check', 'check', only before (see the lines marked <)",
            "><><> ",
        ),
        (
            ["check", "chunk", "check", "chunk", "chunk"],
            "'chunk' did not happen after ..., 'chunk', 'check', 'chunk'. Each",
            ">>>>  ",
        ),
    ],
)
def test_an_event_order_error_shows_the_missing_event_in_the_transcript(
    expected: list[object], message: str, marked: str
) -> None:
    with pytest.raises(CheckFailedError) as caught:
        assert_event_order(STOPPED, *expected)
    first, *rows = str(caught.value).splitlines()
    assert first.startswith(message)
    assert first.endswith("The events that happened, the expected ones marked >:")
    assert rows == [f"{mark} {line}" for mark, line in zip(marked, STOPPED.lines, strict=True)]


def test_an_event_order_error_of_an_empty_transcript_says_so() -> None:
    with pytest.raises(CheckFailedError, match=r"ChunkEvent did not happen\. .*\n  no events$"):
        assert_event_order([], ChunkEvent)


def test_an_event_order_error_shows_the_lines_around_the_last_event_found() -> None:
    events = [chunk(f"{index}.", index) for index in range(100)]
    with pytest.raises(CheckFailedError) as caught:
        assert_event_order(events, 'chunk "40."', ErrorEvent)
    rows = str(caught.value).splitlines()[1:]
    assert rows[0] == "  ... 26 more before"
    assert rows[15] == '> chunk "40."'
    assert rows[-1] == "  ... 44 more after"
    assert len(rows) == 32


@pytest.mark.parametrize(
    ("names", "rows"),
    [
        (["a", "ab"], ["ab", "a"]),
        (["a", "ab", "abc"], ["abc", "ab", "a"]),
        (["a", "a", "b"], ["b", "x", "a", "a"]),
        (["a", "ab"], ["a", "x", "ab"]),
    ],
)
def test_in_any_order_finds_an_assignment_if_there_is_one(names: list[str], rows: list[str]) -> None:
    expected = in_any_order(*(f'chunk "{name}' for name in names))
    for order in itertools.permutations(rows):
        assert_event_order([chunk(name) for name in order], expected)


LETTERS = st.lists(st.sampled_from("ab"), max_size=5)


@given(LETTERS, st.lists(st.sets(st.sampled_from("ab"), min_size=1), min_size=1, max_size=4))
def test_in_any_order_agrees_with_a_search_of_all_orders(rows: list[str], wanted: list[set[str]]) -> None:
    def one_of(letters: set[str]) -> Callable[[StreamEvent], bool]:
        return lambda event: isinstance(event, ChunkEvent) and event.text in letters

    possible = any(
        all(row in letters for row, letters in zip(chosen, order, strict=True))
        for chosen in itertools.combinations(rows, len(wanted))
        for order in itertools.permutations(wanted)
    )
    try:
        assert_event_order([chunk(row) for row in rows], in_any_order(*map(one_of, wanted)))
    except CheckFailedError:
        assert not possible
    else:
        assert possible


@given(st.lists(st.sampled_from("abc"), max_size=8), st.lists(st.sampled_from("abc"), min_size=1, max_size=4))
def test_assert_event_order_passes_for_every_subsequence(rows: list[str], wanted: list[str]) -> None:
    remaining = iter(rows)
    possible = all(letter in remaining for letter in wanted)
    try:
        assert_event_order([chunk(row) for row in rows], *(f'chunk "{letter}' for letter in wanted))
    except CheckFailedError:
        assert not possible
    else:
        assert possible


@pytest.mark.parametrize(
    "expected",
    [(), ("",), (int,), (42,), (None,), (in_any_order,), (ChunkEvent, ["check"])],
    ids=repr,
)
def test_assert_event_order_rejects_invalid_expectations(expected: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid expected: .*. It must have at least one event"):
        assert_event_order(STOPPED, *expected)


@pytest.mark.parametrize("expected", [(), ("",), (int,), (in_any_order(ChunkEvent),)], ids=repr)
def test_in_any_order_rejects_invalid_expectations(expected: tuple[object, ...]) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid in_any_order: .*. It must have at least one event"):
        in_any_order(*expected)


def test_in_any_order_has_a_repr_with_its_events() -> None:
    assert (
        repr(in_any_order(StreamingDoneEvent, "check", is_second))
        == "in_any_order(StreamingDoneEvent, 'check', is_second)"
    )


@pytest.mark.parametrize(
    "assertion",
    [
        lambda: assert_event_order([], ChunkEvent),
        lambda: assert_no_unvalidated_text([], "x"),
        lambda: assert_stopped(None),
        lambda: assert_stopped_within(None, None),
    ],
    ids=["assert_event_order", "assert_no_unvalidated_text", "assert_stopped", "assert_stopped_within"],
)
def test_the_traceback_of_an_assertion_ends_in_the_test(assertion: Callable[[], None]) -> None:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # three classes
        assertion()
    assert caught.traceback.filter(caught)[-1].path.name == "test_assertions.py"
    assert traceback.extract_tb(caught.tb)[-1].filename.endswith("assertions.py")


@pytest.mark.parametrize("given", ["x", None, [1], 3])
def test_assert_accepted_takes_only_a_run(given) -> None:
    with pytest.raises(InvalidArgumentError, match=r"Invalid run: .* It must be a run"):
        assert_accepted(given)
