"""`streamval ask`: put a prompt to several models at once, and show what each says."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import complain, print_json, takes_json

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.council import Council, CouncilResult, CouncilStream, ModelAnswer

_INTERRUPTED = 130  # as a shell sees a command that SIGINT ended
_MODES = ("synthesize", "raw", "debate", "adversarial")  # as in council.council, which takes long to load
_STREAMED = _MODES[:2]
_SYNTHESIS = "synthesis"  # how the lines of the synthesizer begin


def add(commands: Commands) -> None:
    """Add the command."""
    ask = commands.add_parser("ask", help="ask several models at once, and have one answer made of theirs")
    ask.set_defaults(parser=ask, run=_ask)
    ask.add_argument("prompt", metavar="PROMPT", help="what to ask; - reads it from standard input")
    ask.add_argument(
        "-m",
        "--model",
        action="append",
        required=True,
        metavar="SPEC",
        dest="models",
        help="a member: provider and model, such as openai:gpt-4.1; once for each",
    )
    ask.add_argument("-s", "--synthesizer", metavar="SPEC", help="who makes one answer of all, or judges between them")
    ask.add_argument("--mode", choices=_MODES, default=_MODES[0], help=f"how they are asked (default: {_MODES[0]})")
    ask.add_argument("--rounds", type=int, default=2, metavar="N", help="of a debate (default: 2)")
    ask.add_argument("--stream", action="store_true", help="show text as it arrives; with --json it changes nothing")
    ask.add_argument("--no-cache", action="store_true", help="ask again what was asked before, and keep nothing")
    ask.add_argument("--timeout", type=float, metavar="SECONDS", help="for which a model may keep silent")
    ask.add_argument("--system", metavar="TEXT", help="the system prompt")
    ask.add_argument("--temperature", type=float, metavar="N", help="0 for the likeliest words")
    ask.add_argument("--max-tokens", type=int, metavar="N", help="how long each answer may be")
    ask.add_argument("--seed", type=int, metavar="N", help="for the same answers again, where a model knows it")
    takes_json(ask)


def _ask(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Ask, show what is said while it is said, and return whether anybody gave an answer."""
    import asyncio

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.council import CouncilStream
    from pytest_streamval.errors import StreamvalError

    if options.stream and options.mode not in _STREAMED:
        parser.error(f"--stream --mode {options.mode} does not fit: what streams is {' and '.join(_STREAMED)}.")
    prompt = sys.stdin.read() if options.prompt == "-" else options.prompt
    try:
        council = _council(options)
        streams = options.stream and not options.json
        sitting = council.sitting(prompt, options.mode, rounds=options.rounds, streams=streams)
    except StreamvalError as error:
        parser.error(str(error))
    events = CouncilStream(sitting)
    lines = None if options.json else Lines([*(member.name for member in council.members), _SYNTHESIS])
    try:
        asyncio.run(_follow(events, lines))
    except KeyboardInterrupt:
        _tell(events.so_far(), lines)
        if lines is not None:
            complain("interrupted; every member was stopped")
        return _INTERRUPTED
    result = events.so_far()
    _tell(result, lines)
    if result.usable_answers:
        return 0
    if lines is not None:
        complain("nobody gave a usable answer")
    return 1


def _council(options: argparse.Namespace) -> Council:
    from pytest_streamval.council import Council
    from pytest_streamval.engine.backend import ModelOption

    asked = {
        ModelOption.SYSTEM_PROMPT: options.system,
        ModelOption.TEMPERATURE: options.temperature,
        ModelOption.MAX_NEW_TOKENS: options.max_tokens,
        ModelOption.SEED: options.seed,
    }
    return Council(
        options.models,
        synthesizer=options.synthesizer,
        cache=not options.no_cache,
        timeout=options.timeout,
        model_options={str(name): value for name, value in asked.items() if value is not None},
    )


async def _follow(events: CouncilStream, lines: Lines | None) -> None:
    """Show what happens until it is over; on the way out, however it is, every member is stopped."""
    async with events:
        async for event in events:
            if lines is None:
                continue
            speaker = _SYNTHESIS if event.type.startswith("synthesis") else event.member or ""
            if event.text:
                lines.show(speaker, event.text)
            elif event.answer is not None:
                lines.end(speaker)
                _complain_of(speaker, event.answer)


def _complain_of(speaker: str, answer: ModelAnswer) -> None:
    """Say what is wrong with an answer, if anything is."""
    if answer.error is not None:
        complain(f"{speaker}: {answer.error}")


def _tell(result: CouncilResult, lines: Lines | None) -> None:
    """Show what is left to show, when nobody speaks any more."""
    if lines is None:
        print_json(**result.as_dict())
        return
    lines.end_all()
    if result.cached:
        complain("from the cache; --no-cache asks again")
