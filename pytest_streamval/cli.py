"""The command `streamval`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.harness.script import Script
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.recorder import RecordingTransport

_PIPE_CLOSED = 141  # as a shell sees a command that SIGPIPE ended
_INTERRUPTED = 130  # and SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for a stream that failed; a wrong call exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.run(options.parser, options)
        sys.stdout.flush()
    except BrokenPipeError:
        _stop_printing()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return code


def _stop_printing() -> None:
    """Let nothing more go where nobody reads; Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# What can be called


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(prog="streamval", description="Streamed model output, recorded, cut and checked.")
    parser.add_argument("--version", action="version", version=f"pytest-streamval {version('pytest-streamval')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

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

    show = commands.add_parser("show", help="show what was recorded: the text, the reads, and when they came")
    show.set_defaults(parser=show, run=_show)
    show.add_argument("--all", action="store_true", help="every read, of a long stream too")

    replay = commands.add_parser("replay", help="play a cassette and show each chunk when it is released")
    replay.set_defaults(parser=replay, run=_replay)
    replay.add_argument("--speed", type=float, default=1.0, metavar="N", help="times as fast as recorded (default: 1)")
    replay.add_argument("--fast", action="store_true", help="without the recorded pauses")
    replay.add_argument("--chunking", default="sentence", metavar="ALIAS", help="how to cut (default: sentence)")

    for command in (show, replay):
        command.add_argument("file", metavar="FILE", help="a cassette: a recorded stream, JSONL")
    for command in (record, show, replay):
        command.add_argument("--json", action="store_true", help="for machines: JSON, one value a line")
    return parser


def _print_json(**values: object) -> None:
    print(json.dumps(values, ensure_ascii=False), flush=True)


def _complain(message: str) -> None:
    """Say what went wrong, behind everything that was printed before."""
    try:
        sys.stdout.flush()
    finally:
        print(f"streamval: {message}", file=sys.stderr)


# record


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
        _complain(f"interrupted; what had come is in {options.output}")
        raise


async def _ask(backend: LiveBackend, prompt: str, options: argparse.Namespace) -> int:
    from pytest_streamval.engine import ModelOption, SimpleContext
    from pytest_streamval.errors import InvalidArgumentError, MissingExtraError, StreamvalError
    from pytest_streamval.live.recorder import RecordingTransport, carried, network_of

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
    from pytest_streamval.harness.cassette import Cassette
    from pytest_streamval.harness.cassette_view import View

    kept = View.of(Cassette.load(transport.written[0])) if transport.written else None
    if options.json:
        facts = {"file": None} if kept is None else kept.facts()
        _print_json(**{**facts, "error": failure or None})
    if failure:
        _complain(failure)
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
            from pytest_streamval.harness.cassette_view import fitted

            self._clear()
            print(fitted(f"{self._name}: {what}", _columns() - 1), end="", file=sys.stderr, flush=True)
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
        from pytest_streamval.harness.cassette_view import harmless

        self._ends_line = text.endswith("\n")
        try:
            print(harmless(text) if self._text_is_seen else text, end="", flush=True)
        except BrokenPipeError:
            _stop_printing()
            self._quiet = self._ends_line = True


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size().columns


# show


def _show(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Show what was recorded."""
    from pytest_streamval.harness.cassette import Cassette
    from pytest_streamval.harness.cassette_view import View

    try:
        view = View.of(Cassette.load(options.file))
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if options.json:
        _print_json(**view.facts())
        return 0
    for line in view.lines(_columns(), whole=options.all, blocks=_has_blocks()):
        print(line)
    return 0


def _has_blocks() -> bool:
    """Return whether what is printed can hold the characters of a picture."""
    try:
        "█─┴…".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


# replay


def _replay(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Play a cassette through the engine."""
    import asyncio

    from pytest_streamval.engine.chunkers import resolve_chunking
    from pytest_streamval.harness.script import Delay, Script

    if not options.speed > 0:
        parser.error(f"--speed {options.speed:g} does not fit: give a number above 0, or --fast.")
    try:
        resolve_chunking(options.chunking)
        script = Script.from_cassette(options.file, timing=not options.fast)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not options.json:
        print(f"{options.file}: {len(script.deltas)} deltas, {len(script.text)} characters. Released, place, chunk:")
    steps = (Delay(step.seconds / options.speed) if isinstance(step, Delay) else step for step in script.steps)
    return asyncio.run(_play(Script(tuple(steps)), options))


async def _play(script: Script, options: argparse.Namespace) -> int:
    """Print the chunks of a script as they are released, with the seconds since the start and their offsets."""
    import time

    from pytest_streamval.engine import ChunkEvent, ErrorEvent, SimpleContext, stream_with_chunking
    from pytest_streamval.harness import StreamingMockBackend

    began, failed = time.time(), False
    backend = StreamingMockBackend(script)
    result = await stream_with_chunking("replay", backend, SimpleContext(), chunking=options.chunking)
    async for event in result.events():
        at = event.timestamp - began
        if isinstance(event, ChunkEvent) and options.json:
            _print_json(at=round(at, 6), start=event.start, end=event.end, text=event.text)
        elif isinstance(event, ChunkEvent):
            print(f"{at:7.3f} s  {event.start:5}-{event.end:<5}  {event.text!r}", flush=True)
        elif isinstance(event, ErrorEvent):
            failed = True
            _complain(f"{event.exception_type}: {event.detail}")
    await result.aclose()
    if not failed and not options.json:
        print(f"{time.time() - began:7.3f} s  end of the stream")
    return 1 if failed else 0
