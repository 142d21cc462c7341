"""Re-cutting at the wire: the bytes of an answer in other writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Frame
from pytest_streamval.server.spoiling import apart, frames, together

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.server.actions import Steps
    from pytest_streamval.server.rendering import Question


def recut(steps: Steps, cut: Cut, question: Question) -> Steps:
    """Return a response in other writes: all bytes in one, a frame in each, or frames cut by `Cut.of_frames`."""
    if cut.name == "whole":
        return _together(steps)
    return apart(frames(steps, question) if cut.name == "words" else steps, cut.of_frames())


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
