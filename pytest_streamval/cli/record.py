"""`streamval record`: ask a model, show its answer, and save the stream in a cassette."""

from __future__ import annotations

import os
import sys
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import (
    add_json_option,
    add_prompt,
    clear_line,
    discard_output,
    model_options_of,
    print_json,
    print_note,
    print_text,
    prompt_of,
)

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.recording_transport import RecordingTransport


def add(commands: Commands) -> None:
    """Add the command."""
    record = commands.add_parser("record", help="ask a model, and save its stream byte for byte in a cassette")
    record.set_defaults(parser=record, run=_record)
    record.add_argument("spec", metavar="SPEC", help="provider and model, such as ollama:granite4:micro")
    add_prompt(record)
    record.add_argument("-o", "--output", metavar="FILE", required=True, help="the cassette to write")
    record.add_argument("--url", help="the provider's address, if it is not the usual one")
    add_json_option(record)


def _record(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Ask a model, show its answer as it arrives, and save the stream."""
    import asyncio

    from pytest_streamval.cli.signals import ENDED
    from pytest_streamval.errors import InvalidArgumentError, MissingExtraError, StreamvalError
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.recording_transport import RecordingTransport, transport_of

    prompt = prompt_of(options)
    try:
        backend = LiveBackend(options.spec, base_url=options.url)
        backend.provider.key(backend.address)
    except StreamvalError as error:
        parser.error(str(error))
    if os.path.isdir(options.output):  # noqa: PTH112  # pathlib takes as long to import as everything else here
        parser.error(f"Invalid -o: {options.output!r}. It must be a file, not a folder.")
    transport = RecordingTransport(transport_of(backend), options.output)
    signals: list[int] = []
    try:
        return asyncio.run(_ask_until_signal(backend, transport, prompt, options, signals))
    except (InvalidArgumentError, MissingExtraError) as error:
        parser.error(str(error))
    except (KeyboardInterrupt, asyncio.CancelledError):
        saved = f"{options.output} holds the stream so far" if transport.written else "nothing was saved"
        print_note(f"interrupted; {saved}")
        if not signals:
            raise
        return ENDED + signals[0]


async def _ask_until_signal(
    backend: LiveBackend, transport: RecordingTransport, prompt: str, options: argparse.Namespace, signals: list[int]
) -> int:
    import asyncio

    from pytest_streamval.cli.signals import cancelled_by_signals

    task = asyncio.current_task()
    assert task is not None  # noqa: S101  # for the type checker
    with cancelled_by_signals(task, signals):
        return await _ask(backend, transport, prompt, options)


async def _ask(backend: LiveBackend, transport: RecordingTransport, prompt: str, options: argparse.Namespace) -> int:
    from pytest_streamval.engine import ModelOption, SimpleContext
    from pytest_streamval.errors import InvalidArgumentError, MissingExtraError, StreamvalError
    from pytest_streamval.live.recording_transport import with_transport

    model_options = {**model_options_of(options), ModelOption.STREAM: True}
    recorded = with_transport(backend, transport)
    thunk, _ = await recorded.generate_from_context(prompt, SimpleContext(), model_options=model_options)
    screen = _Screen(backend.spec, quiet=options.json)
    failure = ""
    try:
        screen.show_progress("waiting for the first token")
        async for text in thunk:
            screen.show(text)
    except (InvalidArgumentError, MissingExtraError):
        raise
    except (StreamvalError, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
    finally:
        await thunk.cancel_generation()
        screen.end()
    return _print_summary(transport, failure, options)


def _print_summary(transport: RecordingTransport, failure: str, options: argparse.Namespace) -> int:
    """Print the size of the recording and the failure, and return the exit code."""
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.terminal_view import View

    view = View.of(Cassette.load(transport.written[0])) if transport.written else None
    if options.json:
        facts = {"file": None} if view is None else view.facts()
        print_json(**{**facts, "error": failure or None})
    if failure:
        print_note(failure)
    if view is not None:
        print_note(f"{options.output}: {'the stream so far: ' if failure else ''}{view.summary()}")
    return 1 if failure else 0


class _Screen:
    """The text of a model on standard output, and a line of progress on standard error."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._text_on_terminal = sys.stdout.isatty() and not quiet  # the text then takes the line of the progress
        self._has_progress_line = False
        self._characters = 0
        self._ends_line = True

    def show_progress(self, what: str) -> None:
        """Show a line on a terminal. The next call replaces it."""
        if sys.stderr.isatty():
            from pytest_streamval.recordings.terminal_view import fitted

            self._clear()
            line = fitted(f"{self._name}: {what}", get_terminal_size().columns - 1)
            print_text(line, end="", to_errors=True, flush=True)
            self._has_progress_line = True

    def show(self, text: str) -> None:
        """Show text while its pipe has a reader. The recording goes on without one."""
        self._characters += len(text)
        if not self._quiet:
            self._clear()
            self._print(text)
        if not self._text_on_terminal:
            self.show_progress(f"{self._characters:,} characters")

    def end(self) -> None:
        """Remove the progress, and end the line."""
        self._clear()
        if not self._ends_line:
            self._print("\n")

    def _clear(self) -> None:
        if self._has_progress_line:
            clear_line()
            self._has_progress_line = False

    def _print(self, text: str) -> None:
        self._ends_line = text.endswith("\n")
        try:
            print_text(text, end="", flush=True)
        except BrokenPipeError:
            discard_output()
            self._quiet = self._ends_line = True
