"""The faults of proxies between a client and its provider. All but the page of an error leave the content as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.http.body_encoder import BodyEncoder, accepted_coding
from pytest_streamval.server.actions import Disconnect, Flush, Hang, SendData, SendHead
from pytest_streamval.server.faults.fault import Fault, register
from pytest_streamval.server.framing import join_data, split_frames
from pytest_streamval.server.rendering import send_all

if TYPE_CHECKING:
    from pytest_streamval.server.actions import Actions
    from pytest_streamval.server.rendering import Renderer

_PAGE = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


def _send_page(_actions: Actions, _fault: Fault, _renderer: Renderer) -> Actions:
    return send_all(502, _PAGE, "text/html")


@register("the response is a 502, with the HTML page of a proxy", _send_page, status=502)
def bad_gateway() -> Fault:
    """Respond with a 502 and an HTML page, as a proxy that does not reach the provider."""
    return Fault("bad_gateway", status=502)


# Comments of server-sent events are what OpenRouter and DeepSeek send while they wait, and `ping` is Anthropic's own
# event. DeepSeek sends empty lines before a response that is not streamed: https://api-docs.deepseek.com/faq
_PING = b'event: ping\ndata: {"type": "ping"}\n\n'
_COMMENT = b": keep-alive\n\n"
_EMPTY_LINES = b"\n" * 3


def _keep_alive(actions: Actions, _fault: Fault, renderer: Renderer) -> Actions:
    if not renderer.streams:
        return _begin_with(actions, _EMPTY_LINES)
    if renderer.adapter.media_type != "text/event-stream":
        return _separate(split_frames(actions, renderer), b"\n")
    return _separate(split_frames(actions, renderer), _PING if renderer.adapter.protocol == "anthropic" else _COMMENT)


def _separate(actions: Actions, between: bytes) -> Actions:
    """Yield actions with some bytes between two frames."""
    has_begun = False
    for action in actions:
        if isinstance(action, SendData) and action.data:
            if has_begun:
                yield SendData(between)
            has_begun = True
        yield action


def _begin_with(actions: Actions, data: bytes) -> Actions:
    """Yield actions with some bytes before the body."""
    for action in actions:
        if isinstance(action, SendHead):
            yield action._replace(length=None)
            yield SendData(data)
        else:
            yield action


@register("there is a keep-alive between frames", _keep_alive, ruins=False)
def keep_alives() -> Fault:
    """Send keep-alives between frames: comments, Anthropic's pings, or the empty lines of a body that is JSON."""
    return Fault("keep_alives")


_JOINED = 512  # bytes


def _join_frames(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    held: list[SendData] = []
    size = 0
    for action in split_frames(actions, renderer):
        if isinstance(action, SendData):
            held.append(action)
            size += len(action.data)
        is_full = size >= fault.size
        if is_full or isinstance(action, Disconnect | Hang):
            yield from join_data(held)
            held, size = [], 0
        if is_full:
            yield Flush()
        elif not isinstance(action, SendData | Flush):
            yield action
    yield from join_data(held)


@register("frames are joined in one write", _join_frames, ruins=False)
def joined_frames(size: int = _JOINED) -> Fault:
    """Hold frames back until they have a size, and send them in one write.

    Args:
        size: The least bytes of a write.
    """
    return Fault("joined_frames", size=size)


def _compress(actions: Actions, fault: Fault, renderer: Renderer) -> Actions:
    coding = fault.coding or accepted_coding(renderer.accept_encoding)
    encoder = BodyEncoder(coding)
    for action in actions:
        if isinstance(action, SendHead):
            yield action._replace(length=None, headers=(*action.headers, ("content-encoding", coding)))
        elif isinstance(action, SendData) and action.data:
            yield action._replace(data=encoder.feed(action.data))
        else:
            yield action
            if isinstance(action, Disconnect):
                return
    yield SendData(encoder.finish())


@register("the body is compressed", _compress, ruins=False)
def compressed(coding: str | None = None) -> Fault:
    """Compress the body, so that each frame can still be read at once.

    Args:
        coding: `gzip`, `deflate`, `br` or `zstd`, the last two with the extra `compression`. By default, the one that
            the client prefers by its `Accept-Encoding`, and gzip if it names none of them.

    Raises:
        InvalidArgumentError: A `ValueError`. If there is no such coding, or its library is not installed.
    """
    if coding is not None:
        BodyEncoder(coding)  # which checks it
    return Fault("compressed", coding=coding)
