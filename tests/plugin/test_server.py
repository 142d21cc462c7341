"""The fixture `provider_server`."""

from __future__ import annotations

import re

import pytest

from pytest_streamval import Script, faults
from pytest_streamval.report.document import Report

pytest_plugins = ["pytester"]

HEAD = """
import asyncio
import pytest
from pytest_streamval import LiveBackend, ModelOption, ProviderServer, SimpleContext, faults

def ask(server, protocol="openai", prompt="Hi"):
    async def main():
        backend = LiveBackend(f"{protocol}:m", base_url=getattr(server, f"{protocol}_url"), retries=0)
        options = {ModelOption.STREAM: True}
        output, _ = await backend.generate_from_context(prompt, SimpleContext(), model_options=options)
        return await output.avalue()
    return asyncio.run(main())
"""


@pytest.fixture
def run(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n")

    def run(code: str, *options: str) -> pytest.RunResult:
        pytester.makepyfile(HEAD + code)
        return pytester.runpytest_inprocess(*options)

    return run


def test_the_fixture_serves_scripts_and_closes_its_servers(run) -> None:
    result = run(
        """
def test_one(provider_server):
    server = provider_server("Hello.")
    assert isinstance(server, ProviderServer)
    assert ask(server) == "Hello."
    assert server.requests[0].finished

def test_two(provider_server):
    import threading
    assert [thread.name for thread in threading.enumerate() if "streamval" in thread.name] == []
    one, two = provider_server("One."), provider_server("Two.", token_size=4)
    assert (ask(two, "ollama"), ask(one, "gemini")) == ("Two.", "One.")

@pytest.mark.parametrize("fault", faults.all())
def test_three(provider_server, fault):
    assert provider_server(fault=fault).requests == ()
"""
    )
    result.assert_outcomes(passed=2 + len(faults.all()))


def test_a_test_fails_for_unscripted_and_missing_requests(run) -> None:
    result = run(
        """
def test_unscripted(provider_server):
    try:
        ask(provider_server(), prompt="What now?")
    except Exception:
        pass

def test_unasked(provider_server):
    assert ask(provider_server("One.", "Two.")) == "One."

def test_a_rule_that_raises(provider_server):
    def rule(request):
        raise KeyError("lost")

    with pytest.raises(Exception):
        ask(provider_server(rule))
"""
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines_random(
        [
            "*no script:",
            "*POST /v1/chat/completions 'What now?'",
            "*script 2: 'Two.'",
            "*KeyError: 'lost'*",
        ]
    )


def test_a_marker_allows_unplayed_scripts_of_a_server(run) -> None:
    result = run(
        """
@pytest.mark.streamval_allow_unplayed
def test_it(provider_server):
    provider_server("One.")
"""
    )
    result.assert_outcomes(passed=1)


def test_a_test_may_close_its_server(run) -> None:
    result = run(
        """
def test_it(provider_server):
    with ProviderServer("Hello.") as server:
        assert ask(server) == "Hello."
    provider_server().close()
"""
    )
    result.assert_outcomes(passed=1)


BOUNDARY_BUG = """
import json, socket

def test_it(provider_server):
    server = provider_server("H\\u00e9llo there.", token_size=4)
    body = json.dumps({"model": "m", "stream": True, "messages": []}).encode()
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\\r\\nhost: localhost\\r\\nconnection: close\\r\\n"
                       b"content-length: %d\\r\\n\\r\\n" % len(body) + body)
        data = b"".join(iter(lambda: client.recv(65536), b""))
    rest, text = data.partition(b"\\r\\n\\r\\n")[2], ""
    while rest:
        size, _, rest = rest.partition(b"\\r\\n")
        for line in rest[: int(size, 16)].splitlines():  # as if each chunk were whole frames
            if line.startswith(b"data: {"):
                for choice in json.loads(line[6:])["choices"]:
                    text += choice["delta"].get("content") or ""
        rest = rest[int(size, 16) + 2 :]
    assert text == "H\\u00e9llo there."
"""


def test_fuzzing_cuts_the_deltas_and_the_bytes_of_a_server(run) -> None:
    result = run(BOUNDARY_BUG, "--streamval-fuzz", "6", "-v")
    result.assert_outcomes(passed=2, failed=1)  # as scripted, and in one write
    shown = [line for line in result.outlines if line.startswith(("Fails when", "Passes as"))]
    assert shown[0].startswith("Fails when the bytes are cut here: b... '")
    assert re.search(r"\|·.*\(1 cut in [\d,]+ bytes\)$", shown[0])
    again = re.search(r"^Again:  pytest '(.*)'$", result.stdout.str(), re.MULTILINE)[1]
    run(BOUNDARY_BUG, again).assert_outcomes(failed=1)


def test_fuzzing_fails_no_test_of_a_correct_client(run) -> None:
    result = run(
        """
@pytest.mark.parametrize("protocol", ["openai", "anthropic", "gemini", "ollama"])
def test_it(provider_server, protocol):
    text = "H\\u00e9llo \\U0001f34e there.\\r\\n"
    assert ask(provider_server(text), protocol) == text

def test_with_a_fault(provider_server):
    server = provider_server("Hello.", token_size=2, fault=faults.truncate(after_deltas=1))
    with pytest.raises(Exception):
        ask(server)
    assert server.requests[0].deltas_sent == 1
""",
        "--streamval-fuzz",
        "5",
    )
    result.assert_outcomes(passed=5 * 6)


PROXIED = """
def test_it(provider_server, monkeypatch):
    with ProviderServer("From upstream.") as upstream:
        server = provider_server(upstream=upstream.url)
        assert ask(server) == "From upstream."
        assert len(upstream.requests) == len(server.recordings) == EXPECTED
"""


def test_the_answers_of_an_upstream_are_recorded_and_replayed(run, pytester: pytest.Pytester) -> None:
    recordings = pytester.path / "__cassettes__"
    run(PROXIED.replace("EXPECTED", "1")).assert_outcomes(passed=1)
    assert not recordings.exists()
    run(PROXIED.replace("EXPECTED", "1"), "--streamval-record", "once").assert_outcomes(passed=1)
    assert [path.name for path in recordings.rglob("*.jsonl")] == ["stream.jsonl"]
    run(PROXIED.replace("EXPECTED", "0")).assert_outcomes(passed=1)
    run(PROXIED.replace("EXPECTED", "0"), "--streamval-fuzz", "3").assert_outcomes(passed=4)


def test_a_variant_never_records(run) -> None:
    code = PROXIED.replace("len(upstream.requests) == len(server.recordings) == EXPECTED", "server.requests")
    options = ("--streamval-fuzz", "2", "-p", "no:randomly")
    run(code, "--streamval-record", "once", *options).assert_outcomes(passed=3)
    run(code, "--streamval-record", "all", *options).assert_outcomes(passed=1, skipped=2)


def test_an_unused_recording_of_a_server_fails_its_test(run) -> None:
    code = PROXIED.replace("EXPECTED", "1")
    run(code, "--streamval-record", "all").assert_outcomes(passed=1)
    result = run(code.replace("assert ask(server)", "assert server.url or ask(server)").replace("== 1", "== 0"))
    result.assert_outcomes(failed=1)


def test_mode_all_leaves_the_recordings_of_a_server_whose_test_failed(run, pytester: pytest.Pytester) -> None:
    code = PROXIED.replace("EXPECTED", "1")
    run(code, "--streamval-record", "all").assert_outcomes(passed=1)
    (path,) = (pytester.path / "__cassettes__").rglob("*.jsonl")
    old = path.read_bytes()
    run(code.replace("== 1", "== 2"), "--streamval-record", "all").assert_outcomes(failed=1)
    assert [each.read_bytes() for each in path.parent.iterdir()] == [old]
    run(code.replace("From upstream", "Anew"), "--streamval-record", "all").assert_outcomes(passed=1)
    assert [Script.from_cassette(each).text for each in path.parent.iterdir()] == ["Anew."]


def test_virtual_time_waits_for_the_answers_of_a_server(run) -> None:
    result = run(
        """
async def answer(server):
    backend = LiveBackend("openai:m", base_url=server.openai_url)
    options = {ModelOption.STREAM: True}
    output, _ = await backend.generate_from_context("Hi", SimpleContext(), model_options=options)
    return await output.avalue()

def test_it(virtual_clock, provider_server):
    async def main():
        server = provider_server("Hello.", "Bye.")
        assert await answer(server) == "Hello."
        await asyncio.sleep(3600)
        assert await answer(server) == "Bye."

    virtual_clock.run(main())
    assert 3600 <= virtual_clock.elapsed < 3700
"""
    )
    result.assert_outcomes(passed=1)


STRICT = """
import json
import urllib.error
import urllib.request

def status(server):
    request = urllib.request.Request(f"{server.openai_url}/chat/completions", b'{"model": "m"}')
    try:
        with urllib.request.urlopen(request) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code

def test_strict(provider_server):
    server = provider_server(lambda request: "Hello.")
    assert status(server) == 400
    assert "messages" in server.requests[0].refusal
    assert status(provider_server("Hello.", strict=False)) == 200
"""


def test_an_ini_value_makes_servers_strict(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nstreamval_strict = true\nasyncio_default_fixture_loop_scope = function\n")
    pytester.makepyfile(STRICT)
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_a_server_of_the_fixture_sets_the_environment_for_its_test(run) -> None:
    run(
        """
import os

@pytest.mark.parametrize("number", range(2))
def test_one(provider_server, number):
    assert os.environ.get("OPENAI_BASE_URL") is None
    server = provider_server(lambda request: "Hello.", env=True)
    assert os.environ["OPENAI_BASE_URL"] == server.openai_url
    assert number == 0

def test_two():
    assert os.environ.get("OPENAI_BASE_URL") is None
"""
    ).assert_outcomes(passed=2, failed=1)


FAILING = """
def test_failing(provider_server):
    server = provider_server("One.", "Two.", fault="reset")
    for _ in range(2):
        try:
            ask(server, prompt="Hi \\x1b[2J")
        except Exception:
            pass
    assert not "this"

def test_passing(provider_server):
    ask(provider_server("One."))
"""


def test_the_journal_is_below_a_failure(run) -> None:
    result = run(FAILING)
    result.assert_outcomes(failed=1, passed=1)
    text = result.stdout.str()
    assert text.count("requests to provider_server") == 1
    assert "requests[0]: POST /v1/chat/completions 'Hi \\x1b[2J': 200, broken, 1 delta sent, fault reset" in text
    assert "\x1b[2J" not in text


def test_the_journal_names_the_rules_that_a_request_breaks(run) -> None:
    result = run(
        """
import urllib.request

def test_failing(provider_server):
    server = provider_server("One.")
    urllib.request.urlopen(f"{server.openai_url}/chat/completions", b'{"model": "m", "messages": []}').read()
    provider_server("Two.")
    assert not "this"
"""
    )
    result.stdout.fnmatch_lines(
        [
            "*requests to provider_server*",
            "server 1, requests[[]0[]]: POST /v1/chat/completions: 200, finished, 4 deltas sent",
            "    warning: Invalid 'messages': empty array.*https://*",
        ]
    )


def test_the_report_has_the_journal_of_a_test(run, pytester: pytest.Pytester) -> None:
    run(FAILING, "--streamval-report", "report.json")
    entries = Report.load(pytester.path / "report.json").tests
    assert [len(entry.requests) for entry in entries] == [2, 1]
    assert entries[1].requests[0].startswith("requests[0]: POST /v1/chat/completions 'Hi': 200, finished")
