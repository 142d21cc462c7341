"""What comes of a text may not depend on where it was cut, and where it does, the smallest cut is shown."""

from __future__ import annotations

import asyncio
import functools
import itertools
import pickle
import random
from contextvars import ContextVar
from typing import TYPE_CHECKING

import pytest
from hypothesis import Phase, find, given, settings

from pytest_streamval.engine.chunkers import LineChunker, ParagraphChunker, SentenceChunker, WordChunker
from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.errors import (
    BoundaryVarianceError,
    ChunkingContractError,
    EventLoopRunningError,
    InvalidArgumentError,
    StreamvalError,
    UnknownChunkingError,
    UnrepeatableResultError,
)
from pytest_streamval.fuzzing import strategies
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


def refused(subject: object, text: str, **options: int) -> BoundaryVarianceError:
    with pytest.raises(BoundaryVarianceError) as caught:
        assert_boundary_invariant(subject, text, **options)  # type: ignore[arg-type]  # whatever a case brings
    return caught.value


# Planted bugs, and what is right


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_a_planted_bug_is_found_with_its_smallest_cut(planted: Planted) -> None:
    assert planted.broken
    assert refused(planted.subject, planted.text).pieces == planted.cut


@pytest.mark.parametrize(
    "planted",
    [planted for planted in PLANTED if planted.subject is not strict_records],  # which reads no other text
    ids=lambda planted: planted.name,
)
def test_a_planted_bug_is_found_in_a_longer_text(planted: Planted) -> None:
    text = f"{planted.text}\n{LONG[:90]}\n{planted.text}"
    error = refused(planted.subject, text)
    assert "".join(error.pieces) == text
    assert len(error.pieces) <= 3


def test_at_least_ten_bugs_are_planted() -> None:
    assert len({planted.name for planted in PLANTED}) == len(PLANTED) >= 10


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("subject", [*CORRECT, *BUILT_IN], ids=lambda subject: getattr(subject, "__name__", None))
def test_what_is_right_is_not_accused(subject: Subject, text: str) -> None:
    assert_boundary_invariant(subject, text, examples=20)


@pytest.mark.parametrize("alias", ["sentence", "word", "paragraph", "line", "prose"])
def test_a_strategy_is_known_by_its_alias(alias: str) -> None:
    for text in NASTY:
        assert_boundary_invariant(alias, text, examples=5)


NOT_ASYNC = tuple(subject for subject in (*CORRECT, *BUILT_IN) if not asyncio.iscoroutinefunction(subject))


@settings(max_examples=40, deadline=None)
@given(pieces=strategies.tokenizations())
def test_what_is_right_makes_the_same_of_any_pieces(pieces: list[str]) -> None:
    for subject in NOT_ASYNC:
        assert played(subject, pieces) == played(subject, ["".join(pieces)])


FINDING = settings(
    max_examples=300, deadline=None, database=None, derandomize=True, phases=[Phase.generate, Phase.shrink]
)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_the_strategies_find_a_planted_bug_too(planted: Planted) -> None:
    def outcome(pieces: list[str]) -> object:
        try:
            return runner.run(result_of(planted.subject, pieces))
        except ValueError as error:
            return str(error)

    with asyncio.Runner() as runner:
        whole = outcome([planted.text])
        find(
            strategies.tokenizations(planted.text),
            lambda pieces: outcome(pieces) != whole,
            settings=settings(FINDING, phases=[Phase.generate]),
        )


@pytest.mark.parametrize("reader", PLANTED_READERS, ids=lambda reader: reader.__name__)
def test_the_strategies_find_what_a_reader_does_to_bytes_that_are_cut(reader: Callable[[list[bytes]], object]) -> None:
    data = "naïve".encode()
    smallest = find(strategies.byte_splits(data), lambda reads: reader(reads) != reader([data]), settings=FINDING)
    assert len(smallest) == 2


# What a failure says


def test_a_strategy_fails_with_the_cut_both_results_and_a_script() -> None:
    assert str(refused(BoundaryInOneDelta(), "One. Two")) == (
        "BoundaryInOneDelta() gives another result when its text comes in 2 pieces, cut here:\n"
        "  'One.|· Two'\n"
        "A result may depend on the text alone, never on where it was cut: what one piece leaves open has to wait "
        "until the next one decides it.\n"
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
    """Reads in one of its methods, and when it is called."""

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
def test_a_function_fails_under_its_name_with_the_pieces(subject: Subject, name: str, again: str) -> None:
    error = refused(subject, "a b")
    assert error.subject.startswith(name)
    assert str(error).startswith(name)
    assert error.reproduction == again
    assert error.pieces == ("a", " b")
    assert error.comparison == ("  as one text  as cut", "! 'a b'        'ab'")


def test_a_function_inside_another_is_known_by_its_own_name() -> None:
    def inner(pieces: list[str]) -> int:
        return len(pieces)

    assert refused(inner, "ab").subject == "inner"


def test_of_a_long_text_the_surroundings_of_the_cut_are_shown_and_the_text_is_named() -> None:
    error = refused(BoundaryInOneDelta(), LONG)
    assert error.cut == f"... '{LONG[14:44]}|·{LONG[44:74]}' ... (1 cut in 1,810 characters)"
    assert error.reproduction == "Script.of(text).recut([44])"
    assert len(str(error)) < 1500
    error = refused(stripped, LONG)
    assert error.reproduction == "stripped([text[a:b] for a, b in itertools.pairwise([0, 3, 1810])])"


class EachDelta(ChunkingStrategy):
    """Gives nothing until a great many deltas have come."""

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


def test_single_characters_are_written_as_such() -> None:
    text = "abcdefghijklm"
    assert refused(EachDelta(13), text).reproduction == "Script.from_text('abcdefghijklm')"
    assert refused(lambda pieces: len(pieces) > 12, text).reproduction == "list('abcdefghijklm')"
    assert refused(EachDelta(4), "abcd").reproduction == "Script.of('a', 'b', 'c', 'd')"
    assert refused(EachDelta(400), "ab" * 200).reproduction == "Script.from_text(text)"
    assert refused(lambda pieces: len(pieces) == 400, "ab" * 200).reproduction == "list(text)"


def test_what_is_raised_for_a_cut_alone_is_a_difference() -> None:
    def fails(pieces: list[str]) -> str:
        if len(pieces) > 1:
            msg = f"{len(pieces)} pieces"
            raise LookupError(msg)
        return "fine"

    error = refused(fails, "abc")
    assert error.comparison == ("  as one text  as cut", "! 'fine'       raised LookupError: 2 pieces")
    assert isinstance(error.__cause__, LookupError)
    error = refused(next(planted.subject for planted in PLANTED if "takes the chunk back" in planted.broken), "1.5")
    assert isinstance(error.__cause__, ChunkingContractError)


def test_what_is_raised_for_the_whole_text_is_left_alone() -> None:
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
def test_what_is_no_error_of_the_subject_is_not_swallowed(outcome: type[BaseException], asynchronous: bool) -> None:
    def ends(pieces: list[str]) -> None:
        if len(pieces) > 1:
            raise outcome

    async def ends_later(pieces: list[str]) -> None:
        await asyncio.sleep(0)
        ends(pieces)

    with pytest.raises(outcome):
        assert_boundary_invariant(ends_later if asynchronous else ends, "One. Two")


@pytest.mark.parametrize(
    "error",
    [
        BoundaryVarianceError("f", "'a|·b'", ["a", "b"], ["! x  y"], "f(['a', 'b'])"),
        UnrepeatableResultError("f", "'a'", ["! x  y"]),
        EventLoopRunningError("assert_boundary_invariant", "f"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_crosses_processes(error: StreamvalError) -> None:
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301  # its own
    assert (type(twin), twin.args, str(twin)) == (type(error), error.args, str(error))
    assert vars(twin) == vars(error)


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
    ids=["exhaustive", "isolated", "three cuts", "the last", "any", "two isolated", "behind a pair"],
)
def test_a_cut_is_made_as_small_as_it_can_be(
    differs: Callable[[list[str]], bool], text: str, cut: tuple[str, ...]
) -> None:
    assert refused(differs, text).pieces == cut


def test_cuts_are_moved_to_the_left_together_and_alone() -> None:
    def differs(pieces: list[str]) -> bool:
        return len(pieces) > 3 and len(pieces[1]) == len(pieces[2])

    assert refused(differs, "abcdefghijklmnopqrst").pieces == ("a", "b", "c", "defghijklmnopqrst")


# What is tried, and how much of it


class Recorder:
    """Remembers the pieces of every call, and makes the same of any, until a number of them has come."""

    def __init__(self, limit: int | None = None) -> None:
        self.calls: list[list[str]] = []
        self.limit = limit

    def __call__(self, pieces: list[str]) -> bool:
        self.calls.append(list(pieces))
        pieces.clear()  # they are the subject's own
        return self.limit is not None and len(self.calls[-1]) > self.limit


def tried(text: str, **options: int) -> list[list[str]]:
    recorder = Recorder()
    assert_boundary_invariant(recorder, text, **options)
    return recorder.calls


@pytest.mark.parametrize("text", [*NASTY, LONG[:300], PAIR * 3, f"{PAIR * 5} x\r\ny"])
def test_pieces_are_never_empty_nor_half_a_pair_and_always_the_text(text: str) -> None:
    for pieces in tried(text)[1:]:
        assert all(pieces)
        assert "".join(pieces) == text
        assert not any(piece[0] == "\udf4e" or piece[-1] == "\ud83c" for piece in pieces)


@pytest.mark.parametrize("text", ["", "x"])
def test_a_text_that_cannot_be_cut_is_played_once(text: str) -> None:
    assert tried(text) == [[text]]


def test_a_text_of_nine_characters_is_cut_in_every_way_and_no_way_twice() -> None:
    calls = [tuple(pieces) for pieces in tried("abcdefghi")]
    assert len(calls) == len(set(calls)) == 2**8
    assert tried("abc") == [["abc"], ["a", "bc"], ["ab", "c"], ["a", "b", "c"]]


def test_a_text_is_cut_once_anywhere_at_each_character_and_at_each_word_and_at_random() -> None:
    text = NASTY[0]
    calls = tried(text)
    assert calls[0] == [text]
    for offset in range(1, len(text)):
        assert [text[:offset], text[offset:]] in calls
    assert list(text) in calls
    assert calls == tried(text)
    assert len(calls) - len(tried(text, examples=0)) > 95
    assert len(tried(text, examples=0)) == len(text) + 2


def test_of_a_long_text_some_single_cuts_are_tried_at_edges_and_elsewhere() -> None:
    calls = tried(LONG, examples=0)
    singles = [len(pieces[0]) for pieces in calls if len(pieces) == 2]
    assert len(calls) - 3 == len(singles) <= 200
    assert singles == sorted(singles)
    assert singles[0] < 20
    assert singles[-1] > 1780
    between = [offset for offset in singles if LONG[offset - 1].isalnum() and LONG[offset].isalnum()]
    assert 20 < len(between) < 180


def test_the_number_of_calls_is_bounded_whether_all_is_well_or_not() -> None:
    assert len(tried(LONG)) <= 303
    failing = Recorder(limit=700)
    with pytest.raises(BoundaryVarianceError):
        assert_boundary_invariant(failing, LONG)
    assert len(failing.calls) <= 303 + 504


def test_a_cut_that_would_take_too_long_to_make_smaller_is_shown_as_it_is() -> None:
    error = refused(Recorder(limit=700), LONG)
    assert 701 <= len(error.pieces) < len(LONG)
    assert len(error.cut) < 600


# Asynchronous subjects


def test_all_calls_of_a_coroutine_function_run_in_one_loop_that_is_closed_in_the_end() -> None:
    loops = []

    async def reads(pieces: list[str]) -> str:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return "".join(pieces)

    assert_boundary_invariant(reads, "One. Two")
    assert len(loops) > 100
    assert len(set(map(id, loops))) == 1
    assert loops[0].is_closed()


def test_the_loop_is_closed_when_a_difference_is_found_and_when_the_subject_fails() -> None:
    loops = []

    async def reads(pieces: list[str]) -> int:
        loops.append(asyncio.get_running_loop())
        return 1 // (2 - len(pieces))

    assert isinstance(refused(reads, "One. Two").__cause__, ZeroDivisionError)
    with pytest.raises(TypeError):
        assert_boundary_invariant(lambda pieces: reads(None), "One. Two")  # type: ignore[arg-type]
    assert all(loop.is_closed() for loop in loops)


def test_anything_that_can_be_awaited_will_do() -> None:
    class Later:
        def __init__(self, pieces: list[str]) -> None:
            self.pieces = pieces

        def __await__(self):
            yield from asyncio.sleep(0).__await__()
            return "".join(self.pieces)

    assert_boundary_invariant(Later, "One. Two")


def test_context_variables_of_one_call_are_not_seen_by_the_next() -> None:
    count: ContextVar[int] = ContextVar("count", default=0)

    async def counts(pieces: list[str]) -> int:
        count.set(count.get() + 1)
        return count.get()

    assert_boundary_invariant(counts, "One. Two")


async def test_a_coroutine_is_told_how_to_check_another_one() -> None:
    async def reads(pieces: list[str]) -> str:
        return "".join(pieces)

    with pytest.raises(EventLoopRunningError, match=r"runs reads in an event loop .* plain `def` test; .*to_thread"):
        assert_boundary_invariant(reads, "One. Two")
    await asyncio.to_thread(assert_boundary_invariant, reads, "One. Two")
    assert_boundary_invariant(stripped, "One")


async def test_a_coroutine_is_told_so_of_anything_that_can_be_awaited() -> None:
    with pytest.raises(EventLoopRunningError):
        assert_boundary_invariant(lambda pieces: asyncio.get_running_loop().create_future(), "One. Two")


# Subjects that are no use


def test_a_subject_that_gives_two_results_for_the_same_pieces_is_told_apart() -> None:
    chance = random.Random(1)  # noqa: S311  # repeatable chance, not secrets
    with pytest.raises(UnrepeatableResultError, match=r"two results for the very same pieces:\n  'One. Two'") as caught:
        assert_boundary_invariant(lambda pieces: chance.random(), "One. Two")
    assert caught.value.comparison[0].split() == ["at", "first", "again"]
    assert not isinstance(caught.value, BoundaryVarianceError)


def test_a_subject_that_keeps_something_from_one_call_for_the_next_is_told_apart() -> None:
    kept: list[str] = []

    def reads(pieces: list[str]) -> list[str]:
        kept.extend(pieces)
        return list(kept)

    with pytest.raises(UnrepeatableResultError, match="keep something from one call for the next"):
        assert_boundary_invariant(reads, "One. Two")


def test_a_subject_that_differs_now_and_then_is_told_apart_by_the_cut() -> None:
    calls = itertools.count()
    with pytest.raises(UnrepeatableResultError, match=r"'O\|·ne. Two'"):
        assert_boundary_invariant(lambda pieces: next(calls) == 1, "One. Two")


def test_a_subject_that_raises_now_and_then_is_told_apart() -> None:
    calls = itertools.count(1)

    def fails(pieces: list[str]) -> None:
        if len(pieces) > 1:
            msg = f"call {next(calls)}"
            raise OSError(msg)

    with pytest.raises(UnrepeatableResultError) as caught:
        assert_boundary_invariant(fails, "One. Two")
    assert caught.value.comparison[1].split("  ") == ["! raised OSError: call 1", "raised OSError: call 2"]


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
        (lambda pieces: object(), "not equal even for the same pieces, although they look alike"),
        (lambda pieces: float("nan"), "nan equals nothing"),
        (lambda pieces: [object()], "compared by its content"),
        (iter, "it returned <list_iterator .* Return a list of its items"),
        (lambda pieces: (piece for piece in pieces), "it returned <generator .* Return a list"),
        (items, "subject=items .* it returned <async_generator .* Return a list"),
        (lambda pieces: ONE_LIST, "the very same object twice, which always equals itself"),
        (lambda pieces: Incomparable(), r"== raised ValueError: ambiguous. .* the list of an array"),
    ],
    ids=["identity", "nan", "identity inside", "iterator", "generator", "async generator", "one object", "no =="],
)
def test_results_that_cannot_be_compared_are_said_to_be(subject: Callable[[list[str]], object], rule: str) -> None:
    with pytest.raises(InvalidArgumentError, match=rule):
        assert_boundary_invariant(subject, "One. Two")


@pytest.mark.parametrize("constant", [None, True, "x", 3, (), SentenceChunker, test_at_least_ten_bugs_are_planted])
def test_a_constant_is_a_result_as_any_other(constant: object) -> None:
    assert_boundary_invariant(lambda pieces: constant, "One. Two")


@pytest.mark.parametrize(
    ("subject", "text", "options", "rule"),
    [
        (SentenceChunker, "x", {}, r"that is the class; pass an instance, SentenceChunker\(\)"),
        (3, "x", {}, "subject=3 .* a ChunkingStrategy, an alias such as 'sentence', or a function"),
        (SentenceChunker().chunker(), "x", {}, "it is a ChunkingStrategy"),
        (None, "x", {}, "without chunking every delta is a chunk"),
        (stripped, b"x", {}, "text=b'x' .* it is a str; of a Script, pass script.text"),
        (stripped, Script.of("x"), {}, "pass script.text"),
        (stripped, "x", {"examples": -1}, "examples=-1 .* 0 or more"),
        (stripped, "x", {"examples": 1.5}, "examples=1.5 .* how many random cuts"),
    ],
    ids=["class", "number", "chunker", "None", "bytes", "script", "negative", "float"],
)
def test_an_argument_that_does_not_fit_is_refused(
    subject: Subject, text: str, options: dict[str, int], rule: str
) -> None:
    with pytest.raises(InvalidArgumentError, match=rule):
        assert_boundary_invariant(subject, text, **options)


def test_an_unknown_alias_is_refused() -> None:
    with pytest.raises(UnknownChunkingError, match="Unknown chunking alias 'sentances'"):
        assert_boundary_invariant("sentances", "x")
