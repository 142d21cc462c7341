"""Re-chunking: the bytes of a response in other writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.actions import SendData
from pytest_streamval.server.framing import join_data, split_frames, split_writes

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer


def recut(actions: Actions, cut: Cut, renderer: Renderer) -> Actions:
    """Return a response in other writes: all bytes in one, a frame in each, or frames cut by `Cut.of_frames`."""
    if cut.name == "whole":
        return _join_pending(actions)
    return split_writes(split_frames(actions, renderer) if cut.name == "words" else actions, cut.of_frames())


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
