"""`streamval record`: ask a model, show what it says, and keep the stream."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import columns, complain, print_json, stop_printing, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.recording_transport import RecordingTransport


def add(commands: Commands) -> None:
    """Add the command."""
    record = commands.add_parser("record", help="ask a model and keep its stream, byte for byte, in a cassette")
    record.set_defaults(parser=record, run=_record)
    record.add_argument("spec", metavar="SPEC", help="provider and model, such as ollama:granite4:micro")
    record.add_argument("prompt", metavar="PROMPT", help="what to ask; - reads it from standard input")
    record.add_argument("-o", "--output", metavar="FILE", required=True, help="the cassette to write")
    record.add_argument("--url", help="where the provider is, if not where it always is")
    record.add_argument("--system", metavar="TEXT", help="the system prompt")
    record.add_argument("--temperature", type=float, metavar="N", help="0 for the likeliest words")
    record.add_argument("--max-tokens", type=int, metavar="N", help="how long the answer may be")
    record.add_argument("--seed", type=int, metavar="N", help="for the same answer again, where the model knows it")
    takes_json(record)


def _record(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Ask a model, show what it says while it says it, and keep the stream."""
    import asyncio

    from pytest_streamval.errors import InvalidArgumentError, MissingExtraError, StreamvalError
    from pytest_streamval.live.backend import LiveBackend

    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    try:
        backend = LiveBackend(options.spec, base_url=options.url)
        backend.provider.key(backend.address)
    except StreamvalError as error:
        parser.error(str(error))
    if os.path.isdir(options.output):  # noqa: PTH112  # pathlib takes as long to load as all else here
        parser.error(f"-o {options.output} is a folder: name the file to write.")
    try:
        return asyncio.run(_ask(backend, prompt, options))
    except (InvalidArgumentError, MissingExtraError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        complain(f"interrupted; what had come is in {options.output}")
        raise


async def _ask(backend: LiveBackend, prompt: str, options: argparse.Namespace) -> int:
    from pytest_streamval.engine import ModelOption, SimpleContext
    from pytest_streamval.errors import InvalidArgumentError, MissingExtraError, StreamvalError
    from pytest_streamval.live.recording_transport import RecordingTransport, carried, network_of

    asked: dict[str, object] = {
        ModelOption.STREAM: True,
        ModelOption.SYSTEM_PROMPT: options.system,
        ModelOption.TEMPERATURE: options.temperature,
        ModelOption.MAX_NEW_TOKENS: options.max_tokens,
        ModelOption.SEED: options.seed,
    }
    transport = RecordingTransport(network_of(backend), options.output)
    thunk, _ = await carried(backend, transport).generate_from_context(prompt, SimpleContext(), model_options=asked)
    screen = _Screen(backend.spec, quiet=options.json)
    failure = ""
    try:
        screen.progress("waiting for the first token")
        async for text in thunk:
            screen.show(text)
    except (InvalidArgumentError, MissingExtraError):
        raise
    except (StreamvalError, OSError) as error:
        failure = f"{type(error).__name__}: {error}"
    finally:
        await thunk.cancel_generation()
        screen.end()
    return _tell(transport, failure, options)


def _tell(transport: RecordingTransport, failure: str, options: argparse.Namespace) -> int:
    """Say what was recorded, and what went wrong."""
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.terminal_view import View

    kept = View.of(Cassette.load(transport.written[0])) if transport.written else None
    if options.json:
        facts = {"file": None} if kept is None else kept.facts()
        print_json(**{**facts, "error": failure or None})
    if failure:
        complain(failure)
    if kept is not None:
        what = "what had come is kept: " if failure else ""
        print(f"streamval: {options.output}: {what}{kept.summary()}", file=sys.stderr)
    return 1 if failure else 0


class _Screen:
    """What a person sees while a model speaks."""

    def __init__(self, name: str, *, quiet: bool) -> None:
        self._name = name
        self._quiet = quiet
        self._text_is_seen = sys.stdout.isatty() and not quiet  # on the line where progress would be
        self._tells = sys.stderr.isatty()  # progress is for people
        self._telling = False
        self._characters = 0
        self._ends_line = True

    def progress(self, what: str) -> None:
        """Show one line, which the next one replaces."""
        if self._tells:
            from pytest_streamval.recordings.terminal_view import fitted

            self._clear()
            print(fitted(f"{self._name}: {what}", columns() - 1), end="", file=sys.stderr, flush=True)
            self._telling = True

    def show(self, text: str) -> None:
        """Show what was said, as long as somebody listens; the recording goes on without them."""
        self._characters += len(text)
        if not self._quiet:
            self._clear()
            self._print(text)
        if not self._text_is_seen:
            self.progress(f"{self._characters:,} characters")

    def end(self) -> None:
        """End the line."""
        self._clear()
        if not self._ends_line:
            self._print("\n")

    def _clear(self) -> None:
        if self._telling:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._telling = False

    def _print(self, text: str) -> None:
        from pytest_streamval.recordings.terminal_view import harmless

        self._ends_line = text.endswith("\n")
        try:
            print(harmless(text) if self._text_is_seen else text, end="", flush=True)
        except BrokenPipeError:
            stop_printing()
            self._quiet = self._ends_line = True
