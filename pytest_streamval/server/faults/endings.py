"""The faults of a stream's end that lose none of its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Await, Disconnect, Hang, SendData
from pytest_streamval.server.faults.fault import Fault, register
from pytest_streamval.server.framing import split_frames
from pytest_streamval.server.rendering import JSON

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer


def _double_end(actions: Actions, _fault: Fault, renderer: Renderer) -> Actions:
    if not renderer.streams or renderer.adapter.media_type == JSON:  # a JSON array has one end
        yield from actions
        return
    last = b""
    for action in split_frames(actions, renderer):
        if isinstance(action, SendData):
            last = action.data or last
        yield action
        if isinstance(action, Disconnect | Hang):
            return
    yield SendData(last)


@register("the frame that ends the stream is sent twice", _double_end, ruins=False)
def doubled_end() -> Fault:
    """Send the last frame of the stream twice, such as `data: [DONE]`.

    A response that is not streamed has none, and neither has Gemini's JSON array.
    """
    return Fault("doubled_end")


def _drop_blank_line(actions: Actions, _fault: Fault, renderer: Renderer) -> Actions:
    if not renderer.streams:
        yield from actions
        return
    line_end = b""  # of the frame before, which is sent with the next action
    for action in split_frames(actions, renderer):
        if line_end and not isinstance(action, Await):  # whose read decides whether there is another frame
            yield SendData(line_end)
            line_end = b""
        if isinstance(action, SendData) and action.data:
            data = action.data.rstrip(b"\r\n")
            line_end = action.data[len(data) :]
            yield action._replace(data=data)
        else:
            yield action


@register("the last frame has no line end", _drop_blank_line, ruins=False)
def no_last_blank_line() -> Fault:
    """End the body without the blank line or the line end after its last frame."""
    return Fault("no_last_blank_line")
