"""The command `streamval`."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.harness.script import Script


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0, 1 for a stream that failed; a wrong call exits with 2."""
    options = _parser().parse_args(arguments)
    try:
        return _replay(options.parser, options)
    except BrokenPipeError:
        # whoever read has seen enough; Python would complain once more when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    from importlib.metadata import version

    parser = argparse.ArgumentParser(prog="streamval", description="Streamed model output, recorded, cut and checked.")
    parser.add_argument("--version", action="version", version=f"pytest-streamval {version('pytest-streamval')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    replay = commands.add_parser("replay", help="play a cassette and show each chunk when it is released")
    replay.set_defaults(parser=replay)
    replay.add_argument("file", help="a cassette: a recorded stream, JSONL")
    replay.add_argument("--speed", type=float, default=1.0, metavar="N", help="times as fast as recorded (default: 1)")
    replay.add_argument("--fast", action="store_true", help="without the recorded pauses")
    replay.add_argument("--chunking", default="sentence", metavar="ALIAS", help="how to cut (default: sentence)")
    return parser


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
    print(f"{options.file}: {len(script.deltas)} deltas, {len(script.text)} characters. Released, place, chunk:")
    steps = (Delay(step.seconds / options.speed) if isinstance(step, Delay) else step for step in script.steps)
    return asyncio.run(_play(Script(tuple(steps)), options.chunking))


async def _play(script: Script, chunking: str) -> int:
    """Print the chunks of a script as they are released, with the seconds since the start and their offsets."""
    import time

    from pytest_streamval.engine import ChunkEvent, ErrorEvent, SimpleContext, stream_with_chunking
    from pytest_streamval.harness import StreamingMockBackend

    began, failed = time.time(), False
    result = await stream_with_chunking("replay", StreamingMockBackend(script), SimpleContext(), chunking=chunking)
    async for event in result.events():
        if isinstance(event, ChunkEvent):
            print(f"{event.timestamp - began:7.3f} s  {event.start:5}-{event.end:<5}  {event.text!r}", flush=True)
        elif isinstance(event, ErrorEvent):
            failed = True
            print(f"streamval: {event.exception_type}: {event.detail}", file=sys.stderr)
    await result.aclose()
    if not failed:
        print(f"{time.time() - began:7.3f} s  end of the stream")
    return 1 if failed else 0
