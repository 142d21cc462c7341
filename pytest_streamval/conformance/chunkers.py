"""`check_chunker`: whether a chunking strategy keeps its contract."""

from __future__ import annotations

import random
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from pytest_streamval.conformance.chunker_checks import (
    OTHER,
    Fault,
    RuleBroken,
    Subject,
    agrees_with_split,
    answers_the_same_again,
    decides_in_time,
    keeps_what_it_gave,
    passes_over_empty_deltas,
    serves_streams_side_by_side,
    with_empties,
)
from pytest_streamval.conformance.corpus import corpus
from pytest_streamval.conformance.growth import DELTA, growing_quarters
from pytest_streamval.conformance.rules import ANSWERS, ANY_TEXT, LINEAR, MONOTONE, RELEASE, raised
from pytest_streamval.engine.chunkers import resolve_chunking
from pytest_streamval.engine.chunking import ChunkingStrategy
from pytest_streamval.errors import ChunkingContractError, ConformanceError, InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.cuts import Cut, marked
from pytest_streamval.fuzzing.shrinking import shrink
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_UNITS = ("a", "word ", "One. Two\n\n", "\n", '"(`')  # of texts that are long; with and without boundaries
_CUTS = 6  # of each text: whole, behind every character, before every word, and random ones
_STREAMS = 20  # texts that are enough to see whether streams disturb each other
_LOOKS = 100_000  # characters that a strategy of `split` alone is shown for one cut, which bounds how many pieces

_EXPECTED = {  # of an answer of split() or flush()
    MONOTONE: "an answer that begins with the chunks of the one before",
    RELEASE: "pieces of what stands behind the last complete chunk",
    ANSWERS: "a list of pieces of the text, each behind the one before",
}

_Check: TypeAlias = "Callable[[Subject, list[str]], None]"
_Cuts: TypeAlias = "tuple[tuple[str, ...], ...]"  # one text, in the pieces of each cut


def check_chunker(strategy: ChunkingStrategy | str, *, texts: Iterable[str] = (), bounded_delay: bool = True) -> None:
    """Check that a chunking strategy keeps its contract, on many texts under many cuts; takes about a second.

    The rules are those of `pytest_streamval.engine.chunking`. The texts are always the same. Rule 4 is judged by
    measuring, and only where the strategy defines `chunker`: one of `split` and `flush` alone is asked with the whole
    text after every delta, and therefore quadratic by its interface.

    Args:
        strategy: an instance, or the alias of a built-in one.
        texts: further texts to try, for a strategy whose boundaries are of its own kind: texts that have some, of up
            to 300 characters, so that each can be cut behind every character.
        bounded_delay: whether rule 3 is asked for. Turn it off for a strategy that has to see more than one word
            behind a boundary, such as one that looks for the end of a sentence two words on.

    Raises:
        ConformanceError: an `AssertionError`; it names the rule, the smallest text and cut that break it, what was
            expected and what came. Where the strategy itself raised, that is the cause.
        InvalidArgumentError: a `TypeError`; the strategy is none, or `texts` are no texts.
    """
    subject = Subject(_checked(strategy), bounded_delay)
    own = _checked_texts(texts)
    texts_in_pieces = [*map(_cuts_of, own), *_corpus_in_pieces()]
    whole: list[_Cuts] = [cuts[:1] for cuts in texts_in_pieces]
    finest: list[_Cuts] = [(max(cuts, key=len),) for cuts in texts_in_pieces]
    for check, tried in (
        (answers_the_same_again, whole[:_STREAMS]),
        (serves_streams_side_by_side, finest[:_STREAMS]),
        (keeps_what_it_gave, texts_in_pieces),
        (passes_over_empty_deltas, finest),
        (agrees_with_split, texts_in_pieces),
        (decides_in_time, finest),
    ):
        for pieces in chain.from_iterable(tried):
            _try(subject, check, list(pieces))
    if subject.is_incremental():
        for unit in (*_UNITS, *filter(None, own[:2])):
            _try_growth(subject, unit)


def _checked(strategy: object) -> ChunkingStrategy:
    if isinstance(strategy, str):
        strategy = resolve_chunking(strategy)
    if isinstance(strategy, ChunkingStrategy):
        return strategy
    rule = "it takes an instance of ChunkingStrategy, or the alias of a built-in one."
    if isinstance(strategy, type) and issubclass(strategy, ChunkingStrategy):
        rule = f"That is the class; pass an instance, {strategy.__name__}()."
    raise InvalidArgumentError("strategy", excerpt(strategy), rule)


def _checked_texts(texts: Iterable[str]) -> list[str]:
    rule = "It takes a list of str."
    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise InvalidArgumentError("texts", excerpt(texts), rule)
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"texts[{index}]", excerpt(text), rule)
    return found


@cache
def _corpus_in_pieces() -> tuple[_Cuts, ...]:
    return tuple(map(_cuts_of, (*corpus(), OTHER)))


def _cuts_of(text: str) -> _Cuts:
    """Return a text in pieces, cut in several ways, the uncut one first."""
    most = _LOOKS // (len(text) + 1)
    found: dict[tuple[str, ...], None] = {}  # in order, each once
    for cut in Cut.first(_CUTS):
        offsets = cut.offsets(text)
        if len(offsets) > most:
            offsets = random.Random(cut.name).sample(offsets, most)  # noqa: S311  # repeatable chance, not secrets
        found[tuple(pieces_of(text, offsets))] = None
    return tuple(found)


def _try(subject: Subject, check: _Check, pieces: list[str]) -> None:
    """Check pieces; where a rule is broken, raise what the smallest pieces show."""
    first = _fault_of(subject, check, pieces)
    if first is None:
        return
    faults = [first]

    def fails(candidate: list[str]) -> bool:
        fault = _fault_of(subject, check, candidate)
        if fault is None or not fault.is_like(first):
            return False
        faults.append(fault)
        return True

    smallest = shrink(pieces, fails)
    _raise(subject, faults[-1], marked(with_empties(smallest) if check is passes_over_empty_deltas else smallest))


def _fault_of(subject: Subject, check: _Check, pieces: list[str]) -> Fault | None:
    try:
        check(subject, pieces)
    except RuleBroken as broken:
        return broken.fault
    except ChunkingContractError as error:
        return _fault_in_answers(error)
    except Exception as error:  # noqa: BLE001  # whatever the strategy raises is what is looked for
        return Fault(ANY_TEXT, "no exception", raised(error), error)
    return None


def _fault_in_answers(error: ChunkingContractError) -> Fault:
    """Return what the engine found wrong in an answer of `split` or `flush`."""
    rule = ANSWERS
    if error.fault.startswith("took back"):
        rule = MONOTONE
    elif error.strategy.endswith("flush()") and "does not occur" in error.fault:
        rule = RELEASE
    return Fault(rule, _EXPECTED[rule], f"{error.strategy} {error.fault}", error)


def _raise(subject: Subject, fault: Fault, example: str) -> NoReturn:
    name, rule = excerpt(subject.strategy), fault.rule
    error = ConformanceError(name, rule.words, example, fault.expected, fault.came, rule.way_out)
    raise error from fault.cause


def _try_growth(subject: Subject, unit: str) -> None:
    try:
        quarters = growing_quarters(subject.strategy, unit)
    except Exception as error:  # noqa: BLE001  # whatever the strategy raises is what is looked for
        fault = Fault(ANY_TEXT, "no exception", raised(error), error)
    else:
        if quarters is None:
            return
        times = ", ".join(f"{seconds * 1000:.1f}" for seconds in quarters)
        fault = Fault(LINEAR, "as much time for each quarter of the text", f"{times} ms for the quarters")
    _raise(subject, fault, f"{excerpt(unit)} over and over, in deltas of {DELTA} characters")
