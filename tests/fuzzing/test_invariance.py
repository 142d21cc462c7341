"""Boundary invariance is checked under many cuts, and a failure shows the smallest one."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, find, given, settings

from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.engine.simple_chunkers import LineChunker, ParagraphChunker, SentenceChunker, WordChunker
from pytest_streamval.errors import (
    BoundaryVarianceError,
    CheckFailedError,
    ChunkingContractError,
    EventLoopError,
    InvalidArgumentError,
    UnknownNameError,
)
from pytest_streamval.fuzzing import text_strategies
from pytest_streamval.fuzzing.invariance import assert_boundary_invariant
from pytest_streamval.scripting.script import Script
from tests.fuzzing.planted import (
    CORRECT,
    PLANTED,
    PLANTED_READERS,
    BoundaryInOneDelta,
    Planted,
    played,
    result_of,
    strict_records,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fuzzing.planted import Subject

BUILT_IN = (SentenceChunker(), WordChunker(), ParagraphChunker(), LineChunker(), ProseChunker())
NASTY = (
    'He said: "Go. Now!" Dr. A. B. Smith paid $3.50 ... and left.\r\n\r\n1. One\n2. Two 22\n\n```py\nx = "a. B"\n```\n',
    "# Title\n\n| a | b. |\n|---|---|\r\n> “Yes?” ‘No.’ (Two.) e.g. this, i.e. that\t\xa0\u2028end",
    "文字。「はい！」と言った。\u3000次は？ 👩\u200d👩\u200d👧 🇩🇪🇯🇵 e\u0301 ❤\ufe0f. x",
    "`a` ``b``` c ````` d\r\r\n\n\r",
    "",
    "x",
)
LONG = "The quick brown fox jumps over the lazy dog. " * 40 + "And so on."
PAIR = "\ud83c\udf4e"  # an apple, as two surrogates


def variance(subject: object, text: str, **options: int) -> BoundaryVarianceError:
    with pytest.raises(BoundaryVarianceError) as caught:
        assert_boundary_invariant(subject, text, **options)  # type: ignore[arg-type]  # cases may have any type
    return caught.value


# Planted bugs, and correct subjects


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_bug_is_found_with_its_smallest_cut(planted: Planted) -> None:
    assert planted.broken
    assert variance(planted.subject, planted.text).pieces == planted.cut


@pytest.mark.parametrize(
    "planted",
    [planted for planted in PLANTED if planted.subject is not strict_records],  # it cannot read the other text
    ids=lambda planted: planted.name,
)
def test_a_planted_bug_is_found_in_a_longer_text(planted: Planted) -> None:
    text = f"{planted.text}\n{LONG[:90]}\n{planted.text}"
    error = variance(planted.subject, text)
    assert "".join(error.pieces) == text
    assert len(error.pieces) <= 3


def test_at_least_ten_bugs_are_planted() -> None:
    assert len({planted.name for planted in PLANTED}) == len(PLANTED) >= 10


@pytest.mark.parametrize("subject", [*CORRECT, *BUILT_IN], ids=lambda subject: getattr(subject, "__name__", None))
def test_a_correct_subject_passes(subject: Subject) -> None:
    for text in NASTY:
        assert_boundary_invariant(subject, text, examples=10)


def test_a_strategy_can_be_given_by_its_alias() -> None:
    for alias in ("sentence", "word", "paragraph", "line", "prose"):
        assert_boundary_invariant(alias, NASTY[0], examples=1)


NOT_ASYNC = tuple(subject for subject in (*CORRECT, *BUILT_IN) if not asyncio.iscoroutinefunction(subject))


@settings(max_examples=40, deadline=None)
@given(pieces=text_strategies.tokenizations())
def test_a_correct_subject_has_the_same_result_for_any_pieces(pieces: list[str]) -> None:
    for subject in NOT_ASYNC:
        assert played(subject, pieces) == played(subject, ["".join(pieces)])


FINDING = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_tokenizations_find_a_planted_bug_too(planted: Planted) -> None:
    def outcome(pieces: list[str]) -> object:
        try:
            return runner.run(result_of(planted.subject, pieces))
        except ValueError as error:
            return str(error)

    with asyncio.Runner() as runner:
        whole = outcome([planted.text])
        find(
            text_strategies.tokenizations(planted.text),
            lambda pieces: outcome(pieces) != whole,
            settings=settings(FINDING, phases=[Phase.generate]),
        )


@pytest.mark.parametrize("reader", PLANTED_READERS, ids=lambda reader: reader.__name__)
def test_byte_splits_find_a_planted_bug_in_a_reader_of_bytes(reader: Callable[[list[bytes]], object]) -> None:
    data = "naïve".encode()
    smallest = find(text_strategies.byte_splits(data), lambda reads: reader(reads) != reader([data]), settings=FINDING)
    assert len(smallest) == 2


# Failures


def test_the_failure_of_a_strategy_shows_the_cut_both_results_and_a_script() -> None:
    assert str(variance(BoundaryInOneDelta(), "One. Two")) == (
        "BoundaryInOneDelta() gives another result when its text comes in 2 pieces, cut here:\n"
        "  'One.|· Two'\n"
        "A result may depend on the text alone, and not on its cut: text that is incomplete in one piece has to wait "
        "for the next piece.\n"
        "\n"
        "  as one text  as cut\n"
        "! 'One.' 0-4   'One. Two' 0-8\n"
        "! 'Two' 5-8\n"
        "\n"
        "To see it again:\n"
        "  Script.of('One.', ' Two')"
    )


def stripped(pieces: list[str]) -> str:
    return "".join(piece.strip() for piece in pieces)


class Reader:
    """Reads pieces in a method and in a call."""

    def __repr__(self) -> str:
        return "<a reader>"

    def read(self, pieces: list[str]) -> str:
        return stripped(pieces)

    def __call__(self, pieces: list[str]) -> str:
        return stripped(pieces)


@pytest.mark.parametrize(
    ("subject", "name", "again"),
    [
        (stripped, "stripped", "stripped(['a', ' b'])"),
        (Reader().read, "Reader.read", "['a', ' b']"),
        (Reader(), "<a reader>", "['a', ' b']"),
        (lambda pieces: f"{stripped(pieces)}", "the lambda at test_invariance.py:", "['a', ' b']"),
        (functools.partial(stripped), "functools.partial(<function stripped", "['a', ' b']"),
    ],
    ids=["function", "method", "object", "lambda", "partial"],
)
def test_the_failure_of_a_function_shows_its_name_and_the_pieces(subject: Subject, name: str, again: str) -> None:
    error = variance(subject, "a b")
    assert error.subject.startswith(name)
    assert str(error).startswith(name)
    assert error.reproduction == again
    assert error.pieces == ("a", " b")
    assert error.comparison == ("  as one text  as cut", "! 'a b'        'ab'")


def test_the_failure_of_a_function_inside_another_shows_its_own_name() -> None:
    def inner(pieces: list[str]) -> int:
        return len(pieces)

    assert variance(inner, "ab").subject == "inner"


def test_the_failure_of_a_long_text_shows_the_part_around_the_cut_and_refers_to_the_text() -> None:
    error = variance(BoundaryInOneDelta(), LONG)
    assert error.cut == f"... '{LONG[14:44]}|·{LONG[44:74]}' ... (1 cut in 1,810 characters)"
    assert error.reproduction == "Script.of(text).recut([44])"
    assert len(str(error)) < 1500
    error = variance(stripped, LONG)
    assert error.reproduction == "stripped([text[a:b] for a, b in itertools.pairwise([0, 3, 1810])])"


class EachDelta(ChunkingStrategy):
    """Emits nothing before a number of deltas has arrived."""

    def __init__(self, least: int) -> None:
        self.least = least

    def split(self, accumulated_text: str) -> list[str]:
        raise NotImplementedError

    def chunker(self) -> Chunker:
        return CountingChunker(self.least)


class CountingChunker(Chunker):
    def __init__(self, least: int) -> None:
        self.left = least

    def feed(self, text: str) -> list[Chunk]:
        self.left -= 1
        return [Chunk("x", 0, 1)] if self.left <= 0 else []

    def flush(self) -> list[Chunk]:
        return []


def test_the_failure_of_single_characters_has_short_code() -> None:
    text = "abcdefghijklm"
    assert variance(EachDelta(13), text).reproduction == "Script.from_text('abcdefghijklm')"
    assert variance(lambda pieces: len(pieces) > 12, text).reproduction == "list('abcdefghijklm')"
    assert variance(EachDelta(4), "abcd").reproduction == "Script.of('a', 'b', 'c', 'd')"
    assert variance(EachDelta(250), "ab" * 125).reproduction == "Script.from_text(text)"
    assert variance(lambda pieces: len(pieces) == 250, "ab" * 125).reproduction == "list(text)"


def test_an_exception_for_a_cut_only_is_a_difference() -> None:
    def fails(pieces: list[str]) -> str:
        if len(pieces) > 1:
            msg = f"{len(pieces)} pieces"
            raise LookupError(msg)
        return "fine"

    error = variance(fails, "abc")
    assert error.comparison == ("  as one text  as cut", "! 'fine'       raised LookupError: 2 pieces")
    assert isinstance(error.__cause__, LookupError)
    error = variance(next(planted.subject for planted in PLANTED if "takes the chunk back" in planted.broken), "1.5")
    assert isinstance(error.__cause__, ChunkingContractError)


def test_an_exception_for_the_uncut_text_is_raised_unchanged() -> None:
    fault = ValueError("mine")

    def fails(pieces: list[str]) -> None:
        raise fault

    with pytest.raises(ValueError, match="mine") as caught:
        assert_boundary_invariant(fails, "One. Two")
    assert caught.value is fault
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "outcome", [KeyboardInterrupt, asyncio.CancelledError, SystemExit, pytest.skip.Exception, pytest.fail.Exception]
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_exception_that_is_not_an_error_is_raised(outcome: type[BaseException], asynchronous: bool) -> None:
    def ends(pieces: list[str]) -> None:
        if len(pieces) > 1:
            raise outcome

    async def ends_later(pieces: list[str]) -> None:
        await asyncio.sleep(0)
        ends(pieces)

    with pytest.raises(outcome):
        assert_boundary_invariant(ends_later if asynchronous else ends, "One. Two")


# The smallest cut


@pytest.mark.parametrize(
    ("differs", "text", "cut"),
    [
        (lambda pieces: "b" in pieces, "abcabc", ("a", "b", "cabc")),
        (lambda pieces: "b" in pieces, "acacacacacacacabcabc", ("acacacacacacaca", "b", "cabc")),
        (lambda pieces: len(pieces) > 3, "abcdefghijklmnopqrst", ("a", "b", "c", "defghijklmnopqrst")),
        (lambda pieces: pieces[-1] == "t", "abcdefghijklmnopqrst", ("abcdefghijklmnopqrs", "t")),
        (lambda pieces: len(pieces) > 1, "abcdefghijklmnopqrst", ("a", "bcdefghijklmnopqrst")),
        (lambda pieces: {" ", "."} <= set(pieces), "One two three four.", ("One", " ", "two three four", ".")),
        (lambda pieces: " " in pieces, f"a{PAIR}b cccccc dddddd", (f"a{PAIR}b", " ", "cccccc dddddd")),
    ],
    ids=["exhaustive", "isolated", "three cuts", "the last", "any", "two isolated", "after a pair"],
)
def test_a_failing_cut_is_reduced_to_the_smallest_one(
    differs: Callable[[list[str]], bool], text: str, cut: tuple[str, ...]
) -> None:
    assert variance(differs, text).pieces == cut


def test_the_offsets_of_a_failing_cut_are_moved_to_the_left_together_and_alone() -> None:
    def differs(pieces: list[str]) -> bool:
        return len(pieces) > 3 and len(pieces[1]) == len(pieces[2])

    assert variance(differs, "abcdefghijklmnopqrst").pieces == ("a", "b", "c", "defghijklmnopqrst")


# The cuts that are tried


class Recorder:
    """Records the pieces of every call, and returns the same result for up to a number of pieces."""

    def __init__(self, limit: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.limit = limit

    def __call__(self, pieces: list[str]) -> bool:
        self.calls.append(list(pieces))
        pieces.clear()  # they belong to the subject
        return self.limit is not None and len(self.calls[-1]) > self.limit


def tried(text: str, **options: int) -> list[list[str]]:
    recorder = Recorder()
    assert_boundary_invariant(recorder, text, **options)
    return recorder.calls


@pytest.mark.parametrize("text", [*NASTY, LONG[:300], PAIR * 3, f"{PAIR * 5} x\r\ny"])
def test_tried_pieces_are_never_empty_or_half_a_pair_and_join_to_the_text(text: str) -> None:
    for pieces in tried(text)[1:]:
        assert all(pieces)
        assert "".join(pieces) == text
        assert not any(piece[0] == "\udf4e" or piece[-1] == "\ud83c" for piece in pieces)


@pytest.mark.parametrize("text", ["", "x"])
def test_a_text_that_cannot_be_cut_is_tried_once(text: str) -> None:
    assert tried(text) == [[text]]


def test_a_text_of_nine_characters_is_cut_once_in_every_way() -> None:
    calls = [tuple(pieces) for pieces in tried("abcdefghi")]
    assert len(calls) == len(set(calls)) == 2**8
    assert tried("abc") == [["abc"], ["a", "bc"], ["ab", "c"], ["a", "b", "c"]]


def test_a_text_is_cut_at_each_offset_after_every_character_before_every_word_and_at_random() -> None:
    text = NASTY[0]
    calls = tried(text)
    assert calls[0] == [text]
    for offset in range(1, len(text)):
        assert [text[:offset], text[offset:]] in calls
    assert list(text) in calls
    assert calls == tried(text)
    assert len(calls) - len(tried(text, examples=0)) > 95
    assert len(tried(text, examples=0)) == len(text) + 2


def test_some_single_cuts_of_a_long_text_are_tried_at_boundaries_and_elsewhere() -> None:
    calls = tried(LONG, examples=0)
    singles = [len(pieces[0]) for pieces in calls if len(pieces) == 2]
    assert len(calls) - 3 == len(singles) <= 200
    assert singles == sorted(singles)
    assert singles[0] < 20
    assert singles[-1] > 1780
    between = [offset for offset in singles if LONG[offset - 1].isalnum() and LONG[offset].isalnum()]
    assert 20 < len(between) < 180


def test_the_number_of_calls_for_a_correct_subject_is_limited() -> None:
    assert len(tried(LONG)) <= 303


def test_a_failing_cut_that_takes_too_long_to_reduce_is_shown_after_a_limited_number_of_calls() -> None:
    failing = Recorder(limit=700)
    error = variance(failing, LONG)
    assert len(failing.calls) <= 303 + 504
    assert 701 <= len(error.pieces) < len(LONG)
    assert len(error.cut) < 600


# Asynchronous subjects


def test_all_calls_of_a_coroutine_function_run_in_one_loop_that_is_closed_afterwards() -> None:
    loops = []

    async def reads(pieces: list[str]) -> str:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return "".join(pieces)

    assert_boundary_invariant(reads, "One. Two")
    assert len(loops) > 100
    assert len(set(map(id, loops))) == 1
    assert loops[0].is_closed()


def test_the_loop_is_closed_after_a_difference_and_after_an_error_of_the_subject() -> None:
    loops = []

    async def reads(pieces: list[str]) -> int:
        loops.append(asyncio.get_running_loop())
        return 1 // (2 - len(pieces))

    assert isinstance(variance(reads, "One. Two").__cause__, ZeroDivisionError)
    with pytest.raises(TypeError):
        assert_boundary_invariant(lambda pieces: reads(None), "One. Two")  # type: ignore[arg-type]
    assert all(loop.is_closed() for loop in loops)


def test_a_subject_may_return_any_awaitable() -> None:
    class Later:
        def __init__(self, pieces: list[str]) -> None:
            self.pieces = pieces

        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "".join(self.pieces)

    assert_boundary_invariant(Later, "One. Two")


def test_a_call_does_not_see_the_context_variables_of_an_earlier_one() -> None:
    count: ContextVar[int] = ContextVar("count", default=0)

    async def counts(pieces: list[str]) -> int:
        count.set(count.get() + 1)
        return count.get()

    assert_boundary_invariant(counts, "One. Two")


async def test_an_asynchronous_subject_is_rejected_in_a_running_event_loop() -> None:
    async def reads(pieces: list[str]) -> str:
        return "".join(pieces)

    with pytest.raises(
        EventLoopError, match=r"runs reads in an event loop .* plain `def` test\. .*aassert_boundary_invariant"
    ):
        assert_boundary_invariant(reads, "One. Two")
    await asyncio.to_thread(assert_boundary_invariant, reads, "One. Two")
    assert_boundary_invariant(stripped, "One")


async def test_any_awaitable_is_rejected_in_a_running_event_loop() -> None:
    with pytest.raises(EventLoopError):
        assert_boundary_invariant(lambda pieces: asyncio.get_running_loop().create_future(), "One. Two")


# Invalid subjects


def test_a_subject_with_random_results_is_unrepeatable() -> None:
    chance = random.Random(1)  # noqa: S311  # repeatable chance, not secrets
    with pytest.raises(CheckFailedError, match=r"two results for the same pieces:\n  'One. Two'") as caught:
        assert_boundary_invariant(lambda pieces: chance.random(), "One. Two")
    assert caught.value.message.splitlines()[4].split() == ["at", "first", "again"]
    assert not isinstance(caught.value, BoundaryVarianceError)


def test_a_subject_that_keeps_state_between_calls_is_unrepeatable() -> None:
    kept: list[str] = []

    def reads(pieces: list[str]) -> list[str]:
        kept.extend(pieces)
        return list(kept)

    with pytest.raises(CheckFailedError, match="keep state from one call for the next"):
        assert_boundary_invariant(reads, "One. Two")


def test_a_subject_that_differs_once_is_unrepeatable_for_the_cut() -> None:
    calls = itertools.count()
    with pytest.raises(CheckFailedError, match=r"'O\|·ne. Two'"):
        assert_boundary_invariant(lambda pieces: next(calls) == 1, "One. Two")


def test_a_subject_with_changing_exceptions_is_unrepeatable() -> None:
    calls = itertools.count(1)

    def fails(pieces: list[str]) -> None:
        if len(pieces) > 1:
            msg = f"call {next(calls)}"
            raise OSError(msg)

    with pytest.raises(CheckFailedError) as caught:
        assert_boundary_invariant(fails, "One. Two")
    assert caught.value.message.splitlines()[5].split("  ") == ["! raised OSError: call 1", "raised OSError: call 2"]


class Incomparable:
    def __eq__(self, other: object) -> bool:
        msg = "ambiguous"
        raise ValueError(msg)

    __hash__ = object.__hash__


async def items(pieces: list[str]):
    for piece in pieces:
        yield piece


ONE_LIST: list[str] = []


@pytest.mark.parametrize(
    ("subject", "rule"),
    [
        (lambda pieces: object(), "equal for the same pieces, but they only look alike"),
        (lambda pieces: float("nan"), "nan equals nothing"),
        (lambda pieces: [object()], "compared by its content"),
        (iter, "not <list_iterator .* Return a list of its items"),
        (lambda pieces: (piece for piece in pieces), "not <generator .* Return a list"),
        (items, "Invalid subject: items. .* not <async_generator .* Return a list"),
        (lambda pieces: ONE_LIST, "one mutable object twice, as that equals itself"),
        (lambda pieces: Incomparable(), r"== raised ValueError: ambiguous. .* the list of an array"),
    ],
    ids=["identity", "nan", "identity inside", "iterator", "generator", "async generator", "one object", "no =="],
)
def test_a_subject_whose_results_cannot_be_compared_is_rejected(
    subject: Callable[[list[str]], object], rule: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=rule):
        assert_boundary_invariant(subject, "One. Two")


@pytest.mark.parametrize("constant", [None, True, "x", 3, (), SentenceChunker, test_at_least_ten_bugs_are_planted])
def test_a_subject_may_return_the_same_immutable_object_each_time(constant: object) -> None:
    assert_boundary_invariant(lambda pieces: constant, "One. Two")


@pytest.mark.parametrize(
    ("subject", "text", "options", "rule"),
    [
        (SentenceChunker, "x", {}, r"It must be an instance: pass SentenceChunker\(\)"),
        (3, "x", {}, "Invalid subject: 3. .* a ChunkingStrategy, an alias such as 'sentence', or a function"),
        (SentenceChunker().chunker(), "x", {}, "It must be a ChunkingStrategy"),
        (None, "x", {}, "Without chunking every delta is a chunk"),
        (stripped, b"x", {}, "Invalid text: b'x'. It must be a str. For a Script, pass script.text"),
        (stripped, Script.of("x"), {}, "pass script.text"),
        (stripped, "x", {"examples": -1}, "Invalid examples: -1. .* 0 or more"),
        (stripped, "x", {"examples": 1.5}, "Invalid examples: 1.5. .* number of random cuts"),
    ],
    ids=["class", "number", "chunker", "None", "bytes", "script", "negative", "float"],
)
def test_an_invalid_argument_is_rejected(subject: Subject, text: str, options: dict[str, int], rule: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rule):
        assert_boundary_invariant(subject, text, **options)


def test_an_unknown_alias_is_rejected() -> None:
    with pytest.raises(UnknownNameError, match="Unknown chunking alias 'sentances'"):
        assert_boundary_invariant("sentances", "x")
