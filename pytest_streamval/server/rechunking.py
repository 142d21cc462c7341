"""Re-cutting at the wire: the bytes of an answer in other writes."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Frame
from pytest_streamval.server.spoiling import apart, frames, together

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.server.rendering import Question

_INSIDE = re.compile(rb"(?<=\r)(?=\n)|(?<=\n)(?=\r?\n)|(?<=[\x80-\xff])(?=[\x80-\xbf])|(?<=[\xc2-\xf4])(?=[\x80-\xbf])")
_DENSITIES = (1 / 4, 1 / 16, 1 / 64)  # of a random cut: how many of the places it takes


def recut(steps: Steps, cut: Cut, question: Question) -> Steps:
    """Return an answer in other writes: all in one, a byte each, a frame each, or cut at random.

    The first random cut goes through every line end and every character of several bytes; the others choose, and prefer
    such places.
    """
    if cut.name == "whole":
        return _together(steps)
    if cut.name == "words":
        return apart(frames(steps, question), _nowhere)
    if cut.name == "chars":
        return apart(steps, lambda data: range(1, len(data)))
    if cut.name == "1":
        return apart(steps, _inside)
    return apart(steps, _Chance(cut.name))


def _together(steps: Steps) -> Steps:
    """Yield what is due at once as one frame."""
    held: list[Frame] = []
    for step in steps:
        if isinstance(step, Frame):
            held.append(step)
        else:
            yield from together(held)
            held = []
            yield step
    yield from together(held)


def _nowhere(data: bytes) -> tuple[int, ...]:
    del data
    return ()


def _inside(data: bytes) -> list[int]:
    """Return the places inside line ends and characters."""
    return [match.start() for match in _INSIDE.finditer(data)]


class _Chance:
    """Chooses places, the same ones whenever it begins."""

    def __init__(self, seed: str) -> None:
        self._chance = random.Random(seed)  # noqa: S311  # repeatable chance, not secrets
        self._density = self._chance.choice(_DENSITIES)

    def __call__(self, data: bytes) -> list[int]:
        likely = set(_inside(data))
        chance = self._chance.random
        return [at for at in range(1, len(data)) if chance() < (1 / 2 if at in likely else self._density)]
