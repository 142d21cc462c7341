"""Further attempts after a failed check: their order, the text that stands, and the request for the next one."""

import asyncio
import copy
import pickle

import pytest

from pytest_streamval import (
    ChunkEvent,
    CompletedEvent,
    Delay,
    Delta,
    InvalidArgumentError,
    Message,
    PartialValidationResult,
    Raise,
    Requirement,
    Restart,
    RetryEvent,
    Script,
    ScriptExhaustedError,
    SimpleContext,
    StreamingMockBackend,
    Usage,
    ValidationResult,
    assert_accepted,
    assert_stopped,
    stream_with_chunking,
)
from tests.engine.release_model import CHUNKINGS, Plan, chunks_of, expected, play, random_text, rng_of


class No(Requirement):
    """Fails a chunk that contains a word, and a complete output without another."""

    def __init__(self, word, *, wants="", **facts):
        super().__init__(**{"name": f"no {word}", **facts})
        self.word = word
        self.wants = wants
        self.seen = []

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen.append(chunk)
        if self.word in chunk:
            return PartialValidationResult("fail", reason=f"said {chunk}")
        return PartialValidationResult("pass")

    async def validate(self, backend, ctx, **options):
        return ValidationResult(self.wants in str(ctx.last_output()), reason=f"wants {self.wants}")


def start(*scripts, requirements=None, **options):
    backend = StreamingMockBackend(*scripts)
    requirements = [No("bad")] if requirements is None else requirements
    options = {"max_attempts": 3, **options}
    return backend, stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements, **options)


async def read(run, **options):
    return [piece async for piece in run.astream(**options)]


@pytest.mark.parametrize("on_retry", ["restart", "hold"])
@pytest.mark.parametrize("chunking", CHUNKINGS)
async def test_attempts_release_what_the_model_of_their_guards_allows(chunking, on_retry):
    for seed in range(50):
        rng = rng_of(seed)
        texts, holdback = [random_text(rng) for _ in range(3)], rng.randrange(3)
        plans = [Plan.drawn(rng, len(chunks_of(chunking, text)), failing=0.2, rejecting=0.5) for text in texts]
        model = expected(texts, plans, chunking, holdback=holdback, on_retry=on_retry)
        facts = {"holdback": holdback, "on_retry": on_retry, "max_attempts": 3}
        run, received, seen, backend = await play(rng, texts, plans, chunking, **facts)
        assert received == model.received, seed
        assert (run.full_text, run.accepted) == (model.lossless, model.accepted), seed
        assert seen["texts"] == model.texts, seed
        assert (len(run.attempts), run.history[-1].attempts_used) == (model.attempts, model.attempts)
        assert run.completed == model.accepted
        assert len(backend.calls) == seen["attempts"] == model.attempts
        assert_stopped(backend)
        run, pieces, _, _ = await play(rng, texts, plans, chunking, lossless=True, **facts)
        last = max((index + 1 for index, piece in enumerate(pieces) if piece is None), default=0)
        assert "".join(pieces[last:]) == run.full_text, seed


@pytest.mark.parametrize("chunking", [*CHUNKINGS, None])
async def test_attempts_that_continue_join_without_a_seam(chunking):
    for seed in range(50):
        rng = rng_of(seed)
        texts = [random_text(rng) for _ in range(3)]
        plans = [Plan.drawn(rng, 8, failing=0.2, rejecting=0.5) for _ in texts]
        facts = {"holdback": rng.randrange(3), "on_retry": "continue", "max_attempts": 3}
        run, pieces, seen, _ = await play(rng, texts, plans, chunking, lossless=True, **facts)
        assert "".join(pieces) == run.full_text, seed
        assert None not in pieces
        events = [event for event in run.history if isinstance(event, ChunkEvent)]
        assert all(run.full_text[event.start : event.end] == event.text for event in events), seed
        if run.accepted:
            assert seen["final"][-1] == run.full_text == str(run.as_thunk)


async def test_a_failed_chunk_begins_another_attempt():
    backend, starting = start("One. bad. Three.", "Uno. Dos.")
    async with starting as run:
        received = await read(run)
    assert received == ["One.", "", "Uno.", "Dos."]
    restart = received[1]
    assert isinstance(restart, Restart)
    assert (restart.attempt, restart.reason) == (2, "no bad: said bad.")
    assert (run.full_text, run.outcome, run.completed, run.streaming_failures) == ("Uno. Dos.", "done", True, [])
    assert_accepted(run)
    [retry] = [event for event in run.history if isinstance(event, RetryEvent)]
    assert (retry.attempt, retry.reason) == (2, restart.reason)
    after = run.history[run.history.index(retry) + 1 :]
    assert {getattr(event, "attempt", 2) for event in after} == {2}
    assert [event.chunk_index for event in after if isinstance(event, ChunkEvent)] == [0, 1]
    assert run.history[-1] == CompletedEvent(success=True, full_text="Uno. Dos.", attempts_used=2)
    first, second = run.attempts
    assert (first.number, first.released_text, second.released_text, second.failures) == (1, "One.", "Uno. Dos.", ())
    assert [(each.seen, result.reason) for each, result in first.failures] == [(["One.", "bad."], "said bad.")]
    assert run.requirements[0].seen == ["Uno.", "Dos."]
    assert_stopped(backend)


async def test_a_failed_final_validation_begins_another_attempt():
    _, starting = start("One.", "Two.", requirements=[No("bad", wants="Two")])
    async with starting as run:
        assert await read(run) == ["One.", "", "Two."]
    assert_accepted(run)
    [(requirement, result)] = run.attempts[0].failures
    assert (requirement.name, result) == ("no bad", PartialValidationResult("fail", reason="wants Two"))


@pytest.mark.parametrize(("on_retry", "text"), [("restart", "Two."), ("hold", ""), ("continue", "One. Two.")])
async def test_a_run_whose_attempts_are_exhausted_has_stopped(on_retry, text):
    _, starting = start("One. bad.", "Two. bad.", max_attempts=2, on_retry=on_retry)
    async with starting as run:
        await run.acomplete()
    assert (run.outcome, run.completed, run.accepted) == ("stopped", False, False)
    assert [result.reason for _, result in run.streaming_failures] == ["said bad.", "said bad."]
    assert run.full_text == run.as_thunk.value == text
    assert [attempt.released_text for attempt in run.attempts] == (["", ""] if on_retry == "hold" else ["One.", "Two."])
    assert run.history[-1].attempts_used == 2


@pytest.mark.parametrize("on_retry", ["restart", "hold"])
async def test_an_exhausted_run_is_not_completed_if_only_the_final_validation_failed(on_retry):
    _, starting = start("One.", "Two.", requirements=[No("bad", wants="x")], max_attempts=2, on_retry=on_retry)
    async with starting as run:
        await run.acomplete()
    assert (run.outcome, run.completed, len(run.streaming_failures)) == ("stopped", False, 2)
    assert run.full_text == ("" if on_retry == "hold" else "Two.")
    assert [bool(result) for result in run.final_validations] == [False]


async def test_only_an_accepted_attempt_is_released_if_it_is_held():
    _, starting = start("One. bad.", "Uno. Dos.", on_retry="hold")
    async with starting as run:
        assert await read(run) == ["Uno.", "Dos."]
    kinds = [type(event).__name__ for event in run.history]
    assert kinds[-4:] == ["FullValidationEvent", "ChunkEvent", "ChunkEvent", "CompletedEvent"]
    assert_accepted(run)


@pytest.mark.parametrize("wants", ["x", ""])
async def test_a_held_text_without_chunks_is_released_only_if_it_is_accepted(wants):
    _, starting = start(" \n ", requirements=[No("bad", wants=wants)], on_retry="hold", max_attempts=1)
    async with starting as run:
        assert await read(run, lossless=True) == ([] if wants else [" \n "])
    assert (run.full_text, run.accepted) == (("", False) if wants else (" \n ", True))


async def test_a_single_attempt_can_be_held_too():
    _, starting = start("One. Two.", requirements=[No("bad", wants="x")], on_retry="hold", max_attempts=1)
    async with starting as run:
        assert await read(run) == []
    assert (run.outcome, run.full_text) == ("stopped", "")


@pytest.mark.parametrize("second", ["Two. Three.", " Two. Three."])
async def test_an_attempt_continues_the_released_text(second):
    backend, starting = start("One.\n\nbad.", second, on_retry="continue")
    async with starting as run:
        assert await read(run) == ["One.", "Two.", "Three."]
    assert run.full_text == "One.\n\nTwo. Three."
    assert [attempt.released_text for attempt in run.attempts] == ["One.", "Two. Three."]
    request = backend.calls[1].action.format_for_llm()
    assert "Its beginning was right:\nOne.\n\nContinue that beginning from its last character" in request


@pytest.mark.parametrize("second", ["Two.", " Two."])
async def test_an_attempt_continues_a_complete_text_that_was_not_accepted(second):
    _, starting = start("One.", second, requirements=[No("bad", wants="Two")], on_retry="continue")
    async with starting as run:
        assert await read(run) == ["One.", "Two."]
    assert run.full_text == "One. Two."
    assert_accepted(run)


async def test_the_released_white_space_stands_if_an_attempt_between_fails_at_once():
    _, starting = start(
        "One. ", "  bad.", "\n Two.", requirements=[No("bad", wants="Two")], on_retry="continue", chunking="line"
    )
    async with starting as run:
        pieces = await read(run, lossless=True)
    assert "".join(pieces) == run.full_text == "One. Two."
    assert_accepted(run)


async def test_a_continued_text_starts_anew_if_nothing_was_released():
    backend, starting = start("bad.", "One.", on_retry="continue")
    async with starting as run:
        assert await read(run) == ["One."]
    assert backend.calls[1].action.format_for_llm().endswith("Answer again, and put that right.")


async def test_no_producer_is_alive_when_the_next_attempt_begins():
    class Recording(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            alive.extend(call for call in self.calls if not call.thunk.producer.done())
            return await super().generate_from_context(action, ctx, **options)

    alive = []
    endless = Script.of("One. bad. ", *["more. "] * 500)
    backend = Recording(endless, endless, "Fine.")
    options = {"requirements": [No("bad")], "max_attempts": 3}
    async with stream_with_chunking("Go", backend, SimpleContext(), **options) as run:
        await run.acomplete()
    assert (alive, run.accepted, len(run.attempts)) == ([], True, 3)
    assert_stopped(backend)


async def test_the_outputs_of_all_attempts_can_be_read_after_the_run():
    backend, starting = start("One. bad. ", "Uno.")
    async with starting as run:
        await run.acomplete()
    assert [await call.thunk.avalue() for call in backend.calls] == ["One. bad. ", "Uno."]
    assert [str(call.thunk) for call in backend.calls] == ["One. bad. ", "Uno."]


# The request of the next attempt


async def test_the_next_attempt_is_asked_with_the_reasons_and_the_accepted_text():
    backend, starting = start("One. bad. Two.", "Two.", requirements=[No("bad", description="Be nice.", wants="Two")])
    async with starting as run:
        await run.acomplete()
    assert backend.calls[1].action.format_for_llm() == (
        "Go\n\nAn answer was not accepted.\n\nWhat is wrong with it:\n- Be nice.: said bad.\n\n"
        "Its beginning was right:\nOne.\n\nAnswer again, and put that right."
    )
    assert backend.calls[1].ctx is backend.calls[0].ctx
    assert backend.calls[1].action.parts() == (backend.calls[0].action,)
    assert run.as_thunk.parsed_repr == "Two."


async def test_the_next_attempt_is_shown_a_complete_answer_that_was_not_accepted():
    backend, starting = start("One.", "Two.", requirements=[No("bad", wants="Two")], on_retry="hold")
    async with starting as run:
        await run.acomplete()
    assert "This answer was not accepted:\nOne.\n\nWhat is wrong with it:\n- no bad: wants Two\n\nAnswer" in (
        backend.calls[1].action.format_for_llm()
    )
    assert_accepted(run)


async def test_a_held_attempt_passes_on_the_chunks_that_were_right():
    backend, starting = start("One. Two. bad.", "Fine.", on_retry="hold")
    async with starting as run:
        await run.acomplete()
    assert "Its beginning was right:\nOne. Two.\n" in backend.calls[1].action.format_for_llm()


@pytest.mark.parametrize("is_async", [False, True])
async def test_a_function_can_make_the_next_request(is_async):
    def repair(action, failures, released_text):
        seen.append((str(action), [(each.name, result.reason) for each, result in failures], released_text))
        return Message("user", "Again")

    async def repair_later(*facts):
        await asyncio.sleep(0)
        return repair(*facts)

    seen = []
    backend, starting = start("One. bad.", "Two.", repair=repair_later if is_async else repair)
    async with starting as run:
        await run.acomplete()
    assert seen == [("Go", [("no bad", "said bad.")], "One.")]
    assert backend.calls[1].action == Message("user", "Again")
    assert_accepted(run)


@pytest.mark.parametrize("returned", [None, 5])
async def test_a_repair_without_a_request_is_an_error_after_which_the_attempts_are_readable(returned):
    _, starting = start("One. bad.", "Two.", repair=lambda *_: returned)
    async with starting as run:
        error = await run.aexception()
    assert isinstance(error, InvalidArgumentError)
    assert str(error) == (
        f"Invalid repair(): {returned}. It must return the request of the next attempt: a str, a CBlock or a Component."
    )
    assert (run.outcome, run.full_text, len(run.attempts)) == ("failed", "One.", 1)
    assert run.attempts[0].failures[0][1].reason == "said bad."


async def test_an_error_of_repair_ends_the_run():
    def repair(*_):
        raise LookupError("no idea")

    _, starting = start("One. bad.", "Two.", repair=repair)
    with pytest.raises(LookupError, match="no idea"):
        async with starting as run:
            await run.acomplete()
    assert (run.outcome, run.attempts[0].released_text) == ("failed", "One.")


async def test_a_backend_without_a_script_for_the_next_attempt_ends_the_run():
    _, starting = start("One. bad.")
    async with starting as run:
        assert isinstance(await run.aexception(), ScriptExhaustedError)
    assert "a call of" not in run.history[-2].detail
    assert (run.outcome, run.full_text, len(run.attempts)) == ("failed", "One.", 1)
    assert await read(run) == ["One."]


@pytest.mark.parametrize("value", [0, -1, True, 1.5, None, "2"])
async def test_an_invalid_number_of_attempts_raises(value):
    with pytest.raises(InvalidArgumentError, match=r"Invalid max_attempts: .* an int of at least 1"):
        await start("One.", max_attempts=value)[1]


@pytest.mark.parametrize("value", ["again", None, 5, []])
async def test_an_invalid_way_to_retry_raises(value):
    with pytest.raises(InvalidArgumentError, match=r'Invalid on_retry: .* "restart", "hold" or "continue"'):
        await start("One.", on_retry=value)[1]


async def test_an_invalid_repair_raises():
    with pytest.raises(InvalidArgumentError, match=r"Invalid repair: 'again'. It must be a function"):
        await start("One.", repair="again")[1]


# Errors, cancellations and clean-ups


async def test_an_error_is_never_retried():
    backend, starting = start(Script.of("One. ", Raise(ConnectionError("reset"))), "Two.")
    with pytest.raises(ConnectionError):
        async with starting as run:
            await run.acomplete()
    assert (run.outcome, len(backend.calls), run.full_text) == ("failed", 1, "One.")


async def test_a_second_attempt_that_breaks_off_keeps_its_own_text():
    _, starting = start("One. bad.", Script.of("Uno. ", Raise(ConnectionError("reset"))), "Two.")
    async with starting as run:
        assert isinstance(await run.aexception(), ConnectionError)
    assert (run.outcome, run.full_text, run.streaming_failures) == ("failed", "Uno.", [])
    assert [attempt.released_text for attempt in run.attempts] == ["One.", "Uno."]


async def test_a_cancelled_run_does_not_retry(virtual_clock):
    backend, starting = start(Script.of("One. bad."), Script.of("Two. ", Delay(100)), "Three.")
    run = await starting
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await run.acomplete()
    assert (run.outcome, run.full_text, len(backend.calls)) == ("left", "Two.", 2)
    assert run.history[-1].attempts_used == 2
    assert_stopped(backend)


async def test_an_error_of_a_clean_up_is_not_retried(start_of):
    run, backend = await start_of(["One. bad. ", "more. "], No("bad"), max_attempts=2)
    with pytest.raises(OSError, match="clean-up"):
        await run.acomplete()
    assert (len(backend.asked), len(run.attempts)) == (1, 1)


@pytest.fixture
def start_of(start):
    async def cleanup():
        raise OSError("clean-up")

    async def begin(steps, *requirements, **options):
        return await start([*steps, asyncio.Event().wait], *requirements, cleanup=cleanup, **options)

    return begin


async def test_the_usage_of_each_attempt_is_kept():
    usage = Usage(input_tokens=3, output_tokens=2)
    first = Script.of("One.", Delta(usage=usage))
    _, starting = start(first, "bad.", requirements=[No("bad", wants="x")], max_attempts=2)
    async with starting as run:
        await run.acomplete()
    assert [attempt.usage for attempt in run.attempts] == [usage, None]


async def test_a_replaced_and_continued_output_is_what_is_validated():
    class Redacts(No):
        async def stream_validate(self, chunk, *, backend, ctx):
            if "123" in chunk:
                return PartialValidationResult("fail", replacement="***.")
            return await super().stream_validate(chunk, backend=backend, ctx=ctx)

    requirements = [Redacts("bad", wants="One. ***. Two.")]
    _, starting = start("One. 123. bad.", "Two.", requirements=requirements, on_retry="continue")
    async with starting as run:
        assert await read(run, lossless=True) == ["One.", " ***.", " Two."]
    assert_accepted(run)


# The marker


def test_a_restart_is_an_empty_text_with_its_facts():
    marker = Restart(2, "no bad: said bad.")
    assert (marker, f"a{marker}b", not marker) == ("", "ab", True)
    assert repr(marker) == "Restart(attempt=2, reason='no bad: said bad.')"
    for twin in (copy.copy(marker), copy.deepcopy(marker), pickle.loads(pickle.dumps(marker))):  # noqa: S301
        assert isinstance(twin, Restart)
        assert (twin.attempt, twin.reason) == (2, "no bad: said bad.")
