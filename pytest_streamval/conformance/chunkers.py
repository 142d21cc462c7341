"""`check_chunker`: the check of the contract of a chunking strategy."""

from __future__ import annotations

import random
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from pytest_streamval.conformance import rules
from pytest_streamval.conformance.chunker_checks import (
    OTHER,
    CheckedStrategy,
    RuleBrokenError,
    Violation,
    check_cuts,
    check_delay,
    check_empty_deltas,
    check_parallel_streams,
    check_repeated_calls,
    check_split,
    with_empties,
)
from pytest_streamval.conformance.corpus import corpus
from pytest_streamval.conformance.growth import DELTA, growing_quarters
from pytest_streamval.engine.chunking_strategy import ChunkingStrategy
from pytest_streamval.engine.simple_chunkers import resolve_chunking
from pytest_streamval.errors import ChunkingContractError, ConformanceError, InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.cuts import Cut, show_cuts
from pytest_streamval.fuzzing.shrinking import smallest_pieces
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_UNITS = ("a", "word ", "One. Two\n\n", "\n", '"(`')  # repeated in long texts, with and without boundaries
_CUTS = 6  # of each text: none, after every character, before every word, and random ones
_STREAMS = 20  # texts for the checks whether streams affect each other
_SPLIT_LIMIT = 100_000  # characters that `split` reads for one cut, which limits the number of pieces

_EXPECTED = {  # from split() or flush()
    rules.MONOTONE: "a result that begins with the chunks of the one before",
    rules.RELEASE: "pieces of the text after the last complete chunk",
    rules.SPLITS: "a list of pieces of the text, in order",
}

_Check: TypeAlias = "Callable[[CheckedStrategy, list[str]], None]"
_Cuts: TypeAlias = "tuple[tuple[str, ...], ...]"  # one text, in the pieces of each cut


def check_chunker(strategy: ChunkingStrategy | str, *, texts: Iterable[str] = (), bounded_delay: bool = True) -> None:
    """Check the contract of a chunking strategy with many texts under many cuts, which takes about a second.

    The rules are those of `pytest_streamval.engine.chunking_strategy`. The texts are the same each time. Rule 4 is
    measured, and only if the strategy defines `chunker`. A strategy that has only `split` and `flush` receives the
    complete text after every delta, so its interface makes it quadratic.

    Args:
        strategy: An instance, or the alias of a built-in strategy.
        texts: More texts, for a strategy with boundaries of its own kind. They should contain such boundaries, and have
            up to 300 characters, so that each can be cut after every character.
        bounded_delay: Whether to check rule 3. Use False for a strategy that needs more than one word after a boundary.

    Raises:
        ConformanceError: An `AssertionError`. If a rule is broken. It has the rule, the smallest text and cut that
            break it, and the expected and the actual result. An exception of the strategy is its cause.
        InvalidArgumentError: A `TypeError`. If the strategy is not a strategy, or `texts` is not a list of str.
    """
    checked = CheckedStrategy(_checked_strategy(strategy), bounded_delay)
    own = _own_texts(texts)
    texts_in_pieces = [*map(_cuts_of, own), *_corpus_in_pieces()]
    uncut: list[_Cuts] = [cuts[:1] for cuts in texts_in_pieces]
    finest: list[_Cuts] = [(max(cuts, key=len),) for cuts in texts_in_pieces]
    for check, tried in (
        (check_repeated_calls, uncut[:_STREAMS]),
        (check_parallel_streams, finest[:_STREAMS]),
        (check_cuts, texts_in_pieces),
        (check_empty_deltas, finest),
        (check_split, texts_in_pieces),
        (check_delay, finest),
    ):
        for pieces in chain.from_iterable(tried):
            _try_pieces(checked, check, list(pieces))
    if checked.is_incremental():
        for unit in (*_UNITS, *filter(None, own[:2])):
            _try_growth(checked, unit)


def _checked_strategy(strategy: object) -> ChunkingStrategy:
    if isinstance(strategy, str):
        strategy = resolve_chunking(strategy)
    if isinstance(strategy, ChunkingStrategy):
        return strategy
    rule = "It must be an instance of ChunkingStrategy, or the alias of a built-in one."
    if isinstance(strategy, type) and issubclass(strategy, ChunkingStrategy):
        rule = f"It must be an instance: pass {strategy.__name__}()."
    raise InvalidArgumentError("strategy", excerpt(strategy), rule)


def _own_texts(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str) or not hasattr(texts, "__iter__"):
        raise InvalidArgumentError("texts", excerpt(texts), "It must be a list of str.")
    found = list(texts)
    for index, text in enumerate(found):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"texts[{index}]", excerpt(text), "It must be a str.")
    return found


@cache
def _corpus_in_pieces() -> tuple[_Cuts, ...]:
    return tuple(map(_cuts_of, (*corpus(), OTHER)))


def _cuts_of(text: str) -> _Cuts:
    most = _SPLIT_LIMIT // (len(text) + 1)
    found: dict[tuple[str, ...], None] = {}  # an ordered set
    for cut in Cut.first(_CUTS):
        offsets = cut.of_text(text)
        if len(offsets) > most:
            offsets = random.Random(cut.name).sample(offsets, most)  # noqa: S311  # repeatable chance, not secrets
        found[tuple(pieces_of(text, offsets))] = None
    return tuple(found)


def _try_pieces(checked: CheckedStrategy, check: _Check, pieces: list[str]) -> None:
    """Run a check on pieces. If it finds a violation, raise the error for the smallest pieces that show it."""
    first = _violation(checked, check, pieces)
    if first is None:
        return
    violations = [first]

    def fails(candidate: list[str]) -> bool:
        violation = _violation(checked, check, candidate)
        if violation is None or not violation.is_like(first):
            return False
        violations.append(violation)
        return True

    smallest = smallest_pieces(pieces, fails)
    _raise_violation(
        checked, violations[-1], show_cuts(with_empties(smallest) if check is check_empty_deltas else smallest)
    )


def _violation(checked: CheckedStrategy, check: _Check, pieces: list[str]) -> Violation | None:
    try:
        check(checked, pieces)
    except RuleBrokenError as broken:
        return broken.violation
    except ChunkingContractError as error:
        return _engine_violation(error)
    except Exception as error:  # noqa: BLE001  # any exception of the strategy is a violation
        return Violation(rules.ANY_TEXT, "no exception", rules.show_exception(error), error)
    return None


def _engine_violation(error: ChunkingContractError) -> Violation:
    """Return the violation that the engine found in a result of `split` or `flush`."""
    rule = rules.SPLITS
    if error.fault.startswith("took back"):
        rule = rules.MONOTONE
    elif error.strategy.endswith("flush()") and "does not occur" in error.fault:
        rule = rules.RELEASE
    return Violation(rule, _EXPECTED[rule], f"{error.strategy} {error.fault}", error)


def _raise_violation(checked: CheckedStrategy, violation: Violation, example: str) -> NoReturn:
    name, rule = excerpt(checked.strategy), violation.rule
    error = ConformanceError(name, rule.words, example, violation.expected, violation.came, rule.way_out)
    raise error from violation.cause


def _try_growth(checked: CheckedStrategy, unit: str) -> None:
    try:
        quarters = growing_quarters(checked.strategy, unit)
    except Exception as error:  # noqa: BLE001  # any exception of the strategy is a violation
        violation = Violation(rules.ANY_TEXT, "no exception", rules.show_exception(error), error)
    else:
        if quarters is None:
            return
        times = ", ".join(f"{seconds * 1000:.1f}" for seconds in quarters)
        violation = Violation(rules.LINEAR, "as much time for each quarter of the text", f"{times} ms for the quarters")
    _raise_violation(checked, violation, f"{excerpt(unit)} over and over, in deltas of {DELTA} characters")
