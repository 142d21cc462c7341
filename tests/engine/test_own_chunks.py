"""Requirements that check chunks of their own, under random texts, cuts and verdicts."""

import asyncio
import random

import pytest

from pytest_streamval import (
    ChunkEvent,
    ChunkingStrategy,
    InvalidArgumentError,
    PartialValidationResult,
    ProseChunker,
    QuickCheckEvent,
    Requirement,
    Script,
    SimpleContext,
    StreamingMockBackend,
    ValidationResult,
    assert_accepted,
    stream_with_chunking,
)
from tests.engine.release_model import CHUNKINGS, Plan, chunks_of, random_cut, random_text

ALL = (*CHUNKINGS, "prose")


class Planned(Requirement):
    """Returns the verdicts of its plan, and records the chunks and texts that it saw."""

    def __init__(self, name, chunking, plan, seen):
        super().__init__(name=name, chunking=chunking)
        self.plan = plan
        self.seen = seen
        self.index = -1

    def __copy__(self):
        return self

    async def stream_validate(self, chunk, *, backend, ctx):
        self.index += 1
        self.seen.append((self.name, chunk, str(ctx.last_output())))
        verdict = self.plan.verdicts.get(self.index, "pass")
        if isinstance(verdict, tuple):
            return PartialValidationResult("fail", replacement=verdict[1])
        return PartialValidationResult(verdict)

    async def validate(self, backend, ctx, **options):
        self.seen.append((self.name, "all", str(ctx.last_output())))
        return ValidationResult(True)


def edited(text, start, end, edits):
    parts = []
    for edit_start, edit_end, replacement in sorted(edits):
        if edit_end > start and edit_start < end:
            parts += [text[start:edit_start], replacement]
            start = max(start, edit_end)
    return "".join([*parts, text[start:end]])


def needed_end(chunk):
    """Return the end of the text of a chunk that requirements must have checked before it is released."""
    return chunk.start + (len(chunk.text.rstrip()) or len(chunk.text))


def model(text, run_chunking, plans, holdback):
    """Return the released chunks, the full text, and the calls of requirements, one requirement for each chunking."""
    names = [run_chunking, *(name for name in plans if name != run_chunking)]
    rounds = sorted(
        (chunk.end, -chunk.start, names.index(name), chunk) for name in names for chunk in chunks_of(name, text)
    )
    counts, ends, edits, calls = dict.fromkeys(names, 0), dict.fromkeys(plans, 0), [], []
    stop = None
    for _, _, number, chunk in rounds:
        name = names[number]
        shown = edited(text, chunk.start, chunk.end, edits)
        if name in plans and shown:
            calls.append((name, shown, edited(text, 0, chunk.end, edits)))
            verdict = plans[name].verdicts.get(counts[name], "pass")
            counts[name] += 1
            if verdict == "fail":
                stop = (chunk.end, -chunk.start, number)
                break
            if isinstance(verdict, tuple):
                edits = with_edit(edits, chunk, verdict[1])
        if name in plans:
            ends[name] = chunk.end
    units = units_of(text, chunks_of(run_chunking, text), edits, stop, min(ends.values()))
    kept = len(units) if stop is None else max(0, len(units) - holdback)
    full = edited(text, 0, len(text), edits) if stop is None else units[kept - 1][1] if kept else ""
    return [unit for unit, _ in units[:kept] if unit], full, calls


def with_edit(edits, chunk, replacement):
    edits = [edit for edit in edits if edit[0] < chunk.start]
    if edits and edits[-1][1] > chunk.start:
        start, *_ = edits.pop()
        return [*edits, (start, chunk.end, replacement)]
    return [*edits, (chunk.start, chunk.end, replacement)]


def units_of(text, chunks, edits, stop, checked_end):
    """Return the released pieces, each with the full text up to its end. A replacement connects the chunks in it."""
    units, place = [], 0
    while place < len(chunks):
        start, end, first = chunks[place].start, chunks[place].end, place
        place += 1
        while edges := [edit[1] for edit in edits if edit[0] < end and edit[1] > end]:
            while place < len(chunks) and chunks[place].start < max(edges):
                end = max(end, chunks[place].end)
                place += 1
            end = max(end, *edges)
        inside = [edit for edit in edits if edit[0] < end and edit[1] > start]
        start = min([start, *(edit[0] for edit in inside)])
        if stop is not None:
            known = [chunk for chunk in chunks if (chunk.end, -chunk.start, 0) < stop]
            if place > len(known) or any(needed_end(chunk) > checked_end for chunk in chunks[first:place]):
                break
            if end > chunks[place - 1].end and place == len(known):  # the next chunk might begin in the replacement
                break
        units.append((edited(text, start, end, edits), edited(text, 0, end, edits)))
    return units


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("run_chunking", CHUNKINGS)
async def test_requirements_with_chunks_of_their_own_do_not_depend_on_the_cut(run_chunking, seed):
    rng = random.Random(seed)  # noqa: S311  # no secret
    for _ in range(6):
        text, holdback = random_text(rng, words=16), rng.choice((0, 0, 1, 2))
        names = rng.sample(ALL, rng.randrange(1, 4))
        replacing = rng.choice((0, 0.15))
        plans = {name: Plan.drawn(rng, len(chunks_of(name, text)), failing=0.04, replacing=replacing) for name in names}
        if set(plans) == {run_chunking}:
            continue
        released, full, calls = model(text, run_chunking, plans, holdback)
        for _ in range(2):
            seen = []
            requirements = [Planned(name, name, plan, seen) for name, plan in plans.items()]
            backend = StreamingMockBackend(random_cut(rng, text))
            async with stream_with_chunking(
                "Go", backend, SimpleContext(), requirements=requirements, chunking=run_chunking, holdback=holdback
            ) as run:
                received = [chunk async for chunk in run.astream()]
            where = (text, run_chunking, plans, holdback)
            assert [call for call in seen if call[1] != "all"] == calls, where
            assert run.full_text == full, where
            assert received == released, where
            if run.completed:
                assert {call[2] for call in seen if call[1] == "all"} == {full}
            for event in run.history:
                if isinstance(event, ChunkEvent):
                    assert full[event.start : event.end] == event.text, where


@pytest.mark.parametrize("on_retry", ["restart", "hold", "continue"])
@pytest.mark.parametrize("run_chunking", [*CHUNKINGS, None])
async def test_attempts_with_chunks_of_requirements_do_not_depend_on_the_cut(run_chunking, on_retry):
    for seed in range(15):
        rng = random.Random(seed)  # noqa: S311  # no secret
        texts, names = [random_text(rng, words=12) for _ in range(3)], rng.sample(ALL, 2)
        plans = {name: [Plan.drawn(rng, 12, failing=0.1, replacing=0.1) for _ in texts] for name in names}
        options = {"holdback": rng.randrange(3), "on_retry": on_retry, "max_attempts": 3, "chunking": run_chunking}
        histories = []
        for _ in range(2):
            requirements = [PlannedAttempts(name, plans[name]) for name in names]
            backend = StreamingMockBackend(*(random_cut(rng, text) for text in texts))
            async with stream_with_chunking(
                "Go", backend, SimpleContext(), requirements=requirements, **options
            ) as run:
                pieces = [piece async for piece in run.astream(lossless=True)]
            last = max((number + 1 for number, piece in enumerate(pieces) if hasattr(piece, "attempt")), default=0)
            assert "".join(pieces[last:]) == run.full_text, seed
            for event in run.history:
                if isinstance(event, ChunkEvent) and (event.attempt == len(run.attempts) or on_retry == "continue"):
                    assert run.full_text[event.start : event.end] == event.text, seed
            histories.append(run.history)
        if run_chunking is not None:
            assert histories[0] == histories[1], seed


class PlannedAttempts(Requirement):
    """Returns the verdicts of the plan of each attempt."""

    def __init__(self, name, plans):
        super().__init__(name=name, chunking=name)
        self.plans = plans
        self.attempts = []
        self.index = -1

    def __copy__(self):
        twin = PlannedAttempts(self.name, self.plans)
        twin.plan = self.plans[len(self.attempts)]
        self.attempts.append(twin)
        return twin

    async def stream_validate(self, chunk, *, backend, ctx):
        self.index += 1
        str(ctx.last_output())
        verdict = self.plan.verdicts.get(self.index, "pass")
        if isinstance(verdict, tuple):
            return PartialValidationResult("fail", replacement=verdict[1])
        return PartialValidationResult(verdict)

    async def validate(self, backend, ctx, **options):
        return ValidationResult(self.plan.final)


# Single cases


class Sees(Requirement):
    """Records the chunks that it checks."""

    def __init__(self, *facts, **options):
        super().__init__(*facts, **options)
        self.chunks = []

    async def stream_validate(self, chunk, *, backend, ctx):
        self.chunks.append(chunk)
        return PartialValidationResult("fail" if chunk == "bad" else "pass")


class SeesWords(Sees):
    chunking = "word"


async def run_of(text, *requirements, token_size=1, **options):
    backend = StreamingMockBackend(text, token_size=token_size)
    async with stream_with_chunking("Go", backend, SimpleContext(), requirements=requirements, **options) as run:
        return run, [chunk async for chunk in run.astream()]


@pytest.mark.parametrize("requirement", [Sees(chunking="word"), SeesWords()])
async def test_a_requirement_checks_its_own_chunks_and_the_reader_gets_those_of_the_run(requirement):
    run, chunks = await run_of("One two. Three.", requirement, Sees())
    assert chunks == ["One two.", "Three."]
    assert [each.chunks for each in run.requirements] == [["One", "two.", "Three."], ["One two.", "Three."]]
    checks = [event for event in run.history if isinstance(event, QuickCheckEvent)]
    assert [(check.chunk_index, *check.own_chunk) for check in checks] == [
        (0, (0,), 0, 3),
        (1, (0,), 4, 8),
        (0, (1,), 0, 8),
        (1, (1,), 9, 15),
        (2, (0,), 9, 15),
    ]
    assert [[result.success for result in check.results] for check in checks[:3]] == [
        ["pass", "unknown"],
        ["pass", "unknown"],
        ["unknown", "pass"],
    ]
    assert_accepted(run)


async def test_a_word_stops_a_stream_without_sentences():
    backend = StreamingMockBackend("go on " * 20 + "bad " + "and on " * 2_000)
    async with stream_with_chunking("Go", backend, SimpleContext(), requirements=[SeesWords()]) as run:
        assert [chunk async for chunk in run.astream()] == []
    assert (run.outcome, run.full_text) == ("stopped", "")
    assert backend.calls[0].deltas_sent < 200


async def test_text_is_released_when_every_requirement_has_checked_all_of_it():
    run, chunks = await run_of("One. Two.\n\nThree bad four.", Sees(chunking="paragraph"), SeesWords())
    assert chunks == ["One.", "Two."]
    assert run.full_text == "One. Two."


async def test_requirements_with_the_same_chunks_check_them_together():
    strategy = ProseChunker()
    requirements = [Sees(chunking=strategy), Sees(chunking=strategy), Sees(chunking="sentence"), Sees()]
    run, _ = await run_of("One. Two.", *requirements)
    positions = [event.own_chunk.positions for event in run.history if isinstance(event, QuickCheckEvent)]
    assert positions == [(2, 3), (0, 1)] * 2


async def test_a_replacement_of_a_word_is_a_part_of_the_released_sentence():
    class Hides(SeesWords):
        async def stream_validate(self, chunk, *, backend, ctx):
            if chunk == "secret":
                return PartialValidationResult("fail", replacement="…")
            return await super().stream_validate(chunk, backend=backend, ctx=ctx)

    run, chunks = await run_of("The secret word. Ok.", Sees(), Hides())
    assert chunks == ["The … word.", "Ok."]
    assert run.requirements[0].chunks == ["The … word.", "Ok."]
    assert run.full_text == "The … word. Ok."
    [event] = [event for event in run.history if isinstance(event, ChunkEvent) and event.replaced]
    assert (event.start, event.end, event.source) == (0, 11, (0, 16))


async def test_a_replacement_of_a_sentence_is_one_chunk_of_a_run_of_words():
    class Hides(Requirement):
        chunking = "sentence"

        async def stream_validate(self, chunk, *, backend, ctx):
            if "secret" in chunk:
                return PartialValidationResult("fail", replacement="[hidden]")
            return PartialValidationResult("pass")

    run, chunks = await run_of("Ok then. The secret word. Bye.", Hides(), chunking="word")
    assert chunks == ["Ok", "then.", "[hidden]", "Bye."]
    assert run.full_text == "Ok then. [hidden] Bye."


async def test_several_requirements_with_the_same_own_chunks_replace_them_one_after_the_other():
    def hiding(word):
        class Hides(SeesWords):
            async def stream_validate(self, chunk, *, backend, ctx):
                assert str(ctx.last_output()).endswith(chunk)
                if word not in chunk:
                    return PartialValidationResult("pass")
                return PartialValidationResult("fail", replacement=chunk.replace(word, "*"))

        return Hides()

    _, chunks = await run_of("Say ab-cd now. Ok.", hiding("ab"), hiding("cd"))
    assert chunks == ["Say *-* now.", "Ok."]


class Fours(ChunkingStrategy):
    """Every four characters, whatever they are."""

    def split(self, accumulated_text):
        return [accumulated_text[at : at + 4] for at in range(0, len(accumulated_text) - 3, 4)]


@pytest.mark.parametrize("token_size", [1, 3, 50])
async def test_a_replacement_may_take_the_place_of_a_part_of_another_one(token_size):
    class Hides(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            self.seen = [*getattr(self, "seen", ()), chunk]
            replacement = {"cd": "XX", "XX ef": "Y"}.get(chunk)
            return PartialValidationResult("pass" if replacement is None else "fail", replacement=replacement)

    requirements = [Hides(chunking="word"), Hides(chunking=Fours())]
    run, chunks = await run_of("ab cd ef gh.", *requirements, token_size=token_size)
    assert chunks == ["ab Y gh."]
    assert run.requirements[1].seen == ["ab c", "XX ef", " gh."]


class Bullets(ChunkingStrategy):
    """The items of a list."""

    def split(self, accumulated_text):
        return [line for line in accumulated_text.split("\n")[:-1] if line.startswith("- ")]

    def flush(self, accumulated_text):
        last = accumulated_text.rpartition("\n")[2]
        return [last] if last.startswith("- ") else []


@pytest.mark.parametrize("token_size", [1, 3, 50])
async def test_text_between_the_chunks_of_all_requirements_is_released(token_size):
    text = "Fruit:\n- apples\n- pears\nThat is all."
    run, chunks = await run_of(text, Sees(chunking=Bullets()), chunking="line", token_size=token_size)
    assert (chunks, run.full_text) == (text.split("\n"), text)
    assert run.requirements[0].chunks == ["- apples", "- pears"]


@pytest.mark.parametrize("token_size", [1, 3, 50])
async def test_a_replacement_in_text_that_the_run_does_not_release_is_in_its_full_text(token_size):
    class Hides(SeesWords):
        async def stream_validate(self, chunk, *, backend, ctx):
            if chunk in {"Fruit:", "all."}:
                return PartialValidationResult("fail", replacement="…")
            return PartialValidationResult("pass")

    text = "Fruit:\n- apples\n- pears\nThat is all."
    run, chunks = await run_of(text, Hides(), chunking=Bullets(), token_size=token_size)
    assert chunks == ["- apples", "- pears"]
    assert run.full_text == "…\n- apples\n- pears\nThat is …"


def test_an_unknown_chunking_of_a_requirement_raises():
    with pytest.raises(ValueError, match="sentances"):
        Requirement(chunking="sentances")
    with pytest.raises(InvalidArgumentError, match="Invalid chunking: 5"):
        Requirement(chunking=5)


async def test_an_unknown_chunking_of_a_class_raises_before_the_generation():
    class Wrong(Requirement):
        chunking = "sentances"

    backend = StreamingMockBackend("One.")
    with pytest.raises(ValueError, match="sentances"):
        await stream_with_chunking("Go", backend, SimpleContext(), requirements=[Wrong()])
    assert backend.calls == []


class Failing(Requirement):
    """Fails the chunks that contain a word."""

    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "bad" in chunk else "pass")


RELEASED = {
    "line": (("sentence", None), "One. \nTwo. \nbad \nend", ["One. ", "Two. "]),  # the sentences end before the lines
    "word": ((None, "word"), "One two bad end", ["One", "two"]),  # a delta may end where a word ends
    "sentence": (("word",), "One two. Three. bad", ["One two.", "Three."]),  # no requirement checks the sentences
    "paragraph": (("sentence", "word"), "One two.\n\nThree. \n\nbad", ["One two.", "Three. "]),
}


@pytest.mark.parametrize(("run_chunking", "chunkings", "text", "released"), [(key, *RELEASED[key]) for key in RELEASED])
async def test_a_chunk_is_released_before_the_next_check_if_all_own_chunks_up_to_its_end_have_passed(
    run_chunking, chunkings, text, released
):
    for size in (1, 2, 3, len(text)):
        requirements = [Failing(name=str(chunking), chunking=chunking) for chunking in chunkings]
        backend = StreamingMockBackend(Script.from_text(text, size))
        async with stream_with_chunking(
            "Go", backend, SimpleContext(), requirements=requirements, chunking=run_chunking
        ) as run:
            assert [chunk async for chunk in run.astream()] == released, size


async def test_requirements_with_own_chunks_see_the_text_that_an_attempt_continues():
    seen = []

    class Asking(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            seen.append(str(ctx.last_output()))
            return (
                PartialValidationResult("fail", replacement="") if chunk == "two." else PartialValidationResult("pass")
            )

    backend = StreamingMockBackend("One two. bad", "Three two. four.")
    async with stream_with_chunking(
        "Go",
        backend,
        SimpleContext(),
        requirements=[Asking(name="words", chunking="word"), Failing(name="sentences", chunking="sentence")],
        chunking="word",
        max_attempts=2,
        on_retry="continue",
    ) as run:
        await run.acomplete()
    assert run.full_text == "One  Three  four."
    assert seen == ["One", "One two.", "One  bad", "One  Three", "One  Three two.", "One  Three  four."]


@pytest.mark.parametrize("suspends", [False, True])
async def test_an_error_of_a_requirement_with_own_chunks_names_the_requirement(suspends):
    class Broken(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            if suspends:
                await asyncio.sleep(0)
            raise ZeroDivisionError

    requirements = [Broken(name="broken", chunking="word"), Failing(name="sentences")]
    run = await stream_with_chunking(
        "Go", StreamingMockBackend("One two."), SimpleContext(), requirements=requirements, chunking="sentence"
    )
    with pytest.raises(ZeroDivisionError) as caught:
        await run.acomplete()
    assert caught.value.__notes__ == ["Raised by broken.stream_validate() about the chunk 'One'."]


async def test_requirements_with_own_chunks_show_the_fail_of_a_replacement():
    class Replacing(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail", replacement="bad")

    class Strict(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail", replacement=None if chunk == "bad" else "good")

    requirements = [Replacing(chunking="word"), Strict(chunking="word"), Failing(name="sentences")]
    async with stream_with_chunking(
        "Go", StreamingMockBackend("One two."), SimpleContext(), requirements=requirements, chunking="sentence"
    ) as run:
        await run.acomplete()
    [check] = [event for event in run.history if isinstance(event, QuickCheckEvent)]
    assert [(result.success, result.replacement) for result in check.results] == [
        ("fail", "bad"),
        ("fail", None),
        ("unknown", None),
    ]
