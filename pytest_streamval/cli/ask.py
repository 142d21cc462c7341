"""`streamval ask`: send a prompt to several models at once, and show their answers as they arrive."""

from __future__ import annotations

from math import inf
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
    from collections.abc import Sequence

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.council import Council, CouncilResult, CouncilStream
    from pytest_streamval.council.names import NamedModels

_MODES = ("synthesize", "raw", "debate", "adversarial")  # those of council.council, which is slow to import
_STREAMED = _MODES[:2]
_SYNTHESIS = "synthesis"  # the name before the lines of the synthesizer
_UNUSABLE = 1  # the exit code without a usable answer
_DEGRADED = 3  # the exit code of --strict with usable answers and a failed synthesis


def add(commands: Commands) -> None:
    """Add the command."""
    ask = commands.add_parser("ask", help="send a prompt to several models, and combine their answers")
    ask.set_defaults(parser=ask, run=_ask)
    add_prompt(ask)
    ask.add_argument(
        "-m",
        "--model",
        action="append",
        metavar="SPEC",
        dest="models",
        help="a member: provider and model, such as openai:gpt-4.1, or a name of streamval.toml; one option for each",
    )
    ask.add_argument(
        "-c", "--council", metavar="NAME", help="the members and the synthesizer of a council of streamval.toml"
    )
    ask.add_argument("-s", "--synthesizer", metavar="SPEC", help="the model that combines or judges the answers")
    ask.add_argument(
        "--mode", choices=_MODES, default=_MODES[0], help=f"the form of the council (default: {_MODES[0]})"
    )
    ask.add_argument("--rounds", type=int, default=2, metavar="N", help="the rounds of a debate (default: 2)")
    ask.add_argument("--stream", action="store_true", help="show text as it arrives; ignored with --json")
    ask.add_argument("--strict", action="store_true", help=f"exit with {_DEGRADED} if the synthesis failed")
    ask.add_argument("--no-cache", action="store_true", help="ask again, and do not save the result")
    ask.add_argument("--timeout", type=float, metavar="SECONDS", help="the longest silence of a model")
    add_json_option(ask)


def _ask(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Ask, show the answers as they arrive, and return the exit code."""
    import asyncio

    from pytest_streamval.cli.lines import Lines
    from pytest_streamval.council import CouncilStream
    from pytest_streamval.errors import StreamvalError

    if options.stream and options.mode not in _STREAMED:
        parser.error(f"Invalid --mode with --stream: {options.mode!r}. It must be {' or '.join(_STREAMED)}.")
    if options.timeout is not None and not 0 < options.timeout < inf:
        parser.error(f"Invalid timeout: {options.timeout:g}. It must be a number of seconds above 0.")
    try:
        council = _council(parser, options)
        streams = options.stream and not options.json
        run = council.new_run(prompt_of(options), options.mode, rounds=options.rounds, streams=streams)
    except StreamvalError as error:
        parser.error(str(error))
    events = CouncilStream(run)
    names = [member.name for member in council.members]
    alone = [_SYNTHESIS, *(names if len(names) == 1 else [])] if streams else []
    lines = None if options.json else Lines([*names, _SYNTHESIS], alone=alone)
    try:
        asyncio.run(_follow(events, lines))
    except KeyboardInterrupt:
        _print_rest(events.so_far(), lines)
        if lines is not None:
            print_note("interrupted; every member was stopped")
        raise
    result = events.so_far()
    _print_rest(result, lines)
    if not result.usable and lines is not None:
        print_note("no member gave a usable answer")
    if not result.usable:
        return _UNUSABLE
    return _DEGRADED if options.strict and result.degraded else 0


def _council(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Council:
    """Return the council of the options, or the one that they name in a file."""
    from pytest_streamval.council import Council
    from pytest_streamval.council.names import DEFAULT, NamedCouncil, find_names

    names = find_names()
    models, synthesizer = options.models, options.synthesizer
    if options.council is not None or (not models and DEFAULT in names.councils):
        named = names.council(options.council or DEFAULT)
    elif models:
        named = NamedCouncil(())
    else:
        parser.error("a member is required: -m/--model SPEC, or -c/--council NAME of a council in streamval.toml")
    specs = [*named.models, *(models or [])]
    synthesizer = synthesizer or named.synthesizer
    _check_names(parser, names, [*specs, *([synthesizer] if synthesizer else [])])
    return Council(
        names.members(specs),
        synthesizer=None if synthesizer is None else names.spec(synthesizer),
        cache=not options.no_cache,
        timeout=options.timeout,
        model_options=model_options_of(options),
    )


def _check_names(parser: argparse.ArgumentParser, names: NamedModels, given: Sequence[str]) -> None:
    """Exit with 2 if a name is neither a spec nor a friendly name, or if no spec is valid.

    A spec with an unknown provider among valid ones is a member that gives no answer.
    """
    from pytest_streamval.errors import UnknownNameError
    from pytest_streamval.live.providers import parse_spec

    errors: dict[str, UnknownNameError] = {}
    for name in given:
        try:
            parse_spec(names.spec(name))
        except UnknownNameError as error:
            errors[name] = error
    wrong = [name for name in errors if ":" not in names.spec(name)]
    if len(errors) == len(set(given)):
        wrong += errors
    if wrong:
        own = f"The names in {names.path} are {', '.join(names.models)}." if names.models else ""
        parser.error(f"{errors[wrong[0]]} {own or 'There are no names of models in streamval.toml.'}")


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
                if (problem := event.answer.problem) is not None:
                    lines.note(f"{speaker}: {problem}")


def _print_rest(result: CouncilResult, lines: Lines | None) -> None:
    """Print what remains after the last event."""
    if lines is None:
        print_json(**result.as_dict())
        return
    lines.end_all()
    if result.cached:
        print_note("from the cache; --no-cache asks again")
