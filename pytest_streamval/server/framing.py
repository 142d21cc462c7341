"""Framing: the bytes of a response in other pieces and other writes."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Flush, SendData, SendHead

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

_FRAME = re.compile(rb".*?(?:\r\n\r\n|\n\n|\Z)", re.DOTALL)
_LINE = re.compile(rb"[^\n]*(?:\n|\Z)")


def split_frames(actions: Actions, renderer: Renderer) -> Actions:
    """Yield actions that send each frame of the protocol by itself. A response that is not streamed is halved.

    Deltas that arrive with several frames count with the last of them. The body is sent in chunks, as its length may
    change.
    """
    pattern = _FRAME if renderer.adapter.media_type == "text/event-stream" else _LINE
    for action in actions:
        if isinstance(action, SendHead):
            yield action._replace(length=None)
        elif not isinstance(action, SendData) or not action.data:
            yield action
        else:
            half = len(action.data) // 2
            pieces = pattern.findall(action.data) if renderer.streams else [action.data[:half], action.data[half:]]
            *first, last = filter(None, pieces)
            yield from (SendData(piece, 0, action.text) for piece in first)
            yield SendData(last, action.deltas, action.text)


def split_writes(actions: Actions, find_cuts: Callable[[bytes], Iterable[int]]) -> Actions:
    """Yield actions that send each piece of the data in a write of its own.

    Args:
        actions: A response.
        find_cuts: Returns the offsets at which some bytes are cut.
    """
    has_begun = False
    for action in actions:
        if not isinstance(action, SendData) or not action.data:
            yield action
            continue
        bounds = [0, *(at for at in find_cuts(action.data) if 0 < at < len(action.data)), len(action.data)]
        for start, end in pairwise(bounds):
            if has_begun:  # there is none after the last piece, which shares its write with the end of the body
                yield Flush()
            has_begun = True
            yield SendData(action.data[start:end], action.deltas if end == bounds[-1] else 0)


def join_data(held: list[SendData]) -> Actions:
    """Yield one action that sends the data of all of them."""
    if held:
        data, deltas, texts = zip(*held, strict=True)
        yield SendData(b"".join(data), sum(deltas), "".join(texts))
