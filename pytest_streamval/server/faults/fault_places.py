"""Places: the point of a response at which a fault strikes."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError, plural
from pytest_streamval.server.actions import SendData, SendHead
from pytest_streamval.server.framing import split_frames

if TYPE_CHECKING:
    from collections.abc import Generator

    from pytest_streamval.server.actions import Action, Actions
    from pytest_streamval.server.faults.fault import Fault
    from pytest_streamval.server.rendering import Renderer


def yield_before(
    actions: Actions, fault: Fault, renderer: Renderer, *, cut: bool = False
) -> Generator[Action, None, Actions]:
    """Yield the actions before the place of a fault, and return the others.

    Args:
        actions: A response.
        fault: The fault.
        renderer: The renderer of the response. Only a streamed one has deltas to count.
        cut: Whether to cut a frame that contains the place. Otherwise the complete frame comes after the place.
    """
    deltas = size = 0
    split = split_frames(actions, renderer)
    for action in split:
        is_reached = deltas >= (fault.after_deltas or 0) if renderer.streams else size > 0
        if fault.after_bytes is None and is_reached and not isinstance(action, SendHead):
            return chain([action], split)
        if isinstance(action, SendData):
            left = len(action.data) if fault.after_bytes is None else fault.after_bytes - size
            if left < len(action.data):
                if cut and left:
                    yield SendData(action.data[:left])
                return chain([action._replace(data=action.data[left:]) if cut else action], split)
            deltas, size = deltas + action.deltas, size + len(action.data)
        yield action
    return split


def yield_until_data(rest: Actions, fault: Fault) -> Generator[Action, None, SendData]:
    """Yield the actions before the next one that sends bytes, and return that one.

    Raises:
        InvalidArgumentError: If no more bytes are sent.
    """
    for action in rest:
        if isinstance(action, SendData) and action.data:
            return action
        yield action
    count, noun = (fault.after_deltas or 0, "delta") if fault.after_bytes is None else (fault.after_bytes, "byte")
    rule = f"{fault.name} needs a frame after its place, and this response ends before. Choose an earlier place."
    raise InvalidArgumentError("place of a fault", plural(count, noun), rule)
