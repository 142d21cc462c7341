"""`streamval replay`: play a cassette through the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import complain, print_json, takes_cassette, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.scripting.script import Script


def add(commands: Commands) -> None:
    """Add the command."""
    replay = commands.add_parser("replay", help="play a cassette and show each chunk when it is released")
    replay.set_defaults(parser=replay, run=_replay)
    replay.add_argument("--speed", type=float, default=1.0, metavar="N", help="times as fast as recorded (default: 1)")
    replay.add_argument("--fast", action="store_true", help="without the recorded pauses")
    replay.add_argument("--chunking", default="sentence", metavar="ALIAS", help="how to cut (default: sentence)")
    takes_cassette(replay)
    takes_json(replay)


def _replay(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Play a cassette through the engine."""
    import asyncio

    from pytest_streamval.engine.chunkers import resolve_chunking
    from pytest_streamval.scripting.script import Delay, Script

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
    from pytest_streamval.scripting.mock import StreamingMockBackend

    began, failed = time.time(), False
    backend = StreamingMockBackend(script)
    result = await stream_with_chunking("replay", backend, SimpleContext(), chunking=options.chunking)
    async for event in result.events():
        at = event.timestamp - began
        if isinstance(event, ChunkEvent) and options.json:
            print_json(at=round(at, 6), start=event.start, end=event.end, text=event.text)
        elif isinstance(event, ChunkEvent):
            print(f"{at:7.3f} s  {event.start:5}-{event.end:<5}  {event.text!r}", flush=True)
        elif isinstance(event, ErrorEvent):
            failed = True
            complain(f"{event.exception_type}: {event.detail}")
    await result.aclose()
    if not failed and not options.json:
        print(f"{time.time() - began:7.3f} s  end of the stream")
    return 1 if failed else 0
