"""`streamval serve`: a provider on loopback that plays a script, for clients in any language."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

from pytest_streamval.cli.terminal import complain

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server import Fault, ProviderServer, ServedRequest

_PORT = 8_765
_TOKEN = 4  # characters of a plain text that come at once
_GLANCE = 0.5  # seconds between two looks for an interrupt


def add(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add_parser("serve", help="play a script over HTTP, as OpenAI, Anthropic, Gemini and Ollama would")
    serve.set_defaults(parser=serve, run=_serve)
    what = "what every request gets: a script, a cassette, or any text"
    serve.add_argument("script", metavar="SCRIPT", nargs="?", help=what)
    serve.add_argument("--upstream", metavar="URL", help="instead, a real provider to which requests are passed on")
    serve.add_argument("-o", "--output", metavar="DIR", help="where to record what the upstream answers")
    serve.add_argument("--port", type=int, default=_PORT, metavar="N", help=f"where (default: {_PORT}; 0 for any)")
    serve.add_argument("--fast", action="store_true", help="without the pauses that a cassette has recorded")
    serve.add_argument("--fault", metavar="NAME", help="what goes wrong; streamval faults lists the names")
    serve.add_argument("--cut", metavar="NAME", help="how to cut: whole, chars, words, or a number for a random cut")


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serve until somebody interrupts."""
    from contextlib import closing

    from pytest_streamval.server import faults

    if (options.script is None) == (options.upstream is None):
        parser.error("give either a SCRIPT to play or --upstream URL to pass requests on.")
    if options.output is not None and options.upstream is None:
        parser.error("-o records what an upstream answers: give --upstream URL too.")
    try:
        fault = None if options.fault is None else faults.named(options.fault)
        server = _server(options, fault).start()
    except (OSError, OverflowError, ValueError) as error:
        parser.error(str(error))
    with closing(server):
        try:
            _announce(server, options.script or options.upstream, fault)
            _follow(server)
        except KeyboardInterrupt:
            for unmet in server.unmet():
                complain(str(unmet))
            return 0
        finally:
            sys.stdout.flush()


def _server(options: argparse.Namespace, fault: Fault | None) -> ProviderServer:
    from pytest_streamval.server import ProviderServer

    if options.upstream is not None:
        return ProviderServer(
            upstream=options.upstream, cassettes=options.output, fault=fault, cut=options.cut, port=options.port
        )
    script = _script(options.script, timing=not options.fast)

    def always(request: ServedRequest) -> Script:
        del request
        return script

    return ProviderServer(always, fault=fault, cut=options.cut, port=options.port)


def _announce(server: ProviderServer, name: str, fault: Fault | None) -> None:
    print(f"{name} is served{'' if fault is None else f', and {fault.what}'}. Ctrl-C ends it.")
    for provider in ("openai", "anthropic", "gemini", "ollama"):
        print(f"  {provider:10} {getattr(server, f'{provider}_url')}", flush=True)


def _follow(server: ProviderServer) -> NoReturn:
    """Print the requests as they come, until the user interrupts."""
    told = 0
    while True:
        server.wait_for_requests(told + 1, within=_GLANCE)
        for request in server.requests[told:]:
            print(request.told, flush=True)
            told += 1


def _script(path: str, *, timing: bool) -> Script:
    """Return the script in a file: one that was dumped, a cassette, or a text."""
    from pathlib import Path

    from pytest_streamval.errors import InvalidCassetteError
    from pytest_streamval.scripting.script import Script

    data = Path(path).read_bytes()
    if not path.endswith(".jsonl"):
        return Script.from_text(data.decode(), _TOKEN)
    try:
        return Script.from_cassette(path, timing=timing)
    except InvalidCassetteError as error:
        if b'"protocol"' in data.partition(b"\n")[0]:
            raise
        del error
        return Script.load(path)
