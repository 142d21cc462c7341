"""Re-chunking: the bytes of a response in other writes."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import SendData
from pytest_streamval.server.framing import join_data, split_frames, split_writes

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

_INSIDE = re.compile(rb"(?<=\r)(?=\n)|(?<=\n)(?=\r?\n)|(?<=[\x80-\xff])(?=[\x80-\xbf])|(?<=[\xc2-\xf4])(?=[\x80-\xbf])")
_DENSITIES = (1 / 4, 1 / 16, 1 / 64)  # the share of all offsets at which a random cut cuts


def recut(actions: Actions, cut: Cut, renderer: Renderer) -> Actions:
    """Return a response in other writes: one for all, for each byte or for each frame, or cut at random.

    The random cut 1 goes through every line end and every character of several bytes. The others choose at random, and
    prefer these offsets.
    """
    if cut.name == "whole":
        return _join_pending(actions)
    if cut.name == "words":
        return split_writes(split_frames(actions, renderer), lambda _: ())
    if cut.name == "chars":
        return split_writes(actions, lambda data: range(1, len(data)))
    if cut.name == "1":
        return split_writes(actions, _inside_units)
    return split_writes(actions, _RandomCuts(cut.name))


def _join_pending(actions: Actions) -> Actions:
    """Yield actions that send everything between two other actions as one chunk."""
    held: list[SendData] = []
    for action in actions:
        if isinstance(action, SendData):
            held.append(action)
        else:
            yield from join_data(held)
            held = []
            yield action
    yield from join_data(held)


def _inside_units(data: bytes) -> list[int]:
    """Return the offsets inside line ends and characters."""
    return [match.start() for match in _INSIDE.finditer(data)]


class _RandomCuts:
    """A random choice of offsets that is the same for the same seed."""

    def __init__(self, seed: str) -> None:
        self._random = random.Random(seed)  # noqa: S311  # repeatable chance, not secrets
        self._density = self._random.choice(_DENSITIES)

    def __call__(self, data: bytes) -> list[int]:
        preferred = set(_inside_units(data))
        chance = self._random.random
        return [at for at in range(1, len(data)) if chance() < (1 / 2 if at in preferred else self._density)]
