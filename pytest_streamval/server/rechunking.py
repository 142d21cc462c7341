"""Re-chunking: the bytes of a response in other writes."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Flush, SendData
from pytest_streamval.server.framing import join_data, split_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.fuzzing.recutting import RecutBody
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer


def recut(actions: Actions, cut: Cut, renderer: Renderer, body: RecutBody) -> Actions:
    """Return a response in other writes.

    Args:
        actions: The response.
        cut: The cut of its bytes. Frames with no cut between them are sent in one write.
        renderer: The renderer of the response.
        body: The record of the bytes and the cuts.
    """
    return _in_writes(split_frames(actions, renderer) if cut.name == "words" else actions, cut.of_frames(), body)


def _in_writes(actions: Actions, find_cuts: Callable[[bytes], Sequence[int]], body: RecutBody) -> Actions:
    """Yield actions that send the bytes between two cuts as one chunk, in a write of its own."""
    held: list[SendData] = []
    has_begun = False
    for action in actions:
        if not isinstance(action, SendData):
            yield from join_data(held)
            held = []
            yield action
            continue
        offsets = find_cuts(action.data)
        body.add(action.data, offsets)
        for piece, is_cut in _pieces(action, offsets):
            if is_cut:
                yield from join_data(held)
                held = []
                if has_begun:  # there is none after the last piece, which shares its write with the end of the body
                    yield Flush()
            has_begun = has_begun or bool(piece.data)
            held.append(piece)
    yield from join_data(held)


def _pieces(action: SendData, offsets: Sequence[int]) -> list[tuple[SendData, bool]]:
    """Return the pieces of some data, each with whether a cut is before it. Its deltas count with the last piece."""
    if not offsets:
        return [(action, False)]
    bounds = [*([] if offsets[0] == 0 else [0]), *offsets, len(action.data)]
    pieces = [SendData(action.data[start:end]) for start, end in pairwise(bounds)]
    pieces[-1] = pieces[-1]._replace(deltas=action.deltas, text=action.text)
    return [(piece, bool(number) or offsets[0] == 0) for number, piece in enumerate(pieces)]
