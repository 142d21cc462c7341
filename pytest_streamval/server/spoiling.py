"""Spoiling: how each fault turns the steps of an answer into others."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_streamval.errors import InvalidArgumentError
from pytest_streamval.server.actions import Break, Frame, Head, Pause, Silence, Turn
from pytest_streamval.wire.json_values import json_text

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    from pytest_streamval.server.actions import Step, Steps
    from pytest_streamval.server.faults import Fault
    from pytest_streamval.server.rendering import Question

    Spoiler = Callable[[Steps, Fault, Question], Steps]

_FRAME = re.compile(rb".*?(?:\r\n\r\n|\n\n|\Z)", re.DOTALL)
_LINE = re.compile(rb"[^\n]*(?:\n|\Z)")
_WIDE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]+")  # a character of several bytes
_MESSAGES = {
    400: "The request was refused by a fault of this server.",
    401: "The key was refused by a fault of this server.",
    429: "The limit of requests is reached, says a fault of this server.",
    500: "The server failed, by a fault that was asked for.",
    529: "Overloaded, by a fault that was asked for.",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault of some name does."""

    what: str
    """What goes wrong, in a few words."""
    spoil: Spoiler
    """Turns an answer into one with the fault."""
    ruins: bool = True
    """Whether the answer is lost or damaged."""


# Taking steps apart


def frames(steps: Steps, question: Question) -> Steps:
    """Yield the steps with each frame of the protocol by itself; an answer that is not streamed is cut in its middle.

    The deltas that come with several frames count with the last of these. The body comes in chunks: its length may not
    be what it was.
    """
    pattern = _LINE if question.adapter.media_type == "application/x-ndjson" else _FRAME
    for step in steps:
        if isinstance(step, Head):
            yield step._replace(length=None)
        elif not isinstance(step, Frame) or not step.data:
            yield step
        else:
            half = len(step.data) // 2
            pieces = pattern.findall(step.data) if question.asked.stream else [step.data[:half], step.data[half:]]
            *first, last = filter(None, pieces)
            yield from (Frame(piece, 0, step.text) for piece in first)
            yield Frame(last, step.deltas, step.text)


def _before(steps: Steps, fault: Fault, question: Question, *, cut: bool = False) -> Generator[Step, None, Steps]:
    """Yield the steps before the place of a fault, and return those behind it.

    Args:
        steps: an answer.
        fault: says where.
        question: says whether it is a stream, which has deltas to count.
        cut: whether a frame is cut where the place is within it; otherwise the whole frame is behind the place.
    """
    deltas = size = 0
    split = frames(steps, question)
    for step in split:
        reached = deltas >= (fault.after_deltas or 0) if question.asked.stream else size > 0
        if fault.after_bytes is None and reached and not isinstance(step, Head):
            return chain([step], split)
        if isinstance(step, Frame):
            left = len(step.data) if fault.after_bytes is None else fault.after_bytes - size
            if left < len(step.data):
                if cut and left:
                    yield Frame(step.data[:left])
                return chain([step._replace(data=step.data[left:]) if cut else step], split)
            deltas, size = deltas + step.deltas, size + len(step.data)
        yield step
    return split


def _next_frame(rest: Steps, fault: Fault) -> Generator[Step, None, Frame]:
    """Yield the steps before the next frame that brings bytes, and return that one."""
    for step in rest:
        if isinstance(step, Frame) and step.data:
            return step
        yield step
    place = f"{fault.after_deltas} deltas" if fault.after_bytes is None else f"{fault.after_bytes} bytes"
    rule = f"{fault.name} needs a frame behind its place, and this answer ends before. Let it strike earlier."
    raise InvalidArgumentError("the place of a fault", place, rule)


# What comes in the place of an answer, or only begins


def _untouched(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    return steps


def _status(steps: Steps, fault: Fault, question: Question) -> Steps:
    del steps
    status = fault.status or 500
    return question.refusal(status, _MESSAGES[status], retry_after=fault.retry_after)


def _headers_then_silence(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    for step in steps:
        yield step
        if isinstance(step, Head):
            yield Silence()


def _empty_body(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    for step in steps:
        if isinstance(step, Head):
            yield step._replace(length=0)
            return
        yield step


def _wrong_content_type(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    for step in steps:
        yield step._replace(media_type="text/html; charset=utf-8") if isinstance(step, Head) else step


# What ends too early


def _stall(steps: Steps, fault: Fault, question: Question) -> Steps:
    rest = yield from _before(steps, fault, question, cut=True)
    yield Pause(fault.seconds)
    yield from rest


def _reset(steps: Steps, fault: Fault, question: Question) -> Steps:
    yield from _before(steps, fault, question, cut=True)
    yield Break("reset")


def _unfinished(steps: Steps, fault: Fault, question: Question) -> Steps:
    yield from _before(steps, fault, question)
    yield Break("closed")


def _close_mid_frame(steps: Steps, fault: Fault, question: Question) -> Steps:
    rest = yield from _before(steps, fault, question, cut=True)
    if fault.after_bytes is None:
        frame = yield from _next_frame(rest, fault)
        yield Frame(frame.data[: len(frame.data) // 2])
    yield Break("closed")


def _truncate(steps: Steps, fault: Fault, question: Question) -> Steps:
    if fault.after_deltas is None and fault.after_bytes is None:  # real traffic, whose middle is not known beforehand
        fault = replace(fault, after_deltas=1)
    yield from _before(steps, fault, question, cut=True)


# What comes, but not as it should


def _edited(edit: Callable[[Frame], bytes]) -> Spoiler:
    """Return what puts other bytes in the place of a frame."""

    def spoil(steps: Steps, fault: Fault, question: Question) -> Steps:
        rest = yield from _before(steps, fault, question)
        frame = yield from _next_frame(rest, fault)
        yield frame._replace(data=edit(frame))
        yield from rest

    return spoil


def _without_last(frame: Frame) -> bytes:
    end = len(frame.data.rstrip())
    return frame.data[: end - 1] + frame.data[end:]


def _with_no_utf8(frame: Frame) -> bytes:
    said = json_text(frame.text)[1:-1].encode()
    at = frame.data.rfind(said) if said else -1
    at = max(frame.data.rfind(b'"'), 0) if at < 0 else at
    return frame.data[:at] + b"\xff" + frame.data[at:]


def _twice(frame: Frame) -> bytes:
    return frame.data * 2


def _out_of_order(steps: Steps, fault: Fault, question: Question) -> Steps:
    # an answer that is not streamed has two pieces to change places
    rest = (yield from _before(steps, fault, question)) if question.asked.stream else frames(steps, question)
    first = yield from _next_frame(rest, fault)
    second = yield from _next_frame(rest, fault)
    yield from (second, first)
    yield from rest


# Its writes


def _cut_character(steps: Steps, fault: Fault, question: Question) -> Steps:
    rest = yield from _before(steps, fault, question)
    yield from apart(rest, _inside_characters)


def _inside_characters(data: bytes) -> list[int]:
    return [match.start() + 1 for match in _WIDE.finditer(data)] or [len(data) // 2]


def _one_byte_writes(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    return apart(steps, lambda data: range(1, len(data)))


def _one_write(steps: Steps, fault: Fault, question: Question) -> Steps:
    del fault, question
    held: list[Frame] = []
    for step in steps:
        if isinstance(step, Frame):
            held.append(step)
            continue
        if isinstance(step, Break | Silence):
            yield from together(held)
            held = []
        yield step
    yield from together(held)


def _slow_drip(steps: Steps, fault: Fault, question: Question) -> Steps:
    for step in frames(steps, question):
        yield step
        if isinstance(step, Frame) and step.data:
            yield Pause(fault.seconds)


def apart(steps: Steps, places: Callable[[bytes], Iterable[int]]) -> Steps:
    """Yield frames cut at some places, each piece in a write of its own."""
    begun = False
    for step in steps:
        if not isinstance(step, Frame) or not step.data:
            yield step
            continue
        bounds = [0, *(at for at in places(step.data) if 0 < at < len(step.data)), len(step.data)]
        for start, end in pairwise(bounds):
            if begun:  # not behind the last piece, which goes out with what ends the answer
                yield Turn()
            begun = True
            yield Frame(step.data[start:end], step.deltas if end == bounds[-1] else 0)


def together(held: list[Frame]) -> Steps:
    """Yield frames as one."""
    if held:
        data, deltas, texts = zip(*held, strict=True)
        yield Frame(b"".join(data), sum(deltas), "".join(texts))


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "refuse": Kind("nobody gets a connection", _untouched),
        "bad_request": Kind("the answer is a 400", _status),
        "unauthorized": Kind("the answer is a 401", _status),
        "rate_limited": Kind("the answer is a 429, with Retry-After", _status),
        "server_error": Kind("the answer is a 500", _status),
        "overloaded": Kind("the answer is a 529", _status),
        "headers_then_silence": Kind("the headers come, and nothing more", _headers_then_silence),
        "empty_body": Kind("the body has no bytes", _empty_body),
        "wrong_content_type": Kind("the content type is that of a page of HTML", _wrong_content_type),
        "stall": Kind("nothing comes for a time, then the stream goes on", _stall, ruins=False),
        "close_mid_frame": Kind("the connection is closed within a frame", _close_mid_frame),
        "reset": Kind("the connection is reset", _reset),
        "truncate": Kind("the body ends in the middle of the text", _truncate),
        "unfinished": Kind("the connection is closed without the end of the body", _unfinished),
        "malformed_json": Kind("a frame holds JSON that breaks off", _edited(_without_last)),
        "duplicated_frame": Kind("a frame comes twice", _edited(_twice)),
        "out_of_order": Kind("two frames have changed places", _out_of_order),
        "invalid_utf8": Kind("a frame holds a byte that is no UTF-8", _edited(_with_no_utf8)),
        "cut_character": Kind("characters are cut between two writes", _cut_character, ruins=False),
        "one_byte_writes": Kind("every byte comes by itself", _one_byte_writes, ruins=False),
        "one_write": Kind("the whole body comes at once", _one_write, ruins=False),
        "slow_drip": Kind("every frame comes some time after the one before", _slow_drip, ruins=False),
    }
)
"""What each fault does, in the order in which they strike: the connection, the answer, the stream, its writes."""
