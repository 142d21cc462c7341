"""Lines of several speakers at once, each whole, with the name of the speaker before it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import columns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_BETWEEN = " | "  # the name and what is said
_NARROWEST = 20  # characters of a line, on however narrow a terminal
_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "red")


class Lines:
    """Puts what several say at once into lines that can be told apart.

    On a terminal a line ends where the terminal does, so that text is seen soon, and each speaker has a colour.
    """

    def __init__(self, speakers: Sequence[str]) -> None:
        """Make lines for speakers, the names of all of them."""
        self._begun = dict.fromkeys(speakers, "")  # the line of each that is not whole yet
        self._width = max(map(len, speakers))
        terminal = sys.stdout.isatty()
        self._room = max(_NARROWEST, columns() - self._width - len(_BETWEEN) - 1) if terminal else None
        self._print = _coloured(speakers) if terminal else _plain

    def show(self, speaker: str, text: str) -> None:
        """Show text, as far as it makes whole lines."""
        lines = [part for line in (self._begun[speaker] + text).split("\n") for part in _folded(line, self._room)]
        self._begun[speaker] = lines.pop()
        for line in lines:
            self._line(speaker, line)

    def end(self, speaker: str) -> None:
        """Show the last line of a speaker, who says nothing more."""
        rest, self._begun[speaker] = self._begun[speaker], ""
        if rest:
            self._line(speaker, rest)

    def end_all(self) -> None:
        """Show the last line of each who was interrupted."""
        for speaker in self._begun:
            self.end(speaker)

    def _line(self, speaker: str, line: str) -> None:
        self._print(speaker, f"{speaker:<{self._width}}{_BETWEEN}", line)


def _folded(line: str, room: int | None) -> list[str]:
    """Return a line in pieces that have room, cut behind a word where there is one."""
    pieces = []
    while room is not None and len(line) > room:
        cut = line.rfind(" ", 1, room) + 1 or room
        pieces.append(line[:cut])
        line = line[cut:]
    return [*pieces, line]


def _plain(speaker: str, head: str, line: str) -> None:
    del speaker
    print(f"{head}{line}", flush=True)


def _coloured(speakers: Sequence[str]) -> Callable[[str, str, str], None]:
    """Return what prints on a terminal: in colours where rich is installed, and never what the terminal would obey."""
    from pytest_streamval.recordings.terminal_view import harmless

    try:
        from rich.console import Console
        from rich.text import Text
    except ModuleNotFoundError:
        return lambda _, head, line: print(f"{head}{harmless(line)}", flush=True)
    # Lines are cut already, and a console strips the space at the end of a line that is wider than it.
    console = Console(highlight=False, soft_wrap=True, width=sys.maxsize)
    colours = {speaker: _COLOURS[place % len(_COLOURS)] for place, speaker in enumerate(speakers)}

    def show(speaker: str, head: str, line: str) -> None:
        console.print(Text.assemble((head, colours[speaker]), harmless(line)))

    return show
