"""Scripts: the steps that a producer plays."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from operator import index
from typing import TYPE_CHECKING, Protocol, get_args

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta
from pytest_streamval.recordings.cassette import Cassette
from pytest_streamval.scripting.playback import Playback, SyncPlayback, note_taken
from pytest_streamval.scripting.script_file import read_steps, write_steps
from pytest_streamval.scripting.steps import Delay, Raise, Step, check_calls, text_of_step
from pytest_streamval.scripting.tool_calls import call_steps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike


_KINDS = frozenset(get_args(Step))


@dataclass(frozen=True, slots=True)
class Script:
    """The steps that a producer plays. It is immutable, so backends and tests can share it."""

    steps: tuple[Step, ...] = ()
    """The steps, in order."""

    def __post_init__(self) -> None:
        steps: object = self.steps
        if not isinstance(steps, tuple):
            rule = "It must be a tuple. Script.of(...) takes steps as arguments, Script.from_text(...) takes a text."
            raise InvalidArgumentError("steps", excerpt(steps), rule)
        kinds = set(map(type, self.steps))
        if kinds == {str}:  # the usual case
            return
        for number, step in enumerate(self.steps):
            if isinstance(step, Delta):
                check_calls(f"steps[{number}]", step)
        if _KINDS.issuperset(kinds):
            return
        for number, step in enumerate(self.steps):
            if not isinstance(step, Step):
                raise _not_a_step(number, step)

    @classmethod
    def of(cls, *steps: Step, finish_reason: str | None = None) -> Script:
        """Return a script of steps.

        Args:
            steps: The steps, in the order in which they are played.
            finish_reason: The finish reason of the last delta.
        """
        script = cls(steps)
        return script if finish_reason is None else cls(_finished(steps, finish_reason))

    @classmethod
    def from_text(cls, text: str, token_size: int = 1) -> Script:
        """Return a script that sends a text in deltas of `token_size` characters. The last one may be shorter."""
        size: object = token_size
        if not isinstance(size, int) or size < 1:
            raise InvalidArgumentError("token_size", excerpt(token_size), "It must be a whole number, 1 or more.")
        return cls(tuple(text[at : at + token_size] for at in range(0, len(text), token_size)))

    @classmethod
    def tool_call(
        cls,
        name: str,
        arguments: Mapping[str, object] | str,
        *,
        id: str | None = None,  # noqa: A002  # as in ToolCall
        pieces: int = 1,
    ) -> Script:
        """Return a script whose output is one tool call.

        Args:
            name: The name of the tool.
            arguments: The arguments, or their JSON text, which is sent as it is.
            id: The identifier of the call. By default, it is made from the name and the arguments, so it is always the
                same for the same call.
            pieces: The number of deltas that the arguments come in. The first one has the name and the identifier, too.

        Raises:
            InvalidArgumentError: A `ValueError`. If an argument is invalid, or JSON cannot express the arguments.
        """
        return cls(call_steps(name, arguments, id, pieces))

    @classmethod
    def from_cassette(cls, path: str | PathLike[str], timing: bool = False) -> Script:  # noqa: FBT001, FBT002  # as designed
        """Return a script of a recorded stream: the deltas of the provider, and the error that ended it, if any.

        Args:
            path: The path of a cassette.
            timing: Whether to play the recorded pauses too, including the one before the first delta.

        Raises:
            InvalidFileError: A `ValueError`. If the file is not a cassette, or its protocol is unknown.
        """
        steps: list[Step] = []
        now = 0.0
        for at, deltas in (recording := Cassette.load(path).decode()).reads:
            if timing and at > now and (deltas or (recording.error is not None and at == recording.reads[-1][0])):
                steps.append(Delay(at - now))
                now = at
            steps.extend(delta.text if _is_text(delta) else delta for delta in deltas)
        if recording.error is not None:
            steps.append(Raise(recording.error))
        return cls(tuple(steps))

    @classmethod
    def load(cls, path: str | PathLike[str], *, imports: Iterable[str] = ()) -> Script:
        """Read a script that `dump` or a person wrote.

        The file is data. It can name an exception that is built in, belongs to this package, or is in a module that is
        imported already. It imports no other module, and cannot name exceptions that end a run, such as `SystemExit`.

        Args:
            path: The path of a JSONL file in UTF-8 with one step a line. Blank lines and lines that begin with `#` are
                ignored.
            imports: The names of modules and packages that may be imported for the classes of exceptions, besides
                those of the ini value `streamval_script_imports`.

        Raises:
            InvalidFileError: A `ValueError`. If a step is invalid, or there is none. It has the line and the column.
            InvalidArgumentError: A `ValueError`. If `imports` is a `str`.
            OSError: If the file cannot be read.
        """
        if isinstance(imports, str):
            raise InvalidArgumentError("imports", excerpt(imports), f"It must be a list of names: [{imports!r}].")
        return cls(tuple(read_steps(path, imports)))

    def dump(self, path: str | PathLike[str]) -> None:
        """Write the script to a file that `load` reads, one step a line.

        `load` makes another exception of the same class and args. The file is written completely or, after an error,
        not at all. Missing folders are made.

        Raises:
            InvalidArgumentError: A `ValueError`. If a step would not be read back as the same, or there is none.
            OSError: If the file cannot be written. It names the file.
        """
        write_steps(self.steps, path)

    @property
    def deltas(self) -> tuple[Delta, ...]:
        """The deltas, without the other steps."""
        note_taken(self)
        return tuple(
            Delta(step) if isinstance(step, str) else step for step in self.steps if isinstance(step, (str, Delta))
        )

    @property
    def text(self) -> str:
        """The text of all deltas."""
        return "".join(map(text_of_step, self.steps))

    def recut(self, offsets: Iterable[int]) -> Script:
        """Return a script of the same text in other pieces.

        A step without text keeps its place in the text, and a piece ends there. The other content of a delta with text
        belongs to the piece that ends at the same place as that text. Empty deltas are left out.

        Args:
            offsets: The offsets at which pieces begin, in characters from the start of `text`, in any order. An offset
                at the start or the end of the text has no effect.

        Raises:
            InvalidArgumentError: A `ValueError`. If an offset is not a whole number, or is outside the text.
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
                steps[-1] = replace(step, text=piece)  # this piece ends at the same place as its text
            else:
                steps.append(step)
        return Script((*steps, *pieces))

    def play(self) -> Playback:
        """Return a new asynchronous iterator over the text, for code without a backend.

        It yields the text of each delta that has text, and performs the other steps: a `Delay` and a `Stall` wait, and
        a `Raise` raises.
        """
        return Playback(self)

    def play_sync(self) -> SyncPlayback:
        """Return a new iterator over the text, for synchronous code. It is like `play`, but a `Stall` is an error."""
        return SyncPlayback(self)


class ScriptFactory(Protocol):
    """The type of the fixture `stream_script`, a function that returns scripts."""

    def __call__(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Return a script. A text is sent in deltas of `token_size` characters."""


def as_script(script: Script | str, *, token_size: int = 1) -> Script:
    """Return a script unchanged, or the script that sends a text in deltas of `token_size` characters."""
    if isinstance(script, Script):
        return script
    given: object = script
    if not isinstance(given, str):
        raise InvalidArgumentError("script", excerpt(given), "It must be a Script or a str.")
    return Script.from_text(script, token_size)


def pieces_of(text: str, offsets: Iterable[int]) -> list[str]:
    """Return the non-empty pieces of a text that begin at the offsets."""
    ends = sorted({0, len(text), *offsets})
    if ends[0] < 0 or ends[-1] > len(text):
        outside = ends[0] if ends[0] < 0 else ends[-1]
        rule = f"It must be a place in the text, from 0 to its {len(text)} characters."
        raise InvalidArgumentError("offset", excerpt(outside), rule)
    return [text[start:end] for start, end in pairwise(ends)]


def _not_a_step(number: int, given: object) -> InvalidArgumentError:
    hint = ""
    if isinstance(given, type):
        hint = f" For an instance of this class, write {given.__name__}(...)."
    elif isinstance(given, BaseException):
        hint = " For a failure, write Raise(...)."
    elif isinstance(given, bytes):
        hint = " For bytes as they are, write RawFrame(...)."
    rule = f"It must be a str, a Delta, a Delay, a Raise, a Stall or a RawFrame.{hint}"
    return InvalidArgumentError(f"steps[{number}]", excerpt(given), rule)


def _finished(steps: tuple[Step, ...], finish_reason: str) -> tuple[Step, ...]:
    """Return the steps with a finish reason in the last delta, or in a new one if there are none."""
    for number in range(len(steps) - 1, -1, -1):
        step = steps[number]
        if isinstance(step, (str, Delta)):
            delta = Delta(step) if isinstance(step, str) else step
            return (*steps[:number], replace(delta, finish_reason=finish_reason), *steps[number + 1 :])
    return (*steps, Delta(finish_reason=finish_reason))


def _is_text(step: Step) -> bool:
    """Return whether a step has nothing but text, which may be empty."""
    return isinstance(step, str) or (isinstance(step, Delta) and step == Delta(step.text))


def _whole_numbers(offsets: Iterable[int]) -> list[int]:
    try:
        return [index(offset) for offset in offsets]
    except TypeError as error:
        rule = "They must be whole numbers, each a place in the text."
        raise InvalidArgumentError("offsets", excerpt(offsets), rule) from error
