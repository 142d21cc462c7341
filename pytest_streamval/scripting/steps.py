"""Steps: the parts that a script is made of."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta
from pytest_streamval.scripting.stalls import limits

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Delay:
    """The producer waits."""

    seconds: float
    """How long, in seconds."""

    def __post_init__(self) -> None:
        seconds: object = self.seconds
        if not isinstance(seconds, int | float) or not seconds >= 0:
            raise InvalidArgumentError("seconds", excerpt(self.seconds), "A delay must be 0 seconds or more.")


@dataclass(frozen=True, slots=True)
class Raise:
    """The producer fails."""

    exc: BaseException | type[BaseException]
    """What it raises."""

    def __post_init__(self) -> None:
        exc: object = self.exc
        if not isinstance(exc, BaseException) and not (isinstance(exc, type) and issubclass(exc, BaseException)):
            raise InvalidArgumentError("exc", excerpt(exc), "It must be what a raise statement takes: an exception.")


@dataclass(frozen=True, slots=True)
class Stall:
    """The producer goes silent, until it is stopped."""


Step: TypeAlias = str | Delta | Delay | Raise | Stall
"""The parts of a script; a `str` is a delta that has text only."""


def text_of_step(step: Step) -> str:
    """Return the text of a step."""
    return step if isinstance(step, str) else step.text if isinstance(step, Delta) else ""


async def perform(step: Delay | Raise | Stall, steps: Sequence[Step]) -> None:
    """Perform a step that is no delta.

    Args:
        step: The step.
        steps: All steps of its script, for messages about a stall.
    """
    if isinstance(step, Delay):
        await asyncio.sleep(step.seconds)
    elif isinstance(step, Raise):
        raise step.exc if isinstance(step.exc, type) else step.exc.with_traceback(None)
    else:
        await stall(place_of_stall(steps))


async def stall(place: str) -> None:
    """Wait until the reader stops the producer.

    On a virtual clock, and outside of pytest, that may take for ever.

    Args:
        place: The script and the step, for the error.

    Raises:
        StallTimeoutError: If nothing has stopped the producer within the limit of the run of pytest.
    """
    silence = asyncio.get_running_loop().create_future()
    with limits[-1](silence, place) if limits else nullcontext():
        await silence


def place_of_stall(steps: Sequence[Step]) -> str:
    """Return the place of the first stall in a script, for messages; a later one is never reached."""
    number = next(number for number, step in enumerate(steps) if isinstance(step, Stall))
    text = "".join(map(text_of_step, steps))
    return f"steps[{number}] of the script {excerpt(text)}, a Stall,"
