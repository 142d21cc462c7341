"""Text of several speakers at once, in lines that begin with the name of their speaker."""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import clear_rows, print_note, print_text
from pytest_streamval.errors.text import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from typing import TextIO

_SEPARATOR = " | "
_NARROWEST = 20  # characters of a line, however narrow the terminal is
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


class Lines:
    """Prints the text of several speakers, which arrives in pieces, in lines that can be told apart.

    A line is printed when it is complete. The text of a speaker that speaks alone appears at once. On a terminal, lines
    are wrapped, and each speaker has a colour if rich is installed. The unfinished line of each speaker has a row of
    its own there, below the complete lines.
    """

    def __init__(self, speakers: Sequence[str], *, alone: Collection[str] = ()) -> None:
        """Create an object for speakers.

        Args:
            speakers: Their names.
            alone: The names of those that speak while no other one does.
        """
        self._unfinished: dict[str, list[str]] = {speaker: [] for speaker in speakers}
        self._alone = frozenset(alone)
        self._width = max(map(len, speakers))
        is_terminal = sys.stdout.isatty()
        self._print = _coloured(speakers) if is_terminal else _plain
        size = get_terminal_size()
        room = size.columns - self._width - len(_SEPARATOR) - 1
        self._room = max(_NARROWEST, room) if is_terminal else None
        self._has_rows = room >= _NARROWEST and len(speakers) < size.lines and _moves_cursor(sys.stdout)
        self._rows = 0  # those that show unfinished lines now

    def show(self, speaker: str, text: str) -> None:
        """Print the lines that text completes, and on a terminal or of a single speaker also the rest."""
        if self._room is None and speaker in self._alone:
            self._continue(speaker, text)
            return
        unfinished = self._unfinished[speaker]
        unfinished.append(text)
        if self._room is None and "\n" not in text:
            return
        *lines, rest = self._split("".join(unfinished))
        unfinished[:] = [rest] if rest else []
        self._clear_rows()
        for line in lines:
            self._print(speaker, self._head(speaker), harmless(line))
        self._show_rows()

    def end(self, speaker: str) -> None:
        """Print the last line of a speaker."""
        if not self._unfinished[speaker]:
            return
        if self._room is None and speaker in self._alone:
            self._unfinished[speaker].clear()
            print_text("", flush=True)
        else:
            self.show(speaker, "\n")

    def end_all(self) -> None:
        """Print the last line of every speaker."""
        for speaker in self._unfinished:
            self.end(speaker)

    def note(self, message: str) -> None:
        """Print an error or a note on standard error."""
        self._clear_rows()
        print_note(message)
        self._show_rows()

    def _continue(self, speaker: str, text: str) -> None:
        """Print the text of a single speaker at once."""
        first, *others = text.split("\n")
        self._write(speaker, first)
        for line in others:
            if not self._unfinished[speaker]:
                print_text(self._head(speaker), end="")  # of an empty line
            self._unfinished[speaker].clear()
            print_text("")
            self._write(speaker, line)
        sys.stdout.flush()

    def _write(self, speaker: str, text: str) -> None:
        if text:
            head = "" if self._unfinished[speaker] else self._head(speaker)
            self._unfinished[speaker] = [speaker]  # only whether there is an unfinished line counts
            print_text(f"{head}{text}", end="")

    def _clear_rows(self) -> None:
        clear_rows(self._rows)
        self._rows = 0

    def _show_rows(self) -> None:
        """Print the unfinished lines, each in a row of its own."""
        if not self._has_rows:
            return
        for speaker, unfinished in self._unfinished.items():
            if unfinished:
                self._print(speaker, self._head(speaker), harmless("".join(unfinished)))
                self._rows += 1
        sys.stdout.flush()

    def _head(self, speaker: str) -> str:
        return harmless(f"{speaker:<{self._width}}{_SEPARATOR}")

    def _split(self, text: str) -> list[str]:
        if self._room is None:
            return text.split("\n")
        from pytest_streamval.recordings.terminal_view import wrapped

        return wrapped(text, self._room)


def _moves_cursor(stream: TextIO) -> bool:
    """Return whether a stream is a terminal whose cursor can be moved."""
    try:
        return os.isatty(stream.fileno()) and os.environ.get("TERM", "dumb") != "dumb"
    except (OSError, ValueError):  # a stream in memory has no file
        return False


def _plain(speaker: str, head: str, line: str) -> None:
    del speaker
    print_text(f"{head}{line}", flush=True)


def _coloured(speakers: Sequence[str]) -> Callable[[str, str, str], None]:
    """Return a function that prints the head of a line in the colour of its speaker."""
    try:
        from rich.console import Console
        from rich.text import Text
    except ModuleNotFoundError:
        return _plain
    # Lines are cut already, and a console strips the space at the end of a line that is wider than it.
    console = Console(highlight=False, soft_wrap=True, width=sys.maxsize)
    colours = {speaker: _COLOURS[place % len(_COLOURS)] for place, speaker in enumerate(speakers)}
    return lambda speaker, head, line: console.print(Text.assemble((head, colours[speaker]), line))
