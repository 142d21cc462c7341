"""`streamval replay`: play a cassette through the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import add_cassette, add_json_option, print_json, print_note, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.scripting.script import Script


def add(commands: Commands) -> None:
    """Add the command."""
    replay = commands.add_parser("replay", help="play a cassette, and show each chunk when it is released")
    replay.set_defaults(parser=replay, run=_replay)
    replay.add_argument("--speed", type=float, default=1.0, metavar="N", help="the speed (default: 1, as recorded)")
    replay.add_argument("--fast", action="store_true", help="skip the recorded pauses")
    replay.add_argument("--chunking", default="sentence", metavar="ALIAS", help="the chunking (default: sentence)")
    add_cassette(replay)
    add_json_option(replay)


def _replay(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Play a cassette through the engine."""
    import asyncio

    from pytest_streamval.engine.simple_chunkers import resolve_chunking
    from pytest_streamval.errors import plural
    from pytest_streamval.scripting.script import Script
    from pytest_streamval.scripting.steps import Delay

    if not options.speed > 0:
        parser.error(f"Invalid --speed: {options.speed:g}. It must be above 0. --fast skips the pauses.")
    try:
        resolve_chunking(options.chunking)
        script = Script.from_cassette(options.file, timing=not options.fast)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    if not options.json:
        counts = f"{plural(len(script.deltas), 'delta')}, {plural(len(script.text), 'character')}"
        print_text(f"{options.file}: {counts}. Time of release, offsets, chunk:")
    steps = (Delay(step.seconds / options.speed) if isinstance(step, Delay) else step for step in script.steps)
    return asyncio.run(_play(Script(tuple(steps)), options))


async def _play(script: Script, options: argparse.Namespace) -> int:
    """Print the chunks of a script as they are released, with the seconds since the start and their offsets."""
    import time

    from pytest_streamval.engine import ChunkEvent, ErrorEvent, SimpleContext, stream_with_chunking
    from pytest_streamval.scripting.mock import StreamingMockBackend

    began, failed = time.time(), False
    backend = StreamingMockBackend(script)
    result = await stream_with_chunking("replay", backend, SimpleContext(), chunking=options.chunking)
    async for event in result.events():
        at = event.timestamp - began
        if isinstance(event, ChunkEvent) and options.json:
            print_json(at=round(at, 6), start=event.start, end=event.end, text=event.text)
        elif isinstance(event, ChunkEvent):
            print_text(f"{at:7.3f} s  {event.start:5}-{event.end:<5}  {event.text!r}", flush=True)
        elif isinstance(event, ErrorEvent):
            failed = True
            print_note(f"{event.exception_type}: {event.detail}")
    await result.aclose()
    if not failed and not options.json:
        print_text(f"{time.time() - began:7.3f} s  end of the stream")
    return 1 if failed else 0
