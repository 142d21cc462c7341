"""Scripts: what a producer plays, step by step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import index
from typing import TYPE_CHECKING, Protocol

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.scripting.playback import Playback, SyncPlayback, note_taken
from pytest_streamval.scripting.script_file import read_steps, write_steps
from pytest_streamval.scripting.steps import Delay, Raise, Step, text_of_step

if TYPE_CHECKING:
    from collections.abc import Iterable
    from os import PathLike


@dataclass(frozen=True, slots=True)
class Script:
    """The steps that a producer plays; immutable, so that one script serves many backends and tests."""

    steps: tuple[Step, ...] = ()
    """The steps, in order."""

    def __post_init__(self) -> None:
        steps: object = self.steps
        if not isinstance(steps, tuple):
            rule = (
                "It must be a tuple of steps; Script.of(...) takes them one by one, Script.from_text(...) cuts a text."
            )
            raise InvalidArgumentError("steps", excerpt(steps), rule)
        for number, step in enumerate(self.steps):
            if not isinstance(step, Step):
                hint = ""
                if isinstance(step, type):
                    hint = f" That is the class; write {step.__name__}(...)."
                elif isinstance(step, BaseException):
                    hint = " To fail with it, write Raise(...)."
                rule = f"A step is a str, a Delta, a Delay, a Raise or a Stall.{hint}"
                raise InvalidArgumentError(f"steps[{number}]", excerpt(step), rule)

    @classmethod
    def of(cls, *steps: Step, finish_reason: str | None = None) -> Script:
        """Make a script of steps.

        Args:
            steps: in the order in which they are played.
            finish_reason: comes with the last delta.
        """
        script = cls(steps)
        return script if finish_reason is None else cls(_finished(steps, finish_reason))

    @classmethod
    def from_text(cls, text: str, token_size: int = 1) -> Script:
        """Make a script that sends a text in deltas of `token_size` characters, the last one of what is left."""
        size: object = token_size
        if not isinstance(size, int) or size < 1:
            raise InvalidArgumentError(
                "token_size", excerpt(token_size), "A delta brings 1 character or more, a whole number."
            )
        return cls(tuple(text[at : at + token_size] for at in range(0, len(text), token_size)))

    @classmethod
    def from_cassette(cls, path: str | PathLike[str], timing: bool = False) -> Script:  # noqa: FBT001, FBT002  # as designed
        """Make a script of what a recorded provider sent: its deltas, and how its stream ended.

        Args:
            path: a cassette.
            timing: play the recorded pauses too, the one before the first delta included.

        Raises:
            InvalidCassetteError: a `ValueError`; the file is no cassette, or of a protocol that is not known.
        """
        steps: list[Step] = []
        now = 0.0
        for at, deltas in (recording := Cassette.load(path).decode()).reads:
            if timing and at > now and (deltas or (recording.error is not None and at == recording.reads[-1][0])):
                steps.append(Delay(at - now))
                now = at
            steps.extend(_plain(delta) for delta in deltas)
        if recording.error is not None:
            steps.append(Raise(recording.error))
        return cls(tuple(steps))

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Script:
        """Read a script that `dump` or a person wrote.

        An exception that is no built-in one is imported, with the module that it is in: load what you would run.

        Args:
            path: a file of JSONL in UTF-8, one step a line; blank lines and lines that begin with `#` are left out.

        Raises:
            InvalidScriptError: a `ValueError`; it names the line and the column where a step is not what it has to be.
            OSError: the file cannot be read.
        """
        return cls(tuple(read_steps(path)))

    def dump(self, path: str | PathLike[str]) -> None:
        """Write the script to a file that `load` reads, one step a line.

        An exception comes back as another one of the same class and args.

        Raises:
            InvalidArgumentError: a `ValueError`; a step would not come back the same. Nothing was written.
            OSError: the file cannot be written.
        """
        write_steps(self.steps, path)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The deltas, without the steps that are none."""
        note_taken(self)
        return tuple(
            Delta(step) if isinstance(step, str) else step for step in self.steps if isinstance(step, (str, Delta))
        )

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(text_of_step(step) for step in self.steps)

    def recut(self, offsets: Iterable[int]) -> Script:
        """Return a script of the same text with its boundaries elsewhere.

        What is no text keeps its place in the text, and there a piece ends. What a delta brings beside its text comes
        with the piece that ends where the text of that delta did. Deltas that bring nothing are left out.

        Args:
            offsets: where the pieces begin, in characters from the start of `text`, in any order; its ends cut
                nothing off.

        Raises:
            InvalidArgumentError: a `ValueError`; an offset is no whole number, or outside the text.
        """
        ends = list(accumulate(len(text_of_step(step)) for step in self.steps))
        kept = [(step, end) for step, end in zip(self.steps, ends, strict=True) if not _is_text(step)]
        pieces = iter(pieces_of(self.text, [*_whole_numbers(offsets), *(end for _, end in kept)]))
        steps: list[Step] = []
        at, piece = 0, ""
        for step, end in kept:
            while at < end:
                piece = next(pieces)
                steps.append(piece)
                at += len(piece)
            if isinstance(step, Delta) and step.text:
                steps[-1] = replace(step, text=piece)  # a piece ends where its text does: this one
            else:
                steps.append(step)
        return Script((*steps, *pieces))

    def play(self) -> Playback:
        """Return a new asynchronous iterator over the text, for code that knows no backend.

        It yields the text of each delta that has any, and does what the other steps say: a `Delay` and a `Stall` wait,
        a `Raise` raises.
        """
        return Playback(self)

    def play_sync(self) -> SyncPlayback:
        """Return a new iterator over the text, for synchronous code; as `play`, but a `Stall` is a `SyncStallError`."""
        return SyncPlayback(self)


class ScriptFactory(Protocol):
    """What the fixture `stream_script` is: makes as many scripts as a test wants."""

    def __call__(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Return a script, which sends a text in deltas of `token_size` characters."""


def as_script(script: Script | str, *, token_size: int = 1) -> Script:
    """Return a script as it is, and a text as the script that sends it in deltas of `token_size` characters."""
    if isinstance(script, Script):
        return script
    given: object = script
    if not isinstance(given, str):
        raise InvalidArgumentError("script", excerpt(given), "It must be a Script or a text.")
    return Script.from_text(script, token_size)


def pieces_of(text: str, offsets: Iterable[int]) -> list[str]:
    """Return a text in pieces, which begin at the offsets; offsets at its ends cut nothing off."""
    ends = sorted({0, len(text), *offsets})
    if ends[0] < 0 or ends[-1] > len(text):
        outside = ends[0] if ends[0] < 0 else ends[-1]
        rule = f"An offset is a place in the text, from 0 to its {len(text)} characters."
        raise InvalidArgumentError("offset", excerpt(outside), rule)
    return [text[start:end] for start, end in pairwise(ends)]


def _finished(steps: tuple[Step, ...], finish_reason: str) -> tuple[Step, ...]:
    """Return the steps with a finish reason in the last delta, or in one of its own where there is none."""
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if isinstance(step, (str, Delta)):
            delta = Delta(step) if isinstance(step, str) else step
            return (*steps[:number], replace(delta, finish_reason=finish_reason), *steps[number + 1 :])
    return (*steps, Delta(finish_reason=finish_reason))


def _is_text(step: Step) -> bool:
    """Return whether a step brings text, maybe empty, and nothing else."""
    return isinstance(step, str) or (isinstance(step, Delta) and step == Delta(step.text))


def _whole_numbers(offsets: Iterable[int]) -> list[int]:
    try:
        return [index(offset) for offset in offsets]
    except TypeError as error:
        rule = "They must be whole numbers, each a place in the text."
        raise InvalidArgumentError("offsets", excerpt(offsets), rule) from error


def _plain(delta: Delta) -> str | Delta:
    return delta.text if delta == Delta(delta.text) else delta
