"""Hypothesis strategies: texts as models write them, streams of them, faults of providers, and requirements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, overload

from hypothesis import strategies as st

from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.text_strategies import byte_splits, cuts, scripts, texts, tokenizations
from pytest_streamval.server import faults as _faults

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from pytest_streamval.engine.backend import Backend
    from pytest_streamval.engine.context import Context
    from pytest_streamval.engine.requirement import Verdict
    from pytest_streamval.server.faults import Fault

__all__ = ["byte_splits", "cuts", "cuts_of_all", "faults", "requirements", "scripts", "texts", "tokenizations"]

_VERDICTS: Final = ("pass", "unknown", "fail")
_DELTAS: Final = 8  # the most deltas before a fault
_BYTES: Final = 400  # the same in bytes


class ScriptedRequirement(Requirement):
    """A requirement whose verdicts are known in advance."""

    def __init__(self, *verdicts: Verdict, complete: bool = True) -> None:
        """Create a requirement.

        Args:
            verdicts: The verdict on each chunk. On later chunks it is "unknown".
            complete: The verdict on the complete output.
        """
        super().__init__()
        self.verdicts = verdicts
        """The verdict on each chunk."""
        self.complete = complete
        """The verdict on the complete output."""
        self._checked = 0

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Return the next verdict."""
        del chunk, backend, ctx
        self._checked += 1
        return PartialValidationResult(
            self.verdicts[self._checked - 1] if self._checked <= len(self.verdicts) else "unknown"
        )

    async def validate(self, backend: Backend, ctx: Context, **options: Any) -> ValidationResult:  # noqa: ANN401  # as its base
        """Return the verdict on the complete output."""
        del backend, ctx, options
        return ValidationResult(self.complete)

    def __repr__(self) -> str:
        shown = [*map(repr, self.verdicts), *([] if self.complete else ["complete=False"])]
        return f"{type(self).__name__}({', '.join(shown)})"


def requirements(verdicts: Sequence[Verdict] = _VERDICTS, *, max_size: int = 8) -> SearchStrategy[ScriptedRequirement]:
    """Return a strategy for requirements with known verdicts, which they have as `verdicts` and `complete`.

    Without "fail" among the verdicts, the requirements accept the complete output, too. They shrink to requirements
    without verdicts, which answer "unknown" to each chunk.

    Args:
        verdicts: The possible verdicts on a chunk, the simplest first.
        max_size: The most chunks with a verdict of their own.

    Raises:
        InvalidArgumentError: A `ValueError`. If an argument of the strategy is invalid.
    """
    given: object = verdicts
    if isinstance(given, str) or not verdicts or not set(verdicts) <= set(_VERDICTS):
        rule = 'They must be some of "pass", "unknown" and "fail", in a list.'
        raise InvalidArgumentError("verdicts", excerpt(given), rule)
    _check_number("max_size", max_size)
    complete = st.sampled_from((True, False)) if "fail" in verdicts else st.just(value=True)
    return _requirements(tuple(verdicts), max_size, complete)


def faults(*, max_deltas: int = _DELTAS) -> SearchStrategy[Fault]:
    """Return a strategy for faults of a provider and of the network, of every kind and at any place.

    Args:
        max_deltas: The most deltas before the fault.

    Raises:
        InvalidArgumentError: A `ValueError`. If the argument is invalid.
    """
    _check_number("max_deltas", max_deltas)
    return _drawn_faults(max_deltas)


@overload
def cuts_of_all(texts: Mapping[str, str]) -> SearchStrategy[dict[str, tuple[int, ...]]]: ...


@overload
def cuts_of_all(texts: Sequence[str]) -> SearchStrategy[tuple[tuple[int, ...], ...]]: ...


def cuts_of_all(texts: Mapping[str, str] | Sequence[str]) -> SearchStrategy[Any]:
    """Return a strategy for cuts of several streams at once, each like those of `cuts`.

    Args:
        texts: The texts by their names, or in a list. The cuts have the same names or the same order.

    Raises:
        InvalidArgumentError: A `TypeError`. If the strategy gets no text, or one of the texts is not a str.
    """
    given: object = texts
    if isinstance(given, str) or not isinstance(given, Mapping | Sequence) or not given:
        raise InvalidArgumentError(
            "texts", excerpt(given), "They must be texts in a list, or in a dict by their names."
        )
    if isinstance(texts, Mapping):
        return st.fixed_dictionaries({name: cuts(text) for name, text in texts.items()})
    return st.tuples(*map(cuts, texts))


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, int) or value < 0:
        raise InvalidArgumentError(name, excerpt(value), "It must be a whole number, 0 or more.")


@st.composite
def _requirements(
    draw: DrawFn, verdicts: tuple[Verdict, ...], max_size: int, complete: SearchStrategy[bool]
) -> ScriptedRequirement:
    drawn = draw(st.lists(st.sampled_from(verdicts), max_size=max_size))
    return ScriptedRequirement(*drawn, complete=draw(complete))


@st.composite
def _drawn_faults(draw: DrawFn, max_deltas: int) -> Fault:
    fault = draw(st.sampled_from(_faults.all()))
    if fault.after_deltas is not None:
        return replace(fault, after_deltas=draw(st.integers(0, max_deltas)))
    if fault.after_bytes is not None:
        return replace(fault, after_bytes=draw(st.integers(0, _BYTES)))
    return fault
