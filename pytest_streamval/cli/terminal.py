"""Output and arguments that the commands share. Only this module prints, and all that it prints is harmless."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors.text import harmless, harmless_json

if TYPE_CHECKING:
    import argparse
    from typing import TextIO

    Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def print_text(text: str, *, end: str = "\n", to_errors: bool = False, flush: bool = False) -> None:
    """Print a text on standard output or standard error. Its control characters are shown as escapes."""
    print(harmless(text), end=end, file=sys.stderr if to_errors else sys.stdout, flush=flush)


def print_json(**values: object) -> None:
    """Print a JSON object, on one line."""
    from pytest_streamval.files.json_text import json_line

    print(harmless_json(json_line(values)), flush=True)


def clear_line() -> None:
    """Clear the line of the cursor on standard error, which must be a terminal."""
    print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def clear_rows(count: int) -> None:
    """Clear the last rows of standard output, which must be a terminal, and leave the cursor at the first of them."""
    if count:
        print(f"\x1b[{count}F\x1b[J", end="")


def print_note(message: str) -> None:
    """Print an error or a note on standard error, after everything that was printed before it."""
    try:
        sys.stdout.flush()
    finally:
        print_text(f"streamval: {message}", to_errors=True)


def escape_unprintable(stream: TextIO) -> None:
    """Make a stream print an escape for each character that its encoding lacks. By default Python fails there."""
    if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
        stream.reconfigure(errors="backslashreplace")


def discard_output() -> None:
    """Discard all further output, because its reader has closed the pipe. Python would fail to flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def add_json_option(parser: argparse.ArgumentParser) -> None:
    """Add the option for output that programs can read."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")


def add_cassette(parser: argparse.ArgumentParser) -> None:
    """Add the argument that names a cassette."""
    parser.add_argument("file", metavar="FILE", help="a cassette: a recorded stream, JSONL")


def add_prompt(parser: argparse.ArgumentParser) -> None:
    """Add the prompt and the options that go to a model with it."""
    parser.add_argument("prompt", metavar="PROMPT", help="the prompt; - reads it from standard input")
    parser.add_argument("--system", metavar="TEXT", help="the system prompt")
    parser.add_argument("--temperature", type=float, metavar="N", help="the temperature; 0 for the likeliest words")
    parser.add_argument("--max-tokens", type=int, metavar="N", help="the length limit of an answer, in tokens")
    parser.add_argument(
        "--seed", type=int, metavar="N", help="a seed, for a repeatable answer if the model supports it"
    )


def prompt_of(options: argparse.Namespace) -> str:
    """Return the prompt that `add_prompt` has parsed, or exit with 2 if it is empty."""
    prompt = sys.stdin.read() if options.prompt == "-" else str(options.prompt)
    if not prompt.strip():
        options.parser.error("The prompt is empty. Give a text, or - to read it from standard input.")
    return prompt


def model_options_of(options: argparse.Namespace) -> dict[str, object]:
    """Return the model options that `add_prompt` has parsed, without those that were not given."""
    from pytest_streamval.engine.backend import ModelOption

    given = {
        ModelOption.SYSTEM_PROMPT: options.system,
        ModelOption.TEMPERATURE: options.temperature,
        ModelOption.MAX_NEW_TOKENS: options.max_tokens,
        ModelOption.SEED: options.seed,
    }
    return {str(name): value for name, value in given.items() if value is not None}
