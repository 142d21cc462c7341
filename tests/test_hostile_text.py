"""Text of models that would act on a terminal or hide text: on every way out, it is harmless."""

from __future__ import annotations

import ast
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import ProviderServer, ProviderStatusError, ProviderStreamError, Raise, Script, errors
from pytest_streamval.errors import harmless, harmless_json
from pytest_streamval.recordings.cassette import Cassette, Read
from tests.server.clients import CLOSE, exchange, request

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parent.parent / "pytest_streamval"
FORBIDDEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\N{ARABIC LETTER MARK}\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
# A title, the clipboard, a cleared screen, C1, CR, NUL, DEL, and each character that turns the direction.
NASTY = (
    "\u202eevil\u202c \x1b]0;title\x07\x1b]52;c;ZXZpbA==\x07\x1b[2J\x9b31m\x85\rnul\0 del\x7f "
    "\u202a\u202b\u202d\u2066\u2067\u2068\u2069\u200e\u200f\u061c end."
)
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COLUMNS", "FORCE_COLOR"))},
    "OPENAI_API_KEY": "unused-key",
    "PYTHONIOENCODING": "utf-8",
}


def assert_harmless(text: str) -> None:
    found = FORBIDDEN.search(text)
    assert found is None, repr(text[max(0, found.start() - 200) : found.end() + 50])


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Lu", "Zs"]), max_size=50))
def test_harmless_text_is_idempotent_and_keeps_all_other_characters(text: str) -> None:
    shown = harmless(text)
    assert_harmless(shown)
    assert harmless(shown) == shown
    assert "".join(re.findall(r"[A-Z\n\t ]", text)) == "".join(re.findall(r"[A-Z\n\t ]", shown))
    pairs = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # JSON joins the halves of a pair
    assert json.loads(harmless_json(json.dumps(text, ensure_ascii=False))) == pairs


def test_harmless_text_shows_each_character() -> None:
    assert harmless("a\x1b[0m\r\n\tb\x85\u202ec\udc80é🍎") == "a\\x1b[0m\\r\n\tb\\x85\\u202ec\\udc80é🍎"


def test_the_message_of_an_error_is_harmless_and_its_attributes_are_raw() -> None:
    error = ProviderStreamError("openai", NASTY, NASTY)
    assert_harmless(str(error))
    assert (error.kind, error.message) == (NASTY, NASTY)
    assert "\\u202eevil" in str(error)
    assert_harmless(errors.excerpt(NASTY))


# Every command


COMMANDS = """
import sys, json
from pytest_streamval.cli import main
codes = []
for arguments in json.load(open(sys.argv[1], encoding="utf-8")):
    try:
        codes.append(main(arguments))
    except SystemExit as end:
        codes.append(end.code)
json.dump(codes, open(sys.argv[1], "w"))
"""


def run_commands(folder: Path, *commands: list[str], codes: list[int]) -> str:
    """Run commands in a process, and return their output."""
    path = folder / "commands.json"
    path.write_text(json.dumps(commands), encoding="utf-8")
    start = [sys.executable, "-c", COMMANDS, str(path)]
    done = subprocess.run(start, capture_output=True, env=ENVIRONMENT, timeout=250, check=False)
    output = (done.stdout + done.stderr).decode()
    assert json.loads(path.read_text()) == codes, output
    assert "Traceback" not in output
    return output


ANSWERS = {
    "a text": (Script.of(NASTY, NASTY), 0),
    "an error status": (Script.of(Raise(ProviderStatusError("openai", "url", 400, NASTY, None))), 1),
    "an error frame": (Script.of("One. ", Raise(ProviderStreamError("openai", NASTY, NASTY))), 1),
    "another error": (Script.of("One. ", Raise(RuntimeError(NASTY))), 1),
}


@pytest.fixture(params=ANSWERS.values(), ids=ANSWERS)
def hostile(request: pytest.FixtureRequest) -> Iterator[tuple[ProviderServer, int]]:
    script, code = request.param
    with ProviderServer(lambda _: script) as server:
        yield server, code


def test_record_and_the_commands_for_its_cassette_print_harmless_text(
    hostile: tuple[ProviderServer, int], tmp_path: Path
) -> None:
    server, code = hostile
    path, page = str(tmp_path / "it.jsonl"), tmp_path / "page.html"
    url = ["--url", server.openai_url, "-o", path]
    output = run_commands(
        tmp_path,
        ["record", f"openai:{NASTY}", NASTY, *url],
        ["record", "openai:m", "Hi", *url, "--json"],
        ["replay", path, "--fast"],
        ["replay", path, "--fast", "--json"],
        *(["show", path, *options] for options in ([], ["--all"], ["--json"], ["--html"])),
        ["show", path, "--html", "-o", str(page)],
        codes=[code] * 4 + [0] * 5,
    )
    assert_harmless(output)
    assert_harmless(page.read_text("utf-8"))
    assert "\\u202eevil" in output


def test_ask_prints_harmless_text(
    hostile: tuple[ProviderServer, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, code = hostile
    monkeypatch.setitem(ENVIRONMENT, "OPENAI_BASE_URL", server.openai_url)
    options = [["--stream"], [], ["--json"], ["--mode", "raw", "--stream"], ["--mode", "debate"]]
    asking = [["ask", "Hi", "-m", "openai:m", "-m", "openai:n", "--no-cache", *each] for each in options]
    output = run_commands(tmp_path, *asking, codes=[code] * 5)
    assert_harmless(output)
    assert "\\u202eevil" in output


def test_serve_prints_harmless_text(tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(NASTY, encoding="utf-8")
    start = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())"]
    command = [*start, "serve", str(tmp_path / "text.txt"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        port = int(lines[1].rpartition(b":")[2].partition(b"/")[0])
        body = {"model": NASTY, "messages": [{"role": "user", "content": NASTY}]}
        address = type("Address", (), {"port": port})
        exchange(address, request(body, "/v1/chat/completions?x=%1b", CLOSE))  # type: ignore[arg-type]
        exchange(address, request(body, "/v1/nothing", f"x: {NASTY[-4:]}", CLOSE))  # type: ignore[arg-type]
        lines += [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    output = b"".join([*lines, out, err]).decode()
    assert_harmless(output)
    assert "\\u202eevil" in output


def test_the_commands_print_harmless_text_about_hostile_files_and_arguments(tmp_path: Path) -> None:
    header = {
        "protocol": "openai",
        "model": NASTY,
        "server": NASTY,
        "method": NASTY,
        "path": NASTY,
        "status": 200,
        "headers": [["content-type", "text/event-stream"]],
        "request": {"messages": [{"role": "user", "content": NASTY}], "temperature": NASTY},
        "end": {"how": "broken", "at": 1.0, "why": NASTY},
    }
    frame = {"choices": [{"index": 0, "delta": {"content": NASTY}, "finish_reason": NASTY}]}
    path = tmp_path / "it.jsonl"
    Cassette(str(path), header, (Read(0.5, f"data: {json.dumps(frame)}\n\n".encode()),)).dump()
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text(json.dumps({"protocol": NASTY}) + "\n", encoding="utf-8")
    hostile_name = str(tmp_path / (NASTY[:9] + "\u202e.jsonl"))
    without_nul = NASTY.replace("\0", "")
    output = run_commands(
        tmp_path,
        ["show", str(path)],
        ["show", str(path), "--html"],
        ["providers"],
        ["check", str(path)],
        ["check", str(path), "--json", "--strict"],
        ["replay", str(path), "--fast"],
        ["ask", "Hi", "-m", NASTY],
        *([name, file] for name in ("show", "replay", "serve", "check") for file in (str(wrong), hostile_name)),
        ["serve", str(wrong), "--fault", NASTY],
        ["report", "merge", hostile_name, "-o", hostile_name],
        ["report", "merge", str(wrong), "-o", str(tmp_path / "page.html")],
        ["record", NASTY, "Hi", "-o", hostile_name],
        [without_nul],
        ["faults", NASTY],
        codes=[0, 0, 0, 0, 3, 0, *[2] * 15],
    )
    assert_harmless(output)


# pytest

TESTS = """
import json

import pytest
from pytest_streamval import (
    LiveBackend, ModelOption, PartialValidationResult, ProviderStatusError, ProviderStreamError, Raise, Requirement,
    Script, SimpleContext, ValidationResult, assert_accepted, assert_no_unvalidated_text, stream_with_chunking,
    transcribe,
)

NASTY = json.loads(NASTY_JSON)


class Rejecting(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail", reason=NASTY)


async def run(mock, script, *requirements):
    result = await stream_with_chunking(NASTY, mock(script), SimpleContext(), requirements=requirements)
    try:
        await result.acomplete()
    except Exception:
        pass
    return result


async def live(server):
    backend = LiveBackend("openai:m", base_url=server.openai_url)
    thunk, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options={ModelOption.STREAM: True})
    return await thunk.avalue()


async def test_a_status(provider_server):
    await live(provider_server(Script.of(Raise(ProviderStatusError("openai", "url", 400, NASTY, None)))))

async def test_a_frame(provider_server):
    await live(provider_server(Script.of("One.", Raise(ProviderStreamError("openai", NASTY, NASTY)))))

async def test_an_operand(provider_server):
    assert await live(provider_server(NASTY)) == "something else"

async def test_a_long_operand(provider_server):
    assert await live(provider_server(NASTY * 9)) == NASTY * 8 + "x"

async def test_a_foreign_error(provider_server):
    raise RuntimeError(await live(provider_server(NASTY)))

async def test_a_group(provider_server):
    raise ExceptionGroup(NASTY, [RuntimeError(NASTY), ProviderStreamError("x", NASTY, NASTY)])

async def test_a_note(provider_server):
    error = RuntimeError("x")
    error.add_note(await live(provider_server(NASTY)))
    raise error from ValueError(NASTY)

async def test_a_failure(streaming_mock_backend):
    result = await run(streaming_mock_backend, NASTY, Rejecting(NASTY))
    pytest.fail(result.streaming_failures[0][1].reason)

async def test_a_failure_without_traceback(streaming_mock_backend):
    await run(streaming_mock_backend, NASTY)
    pytest.fail(NASTY, pytrace=False)

async def test_not_accepted(streaming_mock_backend):
    assert_accepted(await run(streaming_mock_backend, NASTY, Rejecting(NASTY)))

async def test_unvalidated(streaming_mock_backend):
    assert_no_unvalidated_text(await run(streaming_mock_backend, NASTY), NASTY + "\\u202emore")

async def test_transcripts(streaming_mock_backend):
    first = transcribe(await run(streaming_mock_backend, NASTY))
    assert first == transcribe(await run(streaming_mock_backend, NASTY + " More."))

async def test_a_snapshot(streaming_mock_backend, event_snapshot):
    assert await run(streaming_mock_backend, NASTY) == event_snapshot

async def test_an_error_in_a_stream(streaming_mock_backend):
    result = await run(streaming_mock_backend, Script.of("One.", Raise(RuntimeError(NASTY))))
    raise await result.aexception()

async def test_an_unplayed_script(streaming_mock_backend):
    streaming_mock_backend(NASTY)

async def test_an_unscripted_request(provider_server):
    server = provider_server(NASTY)
    await live(server)
    await live(server)

async def test_a_fuzzed_text(streaming_mock_backend):
    assert len((await run(streaming_mock_backend, NASTY)).history) == 0

@pytest.mark.parametrize("text", [NASTY])
async def test_an_id(streaming_mock_backend, text):
    assert (await run(streaming_mock_backend, text)).full_text == ""

async def test_a_skip(streaming_mock_backend):
    await run(streaming_mock_backend, NASTY)
    pytest.skip(NASTY)

@pytest.mark.xfail(reason="known")
async def test_an_expected_failure(streaming_mock_backend):
    assert (await run(streaming_mock_backend, NASTY)).full_text == ""
"""

OPTIONS = {
    "long": ["-rA", "-vv", "-l", "--tb=long"],
    "short": ["-ra", "--tb=short", "--streamval-fuzz=2"],
    "line": ["--tb=line"],
    "native": ["--tb=native", "-v"],
    "workers": ["-n", "2", "-rA"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_pytest_prints_harmless_text_about_failures(pytester: pytest.Pytester, options: list[str]) -> None:
    pytester.makeini("[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(TESTS.replace("NASTY_JSON", repr(json.dumps(NASTY))))
    snapshots = pytester.mkdir("__snapshots__") / Path("x").name
    snapshots.mkdir()
    hostile = pytester.path / "__snapshots__" / "test_pytest_prints_harmless_text_about_failures"
    hostile.mkdir()
    (hostile / "test_a_snapshot.transcript").write_text(f"raw {NASTY}\n", encoding="utf-8")
    pages = ["--streamval-report", "page.html", "--junit-xml", "junit.xml"]
    result = pytester.runpytest_subprocess(*pages, *options)
    outcomes = result.parseoutcomes()
    assert outcomes["failed"] >= 15, outcomes
    for output in (
        *("\n".join(result.outlines), "\n".join(result.errlines)),
        *((pytester.path / page).read_text("utf-8") for page in ("page.html", "junit.xml")),
    ):
        assert_harmless(output)
    assert "\\u202eevil" in "\n".join(result.outlines)


def test_colours_of_pytest_stay_and_other_sequences_do_not(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_streamval import Script
        def test_it(streaming_mock_backend):
            streaming_mock_backend("unplayed")
            assert "one \\x1b]0;x\\x07 two" == "one y two"
        """
    )
    output = pytester.runpytest_subprocess("--color=yes").stdout.str()
    assert "\x1b[31m" in output
    assert "\x1b]" not in output
    assert "\x07" not in output


# The house

MAY_WRITE = {
    "cli/terminal.py": {"print"},
    "cli/lines.py": {"print"},  # of a console, with harmless text
    "cli/show.py": {"write"},  # a page
    "plugin/harmless_output.py": {"write_line"},
    "plugin/stall_limit.py": {"write"},
    "plugin/variant_summary.py": {"write"},  # numbers
    "server/connection.py": {"write"},  # a transport
}
WRITERS = {"print", "write_line", "write_sep", "line", "sep", "write", "writelines", "section"}
OF_FILES = {"files/", "recordings/", "report/", "fuzzing/", "council/cache.py", "scripting/"}


def writers_in(path: Path) -> set[str]:
    """Return the names of functions for output that a module calls."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", None) or getattr(node.func, "id", "")
            if name in WRITERS and not (name == "write_line" and isinstance(node.func, ast.Name)):
                found.add(name)
    return found


def test_only_a_few_modules_write_to_a_terminal() -> None:
    found = {}
    for path in sorted(ROOT.glob("**/*.py")):
        name = path.relative_to(ROOT).as_posix()
        if (writers := writers_in(path)) and not any(name.startswith(folder) for folder in OF_FILES):
            found[name] = writers
    assert found == MAY_WRITE
