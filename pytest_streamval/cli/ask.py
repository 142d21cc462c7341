"""`streamval ask`: send a prompt to several models at once, and show their answers as they arrive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.cli.terminal import (
    add_json_option,
    add_prompt,
    model_options_of,
    print_json,
    print_note,
    prompt_of,
)

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.council import Council, CouncilResult, CouncilStream

_MODES = ("synthesize", "raw", "debate", "adversarial")  # those of council.council, which is slow to import
_STREAMED = _MODES[:2]
_SYNTHESIS = "synthesis"  # the name before the lines of the synthesizer


def add(commands: Commands) -> None:
    """Add the command."""
    ask = commands.add_parser("ask", help="send a prompt to several models, and combine their answers")
    ask.set_defaults(parser=ask, run=_ask)
    add_prompt(ask)
    ask.add_argument(
        "-m",
        "--model",
        action="append",
        required=True,
        metavar="SPEC",
        dest="models",
        help="a member: provider and model, such as openai:gpt-4.1; give one option for each member",
    )
    ask.add_argument("-s", "--synthesizer", metavar="SPEC", help="the model that combines or judges the answers")
    ask.add_argument(
        "--mode", choices=_MODES, default=_MODES[0], help=f"the form of the council (default: {_MODES[0]})"
    )
    ask.add_argument("--rounds", type=int, default=2, metavar="N", help="the rounds of a debate (default: 2)")
    ask.add_argument("--stream", action="store_true", help="show text as it arrives; ignored with --json")
    ask.add_argument("--no-cache", action="store_true", help="ask again, and do not save the result")
    ask.add_argument("--timeout", type=float, metavar="SECONDS", help="the longest silence of a model")
    add_json_option(ask)


def _ask(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Ask, show the answers as they arrive, and return 0 if a member gave a usable answer."""
    import asyncio

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.council import CouncilStream
    from pytest_streamval.errors import StreamvalError

    if options.stream and options.mode not in _STREAMED:
        parser.error(f"Invalid --mode with --stream: {options.mode!r}. It must be {' or '.join(_STREAMED)}.")
    try:
        council = _council(options)
        streams = options.stream and not options.json
        run = council.new_run(prompt_of(options), options.mode, rounds=options.rounds, streams=streams)
    except StreamvalError as error:
        parser.error(str(error))
    events = CouncilStream(run)
    lines = None if options.json else Lines([*(member.name for member in council.members), _SYNTHESIS])
    try:
        asyncio.run(_follow(events, lines))
    except KeyboardInterrupt:
        _print_rest(events.so_far(), lines)
        if lines is not None:
            print_note("interrupted; every member was stopped")
        raise
    result = events.so_far()
    _print_rest(result, lines)
    if not result.usable_answers and lines is not None:
        print_note("no member gave a usable answer")
    return 0 if result.usable_answers else 1


def _council(options: argparse.Namespace) -> Council:
    from pytest_streamval.council import Council

    return Council(
        options.models,
        synthesizer=options.synthesizer,
        cache=not options.no_cache,
        timeout=options.timeout,
        model_options=model_options_of(options),
    )


async def _follow(events: CouncilStream, lines: Lines | None) -> None:
    """Print the events until the last one. Leaving the context stops every member."""
    async with events:
        async for event in events:
            if lines is None:
                continue
            speaker = _SYNTHESIS if event.type.startswith("synthesis") else event.member or ""
            if event.text:
                lines.show(speaker, event.text)
            elif event.answer is not None:
                lines.end(speaker)
                if event.answer.error is not None:
                    print_note(f"{speaker}: {event.answer.error}")


def _print_rest(result: CouncilResult, lines: Lines | None) -> None:
    """Print what remains after the last event."""
    if lines is None:
        print_json(**result.as_dict())
        return
    lines.end_all()
    if result.cached:
        print_note("from the cache; --no-cache asks again")
