"""`streamval serve`: a provider on loopback that plays a script, for clients in any language."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_streamval.cli.terminal import print_note, print_text

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.scripting.script import Script
    from pytest_streamval.server import Fault, ProviderServer, ServedRequest

_PORT = 8_765
_TOKEN = 4  # characters of a delta of plain text
_JOURNAL_LIMIT = 16 * 2**20  # bytes of requests that are kept, for the messages about later ones
_WAIT = 0.5  # seconds after which a wait for requests lets Python see an interrupt


def add(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add_parser("serve", help="play a script over HTTP, as OpenAI, Anthropic, Gemini and Ollama would")
    serve.set_defaults(parser=serve, run=_serve)
    script = "the answer to every request: a script, a cassette or a plain text"
    serve.add_argument("script", metavar="SCRIPT", nargs="?", help=script)
    serve.add_argument("--upstream", metavar="URL", help="pass requests on to this provider instead")
    serve.add_argument("-o", "--output", metavar="DIR", help="the folder for recordings of the upstream's answers")
    serve.add_argument("--port", type=int, default=_PORT, metavar="N", help=f"the port (default: {_PORT}; 0 for any)")
    serve.add_argument(
        "--allow-host", metavar="NAME", action="append", default=[], help="a name for the server in Host; * for all"
    )
    serve.add_argument(
        "--allow-origin",
        metavar="ORIGIN",
        action="append",
        default=[],
        help="an origin whose web pages may use the server, such as https://app.test; * for all",
    )
    serve.add_argument("--fast", action="store_true", help="skip the pauses of a cassette")
    serve.add_argument("--fault", metavar="NAME", help="a fault of the answers; streamval faults lists them")
    serve.add_argument(
        "--cut",
        metavar="NAME",
        help="other boundaries: whole, chars, words, a number of --streamval-fuzz, or offsets such as at-3-7",
    )


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serve until an interrupt."""
    from contextlib import closing

    from pytest_streamval.server import faults

    if (options.script is None) == (options.upstream is None):
        parser.error("Give either a SCRIPT to play or --upstream URL to pass requests on.")
    if options.output is not None and options.upstream is None:
        parser.error("-o records the answers of an upstream: give --upstream URL too.")
    try:
        fault = None if options.fault is None else faults.named(options.fault)
        server = _server(options, fault).start()
    except (OSError, OverflowError, ValueError) as error:
        parser.error(str(error))
    with closing(server):
        try:
            _print_addresses(server, options.script or options.upstream, fault)
            _print_requests(server)
        except KeyboardInterrupt:
            for unmet in server.unmet():
                print_note(str(unmet))
            return 0
        finally:
            sys.stdout.flush()


def _server(options: argparse.Namespace, fault: Fault | None) -> ProviderServer:
    from pytest_streamval.server import ProviderServer

    shared: dict[str, Any] = {
        "cut": options.cut,
        "port": options.port,
        "allow_hosts": options.allow_host,
        "allow_origins": options.allow_origin,
        "journal_limit": _JOURNAL_LIMIT,
    }
    if options.upstream is not None:
        return ProviderServer(upstream=options.upstream, cassettes=options.output, fault=fault, **shared)
    script = _script(options.script, timing=not options.fast)

    def always(request: ServedRequest) -> Script:
        del request
        return script

    return ProviderServer(always, fault=fault, **shared)


def _print_addresses(server: ProviderServer, name: str, fault: Fault | None) -> None:
    print_text(
        f"Serving {name}{'' if fault is None else f', with a fault: {fault.description}'}. Ctrl-C stops the server."
    )
    for provider in ("openai", "anthropic", "gemini", "ollama"):
        print_text(f"  {provider:10} {getattr(server, f'{provider}_url')}", flush=True)


def _print_requests(server: ProviderServer) -> NoReturn:
    """Print each request when it arrives, until an interrupt."""
    printed = 0
    while True:
        server.wait_for_requests(printed + 1, within=_WAIT)
        printed, requests = server.requests_after(printed)
        for request in requests:
            print_text(f"{request.summary}{f': refused. {request.refusal}' if request.refusal else ''}", flush=True)


def _script(path: str, *, timing: bool) -> Script:
    """Return the script in a file, which holds a script, a cassette or a plain text."""
    from pathlib import Path

    from pytest_streamval.errors import InvalidFileError
    from pytest_streamval.scripting.script import Script

    data = Path(path).read_bytes()
    if not path.endswith(".jsonl"):
        if not data:
            raise InvalidFileError(path, "The file is empty", "Give a text in UTF-8, a script or a cassette.")
        try:
            return Script.from_text(data.decode("utf-8-sig"), _TOKEN)
        except UnicodeDecodeError as error:
            rule = "A file that is not *.jsonl is a text, in UTF-8."
            raise InvalidFileError(path, f"It cannot be read: {error}", rule) from error
    try:
        return Script.from_cassette(path, timing=timing)
    except InvalidFileError:
        if b'"protocol"' in data.partition(b"\n")[0]:
            raise
        return Script.load(path)
