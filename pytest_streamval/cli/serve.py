"""`streamval serve`: a provider on loopback, for clients in any language."""

from __future__ import annotations

import errno
from math import inf
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_streamval.cli.terminal import add_json_option

if TYPE_CHECKING:
    import argparse

    from pytest_streamval.cli.serve_output import ServeOutput
    from pytest_streamval.cli.signals import Interrupts
    from pytest_streamval.cli.terminal import Commands
    from pytest_streamval.server import Fault, ProviderServer

_PORT = 8_765
_JOURNAL_LIMIT = 16 * 2**20  # bytes of requests that are kept, for the messages about later ones
_WAIT = 0.5  # seconds after which a wait for requests lets Python see an interrupt
_SOON = 0.05  # the same while a request has no last line yet


def add(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add_parser("serve", help="play a script over HTTP, as OpenAI, Anthropic, Gemini and Ollama would")
    serve.set_defaults(parser=serve, run=_serve)
    source = "the answers: a script, a cassette, a text, a file of rules (TOML or JSON), or a folder of recordings"
    serve.add_argument("source", metavar="SOURCE", nargs="?", help=source)
    serve.add_argument("--upstream", metavar="URL", help="pass requests on to this provider instead")
    recorded = "the folder for recordings of the upstream's answers"
    serve.add_argument("-o", "--output", "--record", metavar="FOLDER", dest="record", help=recorded)
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
    pauses = serve.add_mutually_exclusive_group()
    pauses.add_argument("--fast", action="store_true", help="skip the pauses of recordings")
    pauses.add_argument("--speed", type=float, default=1.0, metavar="N", help="play recorded pauses N times as fast")
    faulty = "a fault of the answers, such as reset or reset:after_deltas=3; streamval faults lists them"
    serve.add_argument("--fault", metavar="NAME", help=faulty)
    serve.add_argument(
        "--cut",
        metavar="NAME",
        help="other boundaries: whole, chars, words, a number of --streamval-fuzz, or offsets such as at-3-7",
    )
    serve.add_argument("--strict", action="store_true", help="refuse requests that the provider would refuse")
    add_json_option(serve)


def _serve(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Serve until an interrupt."""
    from contextlib import closing, suppress

    from pytest_streamval.cli.fault_option import fault_of
    from pytest_streamval.cli.serve_output import ServeOutput
    from pytest_streamval.cli.signals import Interrupts

    if (options.source is None) == (options.upstream is None):
        parser.error("Give either a SOURCE to play or --upstream URL to pass requests on.")
    if not options.speed > 0:
        parser.error(f"Invalid --speed: {options.speed:g}. It must be above 0. --fast skips the pauses.")
    if options.record is not None and options.upstream is None:
        parser.error("-o (or --record) records the answers of an upstream: give --upstream URL too.")
    interrupts = Interrupts()
    with interrupts.received():
        try:
            fault = None if options.fault is None else fault_of(options.fault)
            server = _server(options, fault)
            _start(parser, server, options.port)
        except (ImportError, OSError, OverflowError, ValueError) as error:
            parser.error(str(error))
        output = ServeOutput(server, as_json=options.json)
        with closing(server), suppress(KeyboardInterrupt):
            output.start(options.source or options.upstream, fault)
            _print_requests(output, interrupts)
        output.print_new()  # those that the interrupt has ended
        output.print_failures()
    return 0


def _server(options: argparse.Namespace, fault: Fault | None) -> ProviderServer:
    from pytest_streamval.cli.serve_sources import source_of
    from pytest_streamval.server import ProviderServer

    shared: dict[str, Any] = {
        "cut": options.cut,
        "port": options.port,
        "allow_hosts": options.allow_host,
        "allow_origins": options.allow_origin,
        "journal_limit": _JOURNAL_LIMIT,
        "strict": options.strict,
    }
    if options.upstream is not None:
        return ProviderServer(upstream=options.upstream, cassettes=options.record, fault=fault, **shared)
    rules, more = source_of(options.source, inf if options.fast else options.speed, fault)
    return ProviderServer(*rules, **more, **shared)


def _start(parser: argparse.ArgumentParser, server: ProviderServer, port: int) -> None:
    try:
        server.start()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        parser.error(f"The port {port} is in use. Give another one with --port N, or --port 0 for any free port.")


def _print_requests(output: ServeOutput, interrupts: Interrupts) -> NoReturn:
    """Print each request, until an interrupt. It waits for the end of a line, so that none is lost or repeated."""
    while True:
        output.wait(_SOON if output.is_waiting else _WAIT)
        with interrupts.held():
            output.print_new()
