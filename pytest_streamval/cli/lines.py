"""Lines of several speakers at once. Each line is complete and begins with the name of its speaker."""

from __future__ import annotations

import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import print_text
from pytest_streamval.errors.text import harmless

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SEPARATOR = " | "
_NARROWEST = 20  # characters of a line, however narrow the terminal is
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


class Lines:
    """Prints the text of several speakers, which arrives in pieces, in lines that can be told apart.

    On a terminal, lines are wrapped, so that text appears soon, and each speaker has a colour if rich is installed.
    """

    def __init__(self, speakers: Sequence[str]) -> None:
        """Create an object for speakers, given by their names."""
        self._unfinished = dict.fromkeys(speakers, "")
        self._width = max(map(len, speakers))
        is_terminal = sys.stdout.isatty()
        self._print = _coloured(speakers) if is_terminal else _plain
        room = get_terminal_size().columns - self._width - len(_SEPARATOR) - 1
        self._room = max(_NARROWEST, room) if is_terminal else None

    def show(self, speaker: str, text: str) -> None:
        """Print the lines that text completes."""
        *lines, self._unfinished[speaker] = self._split(self._unfinished[speaker] + text)
        for line in lines:
            self._print(speaker, harmless(f"{speaker:<{self._width}}{_SEPARATOR}"), harmless(line))

    def end(self, speaker: str) -> None:
        """Print the last line of a speaker."""
        if self._unfinished[speaker]:
            self.show(speaker, "\n")

    def end_all(self) -> None:
        """Print the last line of every speaker."""
        for speaker in self._unfinished:
            self.end(speaker)

    def _split(self, text: str) -> list[str]:
        if self._room is None:
            return text.split("\n")
        from pytest_streamval.recordings.terminal_view import wrapped

        return wrapped(text, self._room)


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
