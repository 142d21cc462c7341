"""The catalog: one function for each kind of fault, in the order in which the faults strike."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_streamval.server.actions import Disconnect, Hang, SendData, SendHead, Sleep
from pytest_streamval.server.faults.fault import Fault, register
from pytest_streamval.server.faults.fault_places import yield_before, yield_until_data
from pytest_streamval.server.framing import join_data, split_frames, split_writes
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.faults.fault import Transform
    from pytest_streamval.server.rendering import Renderer

_WIDE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")  # a character of several bytes
_MESSAGES = {
    400: "The request was refused by a fault of this server.",
    401: "The key was refused by a fault of this server.",
    429: "The limit of requests is reached, by a fault of this server.",
    500: "The server failed, by a fault of this server.",
}


def _placed(name: str, after_deltas: int | None, after_bytes: int | None, seconds: float = 0.0) -> Fault:
    """Return a fault that strikes after the first delta unless another place is given."""
    if after_deltas is None and after_bytes is None:
        after_deltas = 1
    return Fault(name, after_deltas, after_bytes, seconds)


# The connection


def _change_nothing(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    return actions


@register("all connections are refused", _change_nothing)
def refuse() -> Fault:
    """Refuse all connections. This is a fault of the server, for all its requests."""
    return Fault("refuse")


# The response


def _send_status(_actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    status = fault.status or 500
    return renderer.render_error(status, _MESSAGES[status], retry_after=fault.retry_after)


@register("the response is a 400", _send_status, status=400)
def bad_request() -> Fault:
    """Respond with a 400, in the provider's format."""
    return Fault("bad_request", status=400)


@register("the response is a 401", _send_status, status=401)
def unauthorized() -> Fault:
    """Respond with a 401, in the provider's format."""
    return Fault("unauthorized", status=401)


@register("the response is a 429, with Retry-After", _send_status, status=429)
def rate_limited(retry_after: float | None = 1) -> Fault:
    """Respond with a 429, in the provider's format.

    Args:
        retry_after: The seconds in the header `Retry-After`, or None to leave the header out.
    """
    return Fault("rate_limited", status=429, retry_after=retry_after)


@register("the response is a 500", _send_status, status=500)
def server_error() -> Fault:
    """Respond with a 500, in the provider's format."""
    return Fault("server_error", status=500)


def _send_overload(_actions: Actions, _fault: Fault, renderer: Renderer) -> Actions:
    return renderer.render_overload()


@register("the response is a 529 of Anthropic, a 503 of any other provider", _send_overload)
def overloaded() -> Fault:
    """Respond as the provider does that has no room for a request: a 529 from Anthropic, a 503 from any other."""
    return Fault("overloaded")


def _hang_after_head(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    for action in actions:
        yield action
        if isinstance(action, SendHead):
            yield Hang()


@register("the headers are sent, and nothing more", _hang_after_head)
def headers_then_silence() -> Fault:
    """Send the headers, and nothing more."""
    return Fault("headers_then_silence")


def _send_no_body(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    for action in actions:
        if isinstance(action, SendHead):
            yield action._replace(length=0)
            return
        yield action


@register("the body is empty", _send_no_body)
def empty_body() -> Fault:
    """Send the headers and an empty body."""
    return Fault("empty_body")


def _change_content_type(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    for action in actions:
        yield action._replace(media_type="text/html; charset=utf-8") if isinstance(action, SendHead) else action


@register("the content type is that of an HTML page", _change_content_type)
def wrong_content_type() -> Fault:
    """Send the content type of an HTML page."""
    return Fault("wrong_content_type")


# The stream ends too early, or late


def _pause(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    rest = yield from yield_before(actions, fault, renderer, cut=True)
    yield Sleep(fault.seconds)
    yield from rest


@register("nothing is sent for a time, then the stream goes on", _pause, ruins=False)
def stall(seconds: float = 0.2, *, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Send nothing for some seconds, then go on."""
    return _placed("stall", after_deltas, after_bytes, seconds)


def _close_mid_frame(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    rest = yield from yield_before(actions, fault, renderer, cut=True)
    if fault.after_bytes is None:
        frame = yield from yield_until_data(rest, fault)
        yield SendData(frame.data[: len(frame.data) // 2])
    yield Disconnect("closed")


@register("the connection is closed inside a frame", _close_mid_frame)
def close_mid_frame(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Close the connection inside a frame."""
    return _placed("close_mid_frame", after_deltas, after_bytes)


def _reset(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    yield from yield_before(actions, fault, renderer, cut=True)
    yield Disconnect("reset")


@register("the connection is reset", _reset)
def reset(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Reset the connection."""
    return _placed("reset", after_deltas, after_bytes)


def _truncate(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    if fault.after_deltas is None and fault.after_bytes is None:  # real traffic, whose middle is not known in advance
        fault = replace(fault, after_deltas=1)
    yield from yield_before(actions, fault, renderer, cut=True)


@register("the body ends in the middle of the text", _truncate)
def truncate(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """End the body as if it were complete: in the middle of the text, or at the given place.

    Real traffic, whose length is not known in advance, ends after its first delta. `after_deltas=N`, with N deltas in
    the script, leaves out only the frames that end the stream.
    """
    return Fault("truncate", after_deltas, after_bytes)


def _close_between_frames(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    yield from yield_before(actions, fault, renderer)
    yield Disconnect("closed")


@register("the connection is closed without the end of the body", _close_between_frames)
def unfinished(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Close the connection between two frames, without the end of the body."""
    return _placed("unfinished", after_deltas, after_bytes)


# The stream is damaged


def _edit_frame(edit: Callable[[SendData], bytes]) -> Transform:
    """Return a transform that replaces the bytes of the frame after the place."""

    def transform(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
        rest = yield from yield_before(actions, fault, renderer)
        frame = yield from yield_until_data(rest, fault)
        yield frame._replace(data=edit(frame))
        yield from rest

    return transform


def _drop_last_character(frame: SendData) -> bytes:
    end = len(frame.data.rstrip())
    return frame.data[: end - 1] + frame.data[end:]


@register("the JSON of a frame is incomplete", _edit_frame(_drop_last_character))
def malformed_json(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Send a frame with incomplete JSON."""
    return _placed("malformed_json", after_deltas, after_bytes)


@register("a frame is sent twice", _edit_frame(lambda frame: frame.data * 2))
def duplicated_frame(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Send a frame twice."""
    return _placed("duplicated_frame", after_deltas, after_bytes)


def _swap_frames(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    # a response that is not streamed has only two pieces, which are swapped
    rest = (yield from yield_before(actions, fault, renderer)) if renderer.streams else split_frames(actions, renderer)
    first = yield from yield_until_data(rest, fault)
    second = yield from yield_until_data(rest, fault)
    yield from (second, first)
    yield from rest


@register("two frames are swapped", _swap_frames)
def out_of_order(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Swap two frames."""
    return _placed("out_of_order", after_deltas, after_bytes)


def _insert_invalid_byte(frame: SendData) -> bytes:
    text = json_text(frame.text)[1:-1].encode()
    at = frame.data.rfind(text) if text else -1
    at = max(frame.data.rfind(b'"'), 0) if at < 0 else at
    return frame.data[:at] + b"\xff" + frame.data[at:]


@register("a frame has a byte that is not UTF-8", _edit_frame(_insert_invalid_byte))
def invalid_utf8(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Send a byte that is not UTF-8 in a frame: before its text, if it has one."""
    return _placed("invalid_utf8", after_deltas, after_bytes)


# The writes


def _cut_characters(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    rest = yield from yield_before(actions, fault, renderer)
    yield from split_writes(rest, _inside_characters)


def _inside_characters(data: bytes) -> list[int]:
    return [match.start() + 1 for match in _WIDE.finditer(data)] or [len(data) // 2]


@register("characters are cut between two writes", _cut_characters, ruins=False)
def cut_character(*, after_deltas: int | None = None, after_bytes: int | None = None) -> Fault:
    """Cut the characters of several bytes between two writes. A frame without any is cut in the middle."""
    return _placed("cut_character", after_deltas or (0 if after_bytes is None else None), after_bytes)


def _write_bytes(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    return split_writes(actions, lambda data: range(1, len(data)))


@register("every byte has a write of its own", _write_bytes, ruins=False)
def one_byte_writes() -> Fault:
    """Send every byte in a write of its own."""
    return Fault("one_byte_writes")


def _write_once(actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    held: list[SendData] = []
    for action in actions:
        if isinstance(action, SendData):
            held.append(action)
            continue
        if isinstance(action, Disconnect | Hang):
            yield from join_data(held)
            held = []
        yield action
    yield from join_data(held)


@register("the complete body is sent at once", _write_once, ruins=False)
def one_write() -> Fault:
    """Send the complete body in one write, when its last frame is due."""
    return Fault("one_write")


def _pause_after_frames(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    for action in split_frames(actions, renderer):
        yield action
        if isinstance(action, SendData) and action.data:
            yield Sleep(fault.seconds)


@register("there is a pause after every frame", _pause_after_frames, ruins=False)
def slow_drip(seconds: float = 0.01) -> Fault:
    """Wait some seconds after every frame."""
    return Fault("slow_drip", seconds=seconds)
