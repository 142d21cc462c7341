"""Pages and provider servers in the picture above a failure and in the report: beside runs, and without any."""

from __future__ import annotations

import pytest

from pytest_streamval.report.document import Report
from tests.plugin.runs import run

pytest_plugins = ["pytester"]

HEAD = """
import asyncio
import httpx2
import pytest
from pytest_streamval import Delay, PartialValidationResult, Requirement, Script, SimpleContext, stream_with_chunking

class NoBad(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "BAD" in chunk else "pass")

def chat(backend):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        run = await stream_with_chunking(scope["path"], backend, SimpleContext(), requirements=[NoBad()])
        await send({"type": "http.response.start", "status": 200})
        async with run:
            async for chunk in run.astream():
                await send({"type": "http.response.body", "body": f"data: {chunk}\\n\\n".encode(), "more_body": True})
        await send({"type": "http.response.body"})
    return app

async def plain(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"One. ", "more_body": True})
    await asyncio.sleep(10)
    if scope["path"] == "/fails":
        raise LookupError("no such story")
    await send({"type": "http.response.body", "body": b"Two."})

def relay(server):
    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        await send({"type": "http.response.start", "status": 200})
        await ask(server)
        await send({"type": "http.response.body", "body": b"Done."})
    return app

async def ask(server):
    body = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.openai_url}/chat/completions", json=body)
"""


@pytest.fixture(autouse=True)
def _ini(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n")


def failing(pytester: pytest.Pytester, arguments: str, code: str) -> list[str]:
    """Return the lines of the picture above the failure of a test."""
    body = "\n".join(f"    {line}" for line in (*code.splitlines(), "assert not 'this'"))
    pytester.makepyfile(f"{HEAD}\n@pytest.mark.asyncio\nasync def test_it({arguments}):\n{body}\n")
    lines = run(pytester).stdout.lines
    first = next(number for number, line in enumerate(lines) if line.startswith("The "))
    return lines[first : lines.index("", first)]


def row(lines: list[str], name: str) -> str:
    (found,) = [line for line in lines if line.startswith(f"  {name:18}")]
    return found[20:]


def test_one_picture_has_deltas_verdicts_and_the_reads_of_the_browser(pytester: pytest.Pytester) -> None:
    code = """script = Script.of("One. ", Delay(10), "Two. ", Delay(10), "BAD. ", Delay(10), "Four.")
backend = streaming_mock_backend(script)
await app_client(chat(backend)).get("/story")"""
    lines = failing(pytester, "app_client, streaming_mock_backend, virtual_clock", code)
    assert lines[0] == "The stream '/story' was stopped by a requirement"
    assert row(lines, "browser").replace(" ", "") == "oo"
    assert row(lines, "browser")[0] == "o"
    assert row(lines, "browser") == row(lines, "received")
    assert row(lines, "NoBad").replace(" ", "") == "++X"
    assert any(line.endswith("3 deltas in 20.00 s; stopped after delta 3, 0 more sent") for line in lines)
    assert not any("more)" in line for line in lines)


def test_the_reads_of_concurrent_pages_stay_with_their_runs(pytester: pytest.Pytester) -> None:
    code = """backend = streaming_mock_backend(Script.of("One. "), Script.of("One. ", Delay(9), "BAD. "))
client = app_client(chat(backend))
await asyncio.gather(client.get("/first"), client.get("/second"))"""
    lines = failing(pytester, "app_client, streaming_mock_backend, virtual_clock", code)
    assert lines[0] == "The stream '/second' was stopped by a requirement (and 1 more)"
    assert row(lines, "browser").strip() == "o"


@pytest.mark.parametrize(
    ("path", "title"),
    [("/", "The page 'GET /' came to its end"), ("/fails", "The page 'GET /fails' ended with an error")],
)
def test_a_page_alone_has_a_picture(pytester: pytest.Pytester, path: str, title: str) -> None:
    code = f"async with app_client(plain).stream('GET', '{path}') as page:\n    await asyncio.sleep(20)"
    lines = failing(pytester, "app_client, virtual_clock", code)
    assert lines[0] == title
    assert ("  LookupError: no such story" in lines) == (path == "/fails")
    assert row(lines, "browser").count("o") == (1 if path == "/fails" else 2)
    assert row(lines, "text") == ('"One. "' if path == "/fails" else '"One. Two."')


def test_a_page_that_was_left_says_so(pytester: pytest.Pytester) -> None:
    code = "async with app_client(plain).stream('GET', '/') as page:\n    await page.until('One')"
    lines = failing(pytester, "app_client, virtual_clock", code)
    assert lines[0] == "The page 'GET /' was left by its client"


def test_a_test_with_a_client_of_a_provider_alone_has_a_picture(pytester: pytest.Pytester) -> None:
    lines = failing(pytester, "provider_server", "await ask(provider_server('One. Two.', token_size=4))")
    assert lines[0] == "The response \"POST /v1/chat/completions 'Hi'\" came to its end"
    assert row(lines, "text") == '"One. Two."'
    assert any("3 deltas in" in line for line in lines)


def test_a_page_without_a_run_shows_the_deltas_of_its_provider(pytester: pytest.Pytester) -> None:
    code = "await app_client(relay(provider_server('One. Two.', token_size=4))).get('/')"
    lines = failing(pytester, "app_client, provider_server", code)
    assert lines[0] == "The page 'GET /' came to its end"
    assert row(lines, "text") == '"One. Two."'
    assert any("3 deltas, 1 read in" in line for line in lines)


TESTS = (
    HEAD
    + """
@pytest.mark.asyncio
async def test_a_run(app_client, streaming_mock_backend):
    await app_client(chat(streaming_mock_backend("One. Two."))).get("/story")

@pytest.mark.asyncio
async def test_a_page(app_client, virtual_clock):
    client = app_client(plain)
    await client.get("/")
    await client.get("/?sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789")

@pytest.mark.asyncio
async def test_a_response(provider_server):
    await ask(provider_server("One. Two."))

@pytest.mark.asyncio
async def test_a_relay(provider_server, app_client):
    await app_client(relay(provider_server("One. Two."))).get("/")

def test_nothing(app_client):
    pass
"""
)


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "two workers"])
def test_a_report_has_pages_and_responses(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(TESTS)
    result = run(pytester, "--streamval-report", "report.json", *options)
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(["streamval: report of 5 streams: *"])
    report = Report.load(pytester.path / "report.json")
    found = {entry.test.rpartition("::")[2]: entry.streams for entry in report.tests}
    assert {name: [each.subject for each in streams] for name, streams in found.items()} == {
        "test_a_run": [""],
        "test_a_page": ["page", "page"],
        "test_a_response": ["response"],
        "test_a_relay": ["page"],
    }
    assert [len(each.reads) for each in found["test_a_run"]] == [2]
    assert [each.reads for each in found["test_a_page"]] == [[0, 10_000_000]] * 2
    assert [each.texts for each in found["test_a_page"]] == [["One. ", "Two."]] * 2
    assert "".join(found["test_a_relay"][0].texts) == "One. Two."
    assert len(found["test_a_relay"][0].reads) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "title"),
    [
        (
            "stream_script, virtual_clock",
            "texts = [text async for text in stream_script(Script.of('One. ', Delay(5), 'Two.')).play()]",
            "The script 'One. Two.' came to its end",
        ),
        (
            "stream_script, virtual_clock",
            "await anext(stream_script(Script.of('One. ', Delay(5), 'Two.')).play())",
            "The script 'One. Two.' had not ended",
        ),
        (
            "stream_script, virtual_clock",
            "texts = list(stream_script(Script.of('One. ', 'Two.')).play_sync())",
            "The script 'One. Two.' came to its end",
        ),
        (
            "streaming_mock_backend, virtual_clock",
            """backend = streaming_mock_backend(Script.of('One. ', Delay(5), 'Two.'))
output, _ = await backend.generate_from_context('Hi', SimpleContext())
assert await output.avalue() == 'One. Two.'""",
            "The output 'Hi' came to its end",
        ),
    ],
    ids=["played", "unfinished", "synchronous", "output"],
)
def test_a_script_without_a_run_has_a_picture(pytester: pytest.Pytester, arguments: str, code: str, title: str) -> None:
    lines = failing(pytester, arguments, code)
    assert lines[0] == title
    assert "One." in row(lines, "text")


def test_an_output_of_a_run_has_no_picture_of_its_own(pytester: pytest.Pytester) -> None:
    code = """backend = streaming_mock_backend("One. BAD. ")
run = await stream_with_chunking("Hi", backend, SimpleContext(), requirements=[NoBad()])
await run.acomplete()"""
    lines = failing(pytester, "streaming_mock_backend, virtual_clock", code)
    assert lines[0] == "The stream 'Hi' was stopped by a requirement"


def test_a_websocket_with_a_run_has_one_picture(pytester: pytest.Pytester) -> None:
    code = """async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await send({"type": "websocket.accept"})
    run = await stream_with_chunking("Hi", backend, SimpleContext())
    async with run:
        async for chunk in run.astream():
            await send({"type": "websocket.send", "text": chunk})
    await send({"type": "websocket.close"})
backend = streaming_mock_backend(Script.of("One. ", Delay(10), "Two. "))
async with app_client(app).websocket("/ws") as socket:
    await socket.receive()
    await socket.receive()
    await asyncio.sleep(1)"""
    lines = failing(pytester, "app_client, streaming_mock_backend, virtual_clock", code)
    assert lines[0] == "The stream 'Hi' came to its end"
    assert row(lines, "browser").count("o") == 2


def test_a_websocket_without_a_run_has_a_picture(pytester: pytest.Pytester) -> None:
    code = """async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "One. "})
    await asyncio.sleep(10)
async with app_client(app).websocket("/ws") as socket:
    await socket.receive()"""
    lines = failing(pytester, "app_client, virtual_clock", code)
    assert lines[0] == "The WebSocket '/ws' was left by its client"
    assert "One." in row(lines, "text")
