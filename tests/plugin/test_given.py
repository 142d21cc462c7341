"""Tests with `@given`: each fixture begins anew with each example, without a health check."""

from __future__ import annotations

import asyncio

import pytest

from tests.plugin.runs import run
from tests.plugin.test_cassettes import record

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_default_fixture_loop_scope = function
asyncio_mode = auto
filterwarnings = error
strict = true
"""
HEAD = """
import asyncio, time
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from pytest_streamval import (
    ChunkEvent, Delay, Script, SimpleContext, StreamingMockBackend, stream_with_chunking, strategies, transcribe,
)

settings.register_profile("inner", database=None, deadline=None, max_examples=8)
settings.load_profile("inner")
numbers = given(number=st.integers(0, 1000))
seen = []

async def ask(backend):
    async with stream_with_chunking("go", backend, SimpleContext()) as result:
        await result.acomplete()
    return result

def test_many_examples_ran():
    assert len(seen) >= 8
"""

FIXTURES = {
    "streaming_mock_backend": """
@given(script=strategies.scripts())
async def test_0(streaming_mock_backend, script):
    backend = streaming_mock_backend(script)
    assert (await ask(backend)).full_text.strip() in script.text
    assert len(backend.calls) == 1
    seen.append(script)
""",
    "streaming_mock_backend of rejected examples": """
@numbers
async def test_0(streaming_mock_backend, number):
    backend = streaming_mock_backend("One.")
    seen.append(number)
    assume(number % 2)
    await ask(backend)
""",
    "stream_script": """
@given(text=strategies.texts(min_size=1))
def test_0(stream_script, text):
    assert "".join(stream_script(text).play_sync()) == text
    seen.append(text)
""",
    "council": """
@given(text=st.text("ab", min_size=1))
async def test_0(council, text):
    result = await council(text, "Two.").ask("go", mode="raw")
    assert [answer.text for answer in result.answers] == [text, "Two."]
    seen.append(text)
""",
    "virtual_clock": """
@numbers
async def test_0(virtual_clock, number):
    assert (virtual_clock.elapsed, virtual_clock.now) == (0, 1767225600)
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.timeout(number + 1):
        await asyncio.sleep(number)
    assert virtual_clock.elapsed == loop.time() - began == number
    assert time.time() == 1767225600 + number
    virtual_clock.move_to("2030-01-01" if number % 2 else "2020-01-01")
    seen.append(number)

@pytest.mark.streamval_clock("2024-02-29")
@numbers
def test_sync(virtual_clock, number):
    assert (virtual_clock.elapsed, time.strftime("%F %T")) == (0, "2024-02-29 00:00:00")
    virtual_clock.run(asyncio.sleep(number))
    assert virtual_clock.elapsed == number

@pytest.mark.freeze_time("2024-02-29")
@numbers
async def test_frozen(virtual_clock, freezer, number):
    assert (virtual_clock.elapsed, time.strftime("%F %T")) == (0, "2024-02-29 00:00:00")
    await asyncio.sleep(number)
    freezer.move_to("2025-01-01")

test_frozen = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])(test_frozen)
""",
    "runs": """
@numbers
async def test_0(runs, number):
    await ask(StreamingMockBackend("One."))
    assert [run.outcome for run in runs] == ["done"]
    seen.append(number)
""",
    "event_snapshot": """
@given(pieces=strategies.tokenizations("One. Two."))
async def test_0(event_snapshot, streaming_mock_backend, pieces):
    result = await ask(streaming_mock_backend(Script.of(*pieces)))
    assert result == event_snapshot
    assert result.history == event_snapshot
    assert result == event_snapshot(name="again")
    seen.append(pieces)
""",
    "captured_telemetry": """
@numbers
async def test_0(captured_telemetry, streaming_mock_backend, number):
    await ask(streaming_mock_backend("One."))
    assert captured_telemetry.span()
    assert not captured_telemetry.open_spans
    seen.append(number)
""",
    "provider_server": """
import threading
import httpx2

@numbers
def test_0(provider_server, number):
    server = provider_server(f"Number {number}.")
    answer = httpx2.post(f"{server.url}/v1/chat/completions", json={"model": "m", "messages": [
        {"role": "user", "content": "go"}]}, headers={"connection": "close"})
    assert answer.json()["choices"][0]["message"]["content"] == f"Number {number}."
    assert len([thread for thread in threading.enumerate() if "streamval" in thread.name]) <= 1
    seen.append(number)
""",
    "provider_server of rejected examples": """
@numbers
def test_0(provider_server, number):
    provider_server("One.")
    seen.append(number)
    assume(False)

test_0 = settings(suppress_health_check=[HealthCheck.filter_too_much], phases=[Phase.generate])(test_0)
test_0 = pytest.mark.xfail(reason="no example is left", strict=True)(test_0)
""",
    "app_client": """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

@numbers
async def test_0(app_client, number):
    assert (await app_client(app).get(f"/{number}")).text == f"/{number}"
    seen.append(number)
""",
}


@pytest.fixture(autouse=True)
def _settings(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)


@pytest.mark.parametrize("fixture", FIXTURES)
def test_a_fixture_begins_anew_with_each_example(fixture: str, pytester: pytest.Pytester) -> None:
    code = FIXTURES[fixture]
    head, _, last = HEAD.partition("def test_many")
    pytester.makepyfile(head + code + "\n\ndef test_many" + last)
    if "event_snapshot" in fixture:
        run(pytester, "-p", "no:randomly", "--snapshot-update").assert_outcomes(passed=2)
    result = run(pytester, "-p", "no:randomly")
    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed", "xfailed"}, result.stdout.str()
    assert sum(outcomes.values()) == code.count("def test_") + 1


SNAPSHOTS = """
@given(number=st.integers(0, 3))
def test_0(event_snapshot, number):
    assert ChunkEvent(f"Number {number}.", 0, 1) == event_snapshot
"""


def test_of_several_examples_only_the_first_writes_the_snapshot(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD.partition("def test_many")[0] + SNAPSHOTS)
    result = run(pytester, "--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*- chunk "Number 0."', '*+ chunk "Number 1."'])
    assert [path.name for path in pytester.path.glob("__snapshots__/*/*")] == ["test_0.transcript"]


OTHERS = """
@pytest.fixture
def other(streaming_mock_backend):
    return streaming_mock_backend("One.")

@pytest.fixture
def runs():
    return []

@numbers
def test_its_own(streaming_mock_backend, other, number):
    pass

@numbers
def test_redefined(virtual_clock, runs, number):
    pass

@numbers
def test_none_of_ours(tmp_path, number):
    pass
"""


def test_hypothesis_checks_the_fixtures_of_others_with_a_note_that_names_them(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(HEAD.partition("def test_many")[0] + OTHERS)
    result = run(pytester)
    result.assert_outcomes(failed=3)
    output = result.stdout.str()
    assert "begin anew with each example. other is not reset." in output
    assert "begin anew with each example. runs is not reset." in output
    assert output.count("begin anew with each example") == 2


CASSETTE = """
from pytest_streamval import LiveBackend, ModelOption

@numbers
async def test_0(stream_cassette, number):
    backend = stream_cassette(LiveBackend("openai:m", base_url="http://127.0.0.1:1"))
    thunk, _ = await backend.generate_from_context("go", SimpleContext(), model_options={ModelOption.STREAM: True})
    assert await thunk.avalue() == "One."
    seen.append(number)
"""


def test_a_cassette_is_played_again_in_each_example(provider, pytester: pytest.Pytester) -> None:
    head, _, last = HEAD.partition("def test_many")
    path = pytester.makepyfile(test_it=head + CASSETTE + "\n\ndef test_many" + last)
    recording = path.parent / "__cassettes__/test_it/test_0.jsonl"
    assert asyncio.run(record(provider, recording, "once", "go", answers=("One.",))) == 1
    run(pytester, "-p", "no:randomly").assert_outcomes(passed=2)
