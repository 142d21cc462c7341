"""Steps: the parts of a script."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, ProviderStreamError, excerpt, listed
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.scripting.frozen_time import pause
from pytest_streamval.scripting.stall_hook import limits

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Delay:
    """A pause of the producer."""

    seconds: float
    """The duration of the pause in seconds."""

    def __post_init__(self) -> None:
        seconds: object = self.seconds
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise InvalidArgumentError("seconds", excerpt(self.seconds), "It must be a number of seconds, 0 or more.")


@dataclass(frozen=True, slots=True)
class Raise:
    """A failure of the producer."""

    exc: BaseException | type[BaseException]
    """The exception that it raises."""

    def __post_init__(self) -> None:
        exc: object = self.exc
        if not isinstance(exc, BaseException) and not (isinstance(exc, type) and issubclass(exc, BaseException)):
            raise InvalidArgumentError("exc", excerpt(exc), "It must be an exception or a class of exceptions.")
        if isinstance(exc, ProviderStreamError):
            from pytest_streamval.wire.registry import ADAPTERS

            if exc.provider not in ADAPTERS:
                rule = f"The provider of a ProviderStreamError must be a protocol: {listed(ADAPTERS)}."
                raise InvalidArgumentError("exc", f"ProviderStreamError({excerpt(exc.provider)}, ...)", rule)


@dataclass(frozen=True, slots=True)
class Stall:
    """A silence of the producer that lasts until it is stopped."""


@dataclass(frozen=True, slots=True)
class RawFrame:
    r"""Bytes that a `ProviderServer` writes as they are, at this place of the stream: `RawFrame(b": ping\n\n")`.

    They are part of no output. A producer without a wire, such as a mock backend, skips them, and so does a response
    that is not streamed. A script that has raw frames and no delta is a complete body: nothing else is written.
    """

    data: bytes
    """The bytes, with the blank line or the line end that closes a frame of the protocol."""

    def __post_init__(self) -> None:
        data: object = self.data
        if not isinstance(data, bytes):
            hint = f" Write {excerpt(data.encode())}." if isinstance(data, str) and data.isascii() else ""
            raise InvalidArgumentError("data", excerpt(data), f"It must be bytes.{hint}")


Step: TypeAlias = str | Delta | Delay | Raise | Stall | RawFrame
"""The parts of a script. A `str` is a delta with text only."""


def check_calls(place: str, delta: Delta) -> None:
    """Check the tool calls of a delta in a script.

    Args:
        place: The place of the delta, for the error.
        delta: The delta.

    Raises:
        InvalidArgumentError: A `ValueError`. If they are no tuple of `ToolCallDelta`.
    """
    calls: object = delta.tool_calls
    if not isinstance(calls, tuple | list) or not all(isinstance(call, ToolCallDelta) for call in calls):
        rule = "It must be a tuple of ToolCallDelta(...). A tuple of one has a comma: (ToolCallDelta(...),)."
        raise InvalidArgumentError(f"{place}.tool_calls", excerpt(calls), rule)


def text_of_step(step: Step) -> str:
    """Return the text of a step."""
    return step if isinstance(step, str) else step.text if isinstance(step, Delta) else ""


def is_raw_body(steps: Sequence[Step]) -> bool:
    """Return whether the raw frames of a script are its complete body, as it has no delta."""
    has_frames = any(isinstance(step, RawFrame) for step in steps)
    return has_frames and not any(isinstance(step, (str, Delta)) for step in steps)


async def perform(step: Delay | Raise | Stall | RawFrame, steps: Sequence[Step]) -> None:
    """Perform a step other than a delta. A raw frame has no effect without a wire.

    Args:
        step: The step.
        steps: All steps of its script, for messages about a stall.
    """
    if isinstance(step, Delay):
        await pause(step.seconds)
    elif isinstance(step, Raise):
        fail(step)
    elif isinstance(step, Stall):
        await stall(place_of_stall(steps))


def fail(step: Raise) -> NoReturn:
    """Raise the exception of a step, without the traceback of an earlier time."""
    raise step.exc if isinstance(step.exc, type) else step.exc.with_traceback(None)


async def stall(place: str) -> None:
    """Wait until the reader stops the producer.

    On a virtual clock and outside pytest the wait has no limit.

    Args:
        place: The script and the step, for the error.

    Raises:
        StallTimeoutError: If nothing has stopped the producer within the limit of the run of pytest.
    """
    silence = asyncio.get_running_loop().create_future()
    with limits[-1](silence, place) if limits else nullcontext():
        await silence


def place_of_stall(steps: Sequence[Step]) -> str:
    """Return the place of the first stall in a script, for messages. A later stall is never reached."""
    number = next(number for number, step in enumerate(steps) if isinstance(step, Stall))
    text = "".join(map(text_of_step, steps))
    return f"steps[{number}] of the script {excerpt(text)}, a Stall,"
