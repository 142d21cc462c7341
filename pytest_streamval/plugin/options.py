"""The options, ini values and markers of the plugin."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.recordings.record_modes import MODES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIVE_MARKERS: Mapping[str, str] = {
    "ollama": "needs a live model served by Ollama",
    "e2e": "needs a live model, on the backend that was chosen",
}
"""The markers of live tests, with the reason for which such a test is skipped in an offline run."""
GUARDS: Mapping[str, str] = {
    "leaks": "fail a test that leaves tasks, runs, generators or threads behind",
    "unplayed": "fail a test that passes without playing its scripts, or that hides a call without a script",
}
"""The guards that can be switched off, each by an option, an ini value and a marker of its name."""

_DROPPABLE = ("StreamChunkingResult", "ModelOutputThunk", "ProviderServer", "Session")  # these warn if dropped


def add_options(parser: pytest.Parser) -> None:
    """Add the options, whose names begin with `--streamval-`, and the ini values."""
    group = parser.getgroup("streamval", "streamed model output")
    _add_live_options(parser, group)
    group.addoption(
        "--streamval-record",
        choices=MODES,
        default="none",
        help="the record mode of stream_cassette: replay without asking a provider (none, the default), record a test "
        "that has no recordings (once), record missing answers (new), or record everything again (all)",
    )
    group.addoption(
        "--streamval-fuzz",
        metavar="N",
        type=int,
        default=0,
        help="repeat every test that takes a stream from this plugin's fixtures, under N other cuts of its text",
    )
    group.addoption(
        "--streamval-fuzz-each",
        action="store_true",
        help="report each failing variant by itself, instead of one failure for each test with its smallest cut",
    )
    group.addoption(
        "--streamval-cancel",
        metavar="N",
        type=int,
        default=0,
        help="repeat every test that has an event loop, cancelled at N places in its steps",
    )
    group.addoption(
        "--streamval-report",
        metavar="FILE",
        help="write the streams of all tests to FILE: a page if its name ends in .html, or if it ends in .json a part, "
        "which `streamval report merge` joins with the parts of other machines",
    )
    text = "the place of failing cuts: a directory, or a Redis such as redis://localhost:6379/0"
    group.addoption("--streamval-fuzz-db", metavar="PLACE", help=f"{text} (also the ini value streamval_fuzz_db)")
    parser.addini("streamval_fuzz_db", text, default="")
    text = "seconds of real time after which a scripted Stall fails its test, 0 for no limit"
    parser.addini("streamval_stall_timeout", text, default="60")
    text = "whether provider_server refuses the requests that the provider would refuse, unless it is given strict"
    parser.addini("streamval_strict", text, type="bool", default=False)
    text = "modules and packages that script files may import for the classes of their exceptions"
    parser.addini("streamval_script_imports", text, type="args")
    for name, does in GUARDS.items():
        text = f"{does}; for tests that use this plugin's fixtures, on by default"
        group.addoption(f"--streamval-{name}", choices=("on", "off"), help=text)
        parser.addini(f"streamval_{name}", f"{text} (on or off)", default="on")
    text = "names of headers, fields and variables whose values are secrets, and regular expressions, one on a line"
    parser.addini("streamval_secrets", text, type="linelist")
    text = "patterns for the names of tasks, threads and functions that a test may leave behind, one on a line"
    parser.addini("streamval_leaks_allow", text, type="linelist")


def _add_live_options(parser: pytest.Parser, group: pytest.OptionGroup) -> None:
    group.addoption(
        "--streamval-live",
        action="store_true",
        help="run the tests marked ollama or e2e against a live model; without this option they are skipped",
    )
    for name, value in (
        ("backend", "the backend, such as openai:gpt-4.1 (default: ollama:granite4:micro)"),
        ("url", "the address of its provider, if it is not the usual one"),
    ):
        text = f"{value}, for live tests and example scripts"
        group.addoption(
            f"--streamval-{name}", metavar=name.upper(), help=f"{text} (also the ini value streamval_{name})"
        )
        parser.addini(f"streamval_{name}", text, default="")
    parser.addini("streamval_live_timeout", "seconds after which a live test fails, 0 for no limit", default="120")
    text = "markers of the project whose tests are skipped without --streamval-live"
    parser.addini("streamval_gate", text, type="args")
    parser.addini("streamval_examples", "files that are example scripts, as patterns relative to the root", type="args")


def configure(config: pytest.Config) -> None:
    """Register the markers and warning filters, and check the ini values.

    Raises:
        pytest.UsageError: If an ini value is invalid.
    """
    # first, so that any filter of the user's own takes precedence
    config.getini("filterwarnings").insert(0, f"default:<({'|'.join(_DROPPABLE)}) :ResourceWarning")
    # syrupy's amber extension would otherwise report the snapshots of this plugin as unused
    ignored = getattr(config.option, "ignore_file_extensions", ())
    if ignored != ():
        config.option.ignore_file_extensions = [*(ignored or ()), "transcript"]
    for line in (
        *(f"{name}: {need}; skipped unless --streamval-live is given" for name, need in LIVE_MARKERS.items()),
        "integration: an example script needs more than its own files",
        "streamval_as_scripted: the expected result depends on the cuts of the stream; --streamval-fuzz leaves it out",
        "streamval_not_cancelled: the test must not be cancelled; --streamval-cancel leaves it out",
        "streamval_clock(start): the test runs on a virtual clock that starts at a date",
        *(f"streamval_allow_{name}(reason=None): the test is not guarded by --streamval-{name}" for name in GUARDS),
    ):
        config.addinivalue_line("markers", line)
    for name in GUARDS:
        if (value := config.getini(f"streamval_{name}")) not in {"on", "off"}:
            raise pytest.UsageError(f"Invalid streamval_{name}: {value}. It must be on or off.")
    seconds_of(config, "streamval_stall_timeout")
    if lines := config.getini("streamval_secrets"):
        _declare_secrets(config, lines)


def _declare_secrets(config: pytest.Config, lines: Sequence[str]) -> None:
    from pytest_streamval.errors import InvalidArgumentError
    from pytest_streamval.http.secrets.declared_secrets import declared

    stack = ExitStack()
    try:
        stack.enter_context(declared(lines, "streamval_secrets"))
    except InvalidArgumentError as error:
        raise pytest.UsageError(str(error)) from None
    config.add_cleanup(stack.close)


def seconds_of(config: pytest.Config, name: str) -> float:
    """Return an ini value that is a number of seconds.

    Raises:
        pytest.UsageError: If it is none.
    """
    value = config.getini(name)
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 <= seconds < float("inf"):
        raise pytest.UsageError(f"Invalid {name}: {value}. It must be a number of seconds, or 0 for no limit.")
    return seconds


def live_marker_names(config: pytest.Config) -> list[str]:
    """Return the names of the markers of live tests: this plugin's, and those of the ini value `streamval_gate`."""
    return list(dict.fromkeys([*LIVE_MARKERS, *config.getini("streamval_gate")]))
