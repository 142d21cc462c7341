"""The release of chunks: the text so far, replacements and holding back, under random texts, cuts and verdicts."""

import asyncio
import copy
import pickle

import pytest

from pytest_streamval import (
    ChunkEvent,
    Delay,
    InvalidArgumentError,
    PartialValidationResult,
    QuickCheckEvent,
    Requirement,
    Script,
    SimpleContext,
    StreamingMockBackend,
    assert_accepted,
    stream_with_chunking,
)
from tests.engine.release_model import CHUNKINGS, Plan, chunks_of, expected, play, random_text, rng_of

SEEDS = range(60)


async def released(text, *requirements, token_size=1, **options):
    """Return the result of a run, and the chunks that its consumer received."""
    backend = StreamingMockBackend(text, token_size=token_size)
    async with stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements, **options) as run:
        return run, [chunk async for chunk in run.astream()]


@pytest.mark.parametrize("chunking", CHUNKINGS)
async def test_a_run_releases_what_the_model_of_its_guards_allows(chunking):
    for seed in SEEDS:
        rng = rng_of(seed)
        text, holdback = random_text(rng), rng.randrange(4)
        plan = Plan.drawn(rng, len(chunks_of(chunking, text)))
        model = expected([text], [plan], chunking, holdback=holdback)
        run, received, seen, _ = await play(rng, [text], [plan], chunking, holdback=holdback)
        assert received == model.received, seed
        assert run.full_text == model.lossless, seed
        assert seen["texts"] == model.texts, seed
        assert run.accepted == model.accepted, seed
        if run.completed:
            assert seen["final"] == [run.full_text] == [str(run.as_thunk)]
        for event in run.history:
            if isinstance(event, ChunkEvent):
                assert model.lossless[event.start : event.end] == event.text


@pytest.mark.parametrize("chunking", CHUNKINGS)
async def test_the_lossless_text_of_a_run_is_its_full_text(chunking):
    for seed in SEEDS:
        rng = rng_of(seed)
        text, holdback = random_text(rng), rng.randrange(4)
        plan = Plan.drawn(rng, len(chunks_of(chunking, text)), failing=0.05, replacing=0.3)
        run, received, _, _ = await play(rng, [text], [plan], chunking, holdback=holdback, lossless=True)
        assert "".join(received) == run.full_text, seed


# The text so far


class Phrase(Requirement):
    """Fails the chunk that completes a phrase."""

    def __init__(self, phrase, **options):
        super().__init__(name="phrase", **options)
        self.phrase = phrase

    async def stream_validate(self, chunk, *, backend, ctx):
        text = str(ctx.last_output())
        return PartialValidationResult("fail" if self.phrase in text else "unknown")


@pytest.mark.parametrize("token_size", range(1, 30))
async def test_a_phrase_over_several_chunks_is_found_in_the_text_so_far(token_size):
    run, chunks = await released("Never say very top secret. Ok.", Phrase("top secret"), token_size=token_size)
    assert (run.outcome, chunks) == ("stopped", [])
    run, chunks = await released("a top secret b", Phrase("top secret"), token_size=token_size, chunking="word")
    assert (run.full_text, chunks) == ("a top", ["a", "top"])


async def test_the_text_so_far_can_be_read_in_another_thread_and_by_several_requirements():
    class InThread(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            texts.append(await asyncio.to_thread(str, ctx.last_output()))
            return PartialValidationResult("pass")

    texts = []
    await released("One. Two.", InThread(), InThread())
    assert texts == ["One.", "One.", "One. Two.", "One. Two."]


async def test_the_text_so_far_is_joined_once():
    class Asks(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            assert str(ctx.last_output()).endswith(chunk)
            return PartialValidationResult("pass")

    run, _ = await released("word " * 3_000, Asks(), chunking="word", token_size=7)
    assert_accepted(run)


@pytest.mark.parametrize("has_output", [True, False])
async def test_the_replaced_text_is_validated_in_any_context(has_output):
    class OwnContext(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, **options):
            thunk, longer = await super().generate_from_context(action, ctx, **options)
            return thunk, longer.add("and a later entry") if has_output else ctx

    class Keeps(type(replacing("123", "***"))):
        async def validate(self, backend, ctx, **options):
            seen.append([str(entry) for entry in ctx.as_list()])
            return await super().validate(backend, ctx, **options)

    seen = []
    async with stream_with_chunking("Go", OwnContext("A 123."), SimpleContext(), requirements=[Keeps()]) as run:
        await run.acomplete()
    assert seen == [["Go", "A ***.", "and a later entry"] if has_output else []]


# Replacements


def replacing(word, text, **facts):
    """Return a requirement that replaces a word in each chunk."""

    class Replacing(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            if word not in chunk:
                return PartialValidationResult("pass")
            return PartialValidationResult("fail", reason=f"said {word}", replacement=chunk.replace(word, text))

        async def validate(self, backend, ctx, **options):
            return await Requirement("final", lambda ctx: word not in str(ctx.last_output())).validate(backend, ctx)

    return Replacing(**facts)


async def test_a_replacement_is_released_in_the_place_of_its_chunk_and_marked():
    run, chunks = await released("One. My PIN is 123. Three.", replacing("123", "***"))
    assert chunks == ["One.", "My PIN is ***.", "Three."]
    assert run.full_text == str(run.as_thunk) == "One. My PIN is ***. Three."
    assert (run.outcome, run.streaming_failures) == ("done", [])
    assert_accepted(run)
    events = [event for event in run.history if isinstance(event, ChunkEvent)]
    assert [(event.replaced, event.start, event.end) for event in events] == [
        (False, 0, 4),
        (True, 5, 19),
        (False, 20, 26),
    ]
    checks = [event for event in run.history if isinstance(event, QuickCheckEvent)]
    assert [check.passed for check in checks] == [True, False, True]
    assert checks[1].results[0].reason == "said 123"


async def test_several_requirements_replace_the_same_chunk_one_after_the_other():
    _, chunks = await released("Call 123 or bob.", replacing("123", "***"), replacing("bob", "…"))
    assert chunks == ["Call *** or …."]
    _, chunks = await released("Call 123 or bob.", replacing("123", "bob"), replacing("bob", "…"), fail_fast=True)
    assert chunks == ["Call … or …."]
    _, chunks = await released("Call 123.", replacing("bob", "…"), replacing("123", "***"))
    assert chunks == ["Call ***."]
    _, chunks = await released("Call 123 bob.", replacing("123 bob", "you"), replacing("bob", "…"))
    assert chunks == ["Call you."]


class FailsAgain(Requirement):
    """Replaces the first text that it checks, and fails the second."""

    async def stream_validate(self, chunk, *, backend, ctx):
        self.seen = [*getattr(self, "seen", ()), str(ctx.last_output())]
        replacement = "x" if len(self.seen) == 1 else None
        return PartialValidationResult("fail", reason=f"text {len(self.seen)}", replacement=replacement)


async def test_a_replacement_that_another_requirement_fails_is_not_released():
    run, chunks = await released("Call 123.", replacing("123", "***"), FailsAgain())
    assert (run.outcome, run.full_text, chunks) == ("stopped", "", [])
    [(requirement, result)] = run.streaming_failures
    assert (requirement.seen, result.reason) == (["Call 123.", "Call ***."], "text 2")
    assert run.history[0].results[1] is result


async def test_a_fail_without_a_replacement_stops_the_stream_beside_replacements():
    class Fails(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail")

    run, chunks = await released("Call 123.", replacing("123", "***"), Fails())
    assert (run.outcome, chunks, len(run.streaming_failures)) == ("stopped", [], 2)


async def test_an_empty_replacement_removes_the_chunk():
    run, chunks = await released("One. 123 Three.", replacing("123", ""), chunking="word")
    assert (chunks, run.full_text) == (["One.", "Three."], "One.  Three.")


@pytest.mark.parametrize(("success", "replacement"), [("pass", "x"), ("unknown", ""), ("fail", 5)])
def test_an_invalid_replacement_raises(success, replacement):
    with pytest.raises(InvalidArgumentError, match=r'Invalid replacement: .* It must be a str, and the verdict "fail"'):
        PartialValidationResult(success, replacement=replacement)


async def test_a_copy_of_an_event_keeps_the_marks():
    run, _ = await released("One 123 two.", replacing("123", "***"), Phrase("x", chunking="word"), holdback=1)
    for event in run.history:
        for twin in (copy.copy(event), copy.deepcopy(event), pickle.loads(pickle.dumps(event))):  # noqa: S301
            assert twin == event
            if isinstance(event, ChunkEvent):
                assert (twin.release, twin.source) == (event.release, event.source)
            elif isinstance(event, QuickCheckEvent):
                assert twin.own_chunk == event.own_chunk is not None


# Holding back


class NoNumber(Requirement):
    """Fails as soon as the text ends with a number of a card: 16 digits in any groups."""

    async def stream_validate(self, chunk, *, backend, ctx):
        digits = "".join(character for character in str(ctx.last_output())[-40:] if character.isdigit())
        return PartialValidationResult("fail" if len(digits) >= 16 else "pass")


CARD = "My card is 1234 5678 9012 3456 thanks"


@pytest.mark.parametrize("holdback", [3, 4, "15 characters"])
async def test_chunks_that_are_held_back_are_never_released_after_a_fail(holdback):
    run, chunks = await released(CARD, NoNumber(), chunking="word", holdback=holdback)
    assert run.outcome == "stopped"
    assert "My card is".startswith(" ".join(chunks))
    assert not any(character.isdigit() for character in run.full_text)
    assert run.as_thunk.value == run.full_text


async def test_held_chunks_are_released_at_the_end_and_show_their_delay(virtual_clock):
    script = Script.of("One. ", Delay(1.0), "Two. ", Delay(1.0), "Three. ", Delay(1.0), "Four.")
    run, chunks = await released(script, holdback=2)
    assert chunks == ["One.", "Two.", "Three.", "Four."]
    events = [event for event in run.history if isinstance(event, ChunkEvent)]
    assert [event.held_chunks for event in events] == [2, 2, 1, 0]
    assert [event.held_seconds for event in events] == pytest.approx([2.0, 2.0, 1.0, 0.0])


async def test_a_window_of_characters_is_released_when_the_text_after_it_is_checked():
    run, _ = await released("a bb ccc dddd", replacing("-", ""), chunking="word", holdback="4 characters")
    names = [f"{type(event).__name__[0]}{event.chunk_index}" for event in run.history[:8]]
    assert names == ["Q0", "Q1", "Q2", "C0", "C1", "Q3", "C2", "C3"]


@pytest.mark.parametrize("holdback", [-1, True, 1.5, None, "20", "20 words", "-1 characters", "characters"])
async def test_an_invalid_holdback_raises(holdback):
    with pytest.raises(InvalidArgumentError, match=r"Invalid holdback: .* number of chunks of at least 0"):
        await stream_with_chunking("Go", StreamingMockBackend("a"), SimpleContext(), holdback=holdback)
