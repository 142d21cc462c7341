"""`streamval ask --stream`: the text of one speaker at once, and of several in lines or rows of their own."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import ProviderServer, Script, Stall
from pytest_streamval.cli.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())"]
SCRIPTS = {
    "half": Script.of("First li", "ne.\nHal", "f", Stall()),
    "other": Script.of("Whole line.\nRe", "st", Stall()),
    "done": "Done.",
}


@pytest.fixture
def server(monkeypatch, tmp_path) -> Iterator[ProviderServer]:
    """Serve a script for each model."""
    with ProviderServer(lambda request: SCRIPTS[request.model]) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key of no one")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        yield server


def read_until(descriptor: int, wanted: str) -> str:
    """Return the output of a process up to a text."""
    output = b""
    while wanted not in output.decode(errors="ignore"):
        read = os.read(descriptor, 1_000)
        assert read, output
        output += read
    return output.decode()


def piped(wanted: str, *words: str) -> tuple[str, str]:
    """Run the command until it has printed a text, interrupt it, and return the output before and after that."""
    command = [*COMMAND, "ask", "Say it.", "--stream", "--no-cache", *words]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        output = read_until(process.stdout.fileno(), wanted)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read().decode()
    return output, rest


@pytest.fixture(autouse=True)
def handled_interrupts() -> Iterator[None]:
    """Handle SIGINT as a program in the foreground does: a background job of a shell ignores it."""
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, handler)


def test_the_text_of_a_single_member_reaches_a_pipe_before_its_line_ends(server) -> None:
    output, rest = piped("Half", "-m", "openai:half")
    assert output == "openai:half | First line.\nopenai:half | Half"
    assert rest == "\n"


def test_the_text_of_the_synthesis_reaches_a_pipe_before_its_line_ends(server) -> None:
    output, rest = piped("Half", "-m", "openai:done", "-m", "openai:done", "-s", "openai:half")
    assert output.splitlines()[-2:] == ["synthesis     | First line.", "synthesis     | Half"]
    assert rest == "\n"


def test_several_members_on_a_pipe_keep_whole_lines(server) -> None:
    output, rest = piped("Whole line.\n", "-m", "openai:half", "-m", "openai:other")
    assert "Hal" not in output
    assert set(rest.splitlines()) >= {"openai:half  | Half", "openai:other | Rest"}


def screen(output: str) -> list[str]:
    """Return the rows of a terminal after an output."""
    rows, row, column = [""], 0, 0
    for part in re.findall(r"\x1b\[\d*[A-Za-z]|\r|\n|[^\x1b\r\n]+", output):
        if part == "\n":
            row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
        elif part == "\r":
            column = 0
        elif part.startswith("\x1b"):
            if part.endswith("F"):
                row, column = row - int(part[2:-1]), 0
            elif part.endswith("J"):
                rows[row:] = [rows[row][:column]]
            else:
                assert part.endswith("m"), part  # a colour
        else:
            rows[row] = rows[row][:column] + part + rows[row][column + len(part) :]
            column += len(part)
    return [each.rstrip() for each in rows]


def on_terminal(beginnings: set[str], *words: str) -> tuple[list[str], list[str]]:
    """Run the command on a terminal until rows begin so, interrupt it, and return its rows before and after."""
    terminal, slave = pty.openpty()
    command = [*COMMAND, "ask", "Say it.", "--stream", "--no-cache", *words]
    settings = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
    output = b""
    with subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, env=settings) as process:
        os.close(slave)
        while not all(
            any(row.startswith(each) for row in screen(output.decode(errors="ignore"))) for each in beginnings
        ):
            output += os.read(terminal, 1_000)
        before = screen(output.decode())
        process.send_signal(signal.SIGINT)
        with suppress(OSError):  # at the end of the process
            while read := os.read(terminal, 1_000):
                output += read
    os.close(terminal)
    return before, screen(output.decode())


def test_several_members_on_a_terminal_have_a_row_each_for_their_unfinished_lines(server) -> None:
    half, other = "openai:half  | Half", "openai:other | Rest"
    before, after = on_terminal({half, other}, "-m", "openai:half", "-m", "openai:other")
    assert set(before[:2]) == {"openai:half  | First line.", "openai:other | Whole line."}
    assert before[2:] == [half, other, ""]
    assert after == [*before[:2], half, other, "streamval: interrupted; every member was stopped", ""]


def test_a_note_on_a_terminal_leaves_the_rows_below_it(server) -> None:
    half = "openai:half | Half"
    before, _ = on_terminal({half, "streamval: nobody:x: "}, "-m", "openai:half", "-m", "nobody:x")
    assert before[-2:] == [half, ""]
    assert before.count(half) == 1


def test_the_pieces_of_a_long_line_are_not_copied_for_each_delta(capsys) -> None:
    lines = Lines(["a", "b"])
    for _ in range(1_000):
        lines.show("a", "word ")
    assert len(lines._unfinished["a"]) == 1_000
    lines.show("a", "end\n\nnext")
    assert capsys.readouterr().out == f"a | {'word ' * 1_000}end\na | \n"
    lines.end_all()
    assert capsys.readouterr().out == "a | next\n"


def test_empty_lines_of_a_single_speaker_have_its_name(capsys) -> None:
    lines = Lines(["a"], alone=["a"])
    for text in ("\n", "x", "\n\n", "y", ""):
        lines.show("a", text)
    assert capsys.readouterr().out == "a | \na | x\na | \na | y"
    lines.end("a")
    lines.end("a")
    assert capsys.readouterr().out == "\n"
