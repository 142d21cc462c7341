"""The fixture `app_client` under every plugin that runs async tests, and a test that leaves an application running."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

HEAD = """
import asyncio
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

log = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for phase in ("startup", "shutdown"):
            await receive()
            log.append(phase)
            await send({"type": f"lifespan.{phase}.complete"})
        return
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"One. ", "more_body": True})
    if scope["path"] == "/deaf":
        await asyncio.sleep(3600)
    if scope["path"] == "/stubborn":
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(1)
            log.append("cleaned up")
    await send({"type": "http.response.body", "body": b"Two."})

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
def client(app_client):
    return app_client(app)
"""

GET = """
async def get(client):
    assert (await client.get("/")).text == "One. Two."

def test_the_log():
    assert log == ["startup", "shutdown"]
"""

WAYS = {
    "pytest-asyncio strict": ("@pytest.mark.asyncio\nasync def", "await get(client)", ("--asyncio-mode", "strict")),
    "pytest-asyncio auto": ("async def", "await get(client)", ("--asyncio-mode", "auto")),
    "a loop of the session": ("@pytest.mark.asyncio(loop_scope='session')\nasync def", "await get(client)", ()),
    "anyio": ("@pytest.mark.anyio\nasync def", "await get(client)", ("-p", "no:asyncio")),
    "asyncio.run": ("def", "asyncio.run(get(client))", ("-p", "no:asyncio", "-p", "no:anyio")),
}


@pytest.fixture
def run(pytester: pytest.Pytester):
    def run(code: str, *options: str) -> pytest.RunResult:
        scope = "" if "no:asyncio" in options else "asyncio_default_fixture_loop_scope = function\n"
        pytester.makeini(f"[pytest]\nfilterwarnings = error\n{scope}")
        pytester.makepyfile(HEAD + code)
        return pytester.runpytest_inprocess("-p", "no:randomly", *options)

    return run


@pytest.mark.parametrize("clock", ["", ", virtual_clock"])
@pytest.mark.parametrize("way", WAYS)
def test_an_application_ends_with_its_test(run, way: str, clock: str) -> None:
    head, call, options = WAYS[way]
    run(f"{head} test_it(client{clock}):\n    {call}\n{GET}", *options).assert_outcomes(passed=2)


def test_an_application_that_an_async_fixture_calls_ends_with_the_test(run) -> None:
    code = """
@pytest.fixture
async def text(client):
    yield (await client.get("/")).text
    await client.get("/")

def test_it(text):
    assert text == "One. Two."
"""
    run(code + GET, "--asyncio-mode", "auto").assert_outcomes(passed=2)


def test_an_application_ends_after_each_example_of_hypothesis(run) -> None:
    code = """
@settings(max_examples=3, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers())
async def test_it(client, virtual_clock, number):
    assert log.count("startup") == log.count("shutdown")
    assert (await client.get("/")).status == 200

def test_the_log():
    assert log == ["startup", "shutdown"] * 3
"""
    result = run(code, "--asyncio-mode", "auto")
    result.assert_outcomes(passed=2)


LEFT = """
async def test_it(client, virtual_clock):
    async with client.stream("GET", "/PATH") as page:
        await page.until("One.")
"""


def test_a_test_fails_if_the_application_ignores_that_its_client_has_left(run) -> None:
    result = run(LEFT.replace("PATH", "deaf"), "--asyncio-mode", "auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*The application still worked on requests 5 s after its client was closed:",
            "*  GET /deaf, at test_a_test_fails*.py:* in app: await asyncio.sleep(3600)",
            "*An application that ignores the disconnect of its client goes on to use its provider.*",
            "*If this is intended, mark the test with @pytest.mark.streamval_allow_leaks.",
        ]
    )


def test_a_test_fails_if_it_leaves_a_page_open(run) -> None:
    code = """
KEPT = []

async def test_it(client, virtual_clock):
    KEPT.append(client.stream("GET", "/deaf"))
    await (await KEPT[0].__aenter__()).until("One.")
"""
    result = run(code, "--asyncio-mode", "auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*  GET /deaf, at test_a_test_fails_if_it*.py:* in app: await asyncio.sleep(3600)",
            "*Their clients have not left. End the context of a page with async with, or await page.leave().",
        ]
    )


def test_the_clean_up_of_a_cancelled_application_is_awaited(run) -> None:
    code = f"@pytest.mark.streamval_allow_leaks{LEFT.replace('PATH', 'stubborn')}"
    code += "\ndef test_the_log():\n    assert log == ['startup', 'cleaned up', 'shutdown']\n"
    run(code, "--asyncio-mode", "auto").assert_outcomes(passed=2)


def test_a_test_that_fails_keeps_its_own_error(run) -> None:
    result = run(f"{LEFT.replace('PATH', 'deaf')}    assert page.text == 'Two.'\n", "--asyncio-mode", "auto")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*AssertionError: assert 'One. ' == 'Two.'*", "*The clean-up failed too: *still worked*"]
    )


def test_a_client_tells_trio_tests_to_use_asyncio(run) -> None:
    code = """
def test_it(client):
    async def without_asyncio():
        await client.get("/")
    try:
        without_asyncio().send(None)
    except RuntimeError as error:
        assert "asyncio" in str(error)
"""
    run(code).assert_outcomes(passed=1)


SNAPSHOT = r"""
from pytest_streamval import Script

def answering(script, kind, frame):
    async def answer(scope, receive, send):
        if scope["type"] != "http":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
        for text in script.play_sync():
            await send({"type": "http.response.body", "body": frame(text).encode(), "more_body": True})
        await send({"type": "http.response.body"})
    return answer

async def test_text(app_client, stream_script, event_snapshot):
    app = answering(stream_script("One.\nTwo. Ä"), b"text/plain", str)
    assert await app_client(app).get("/") == event_snapshot

async def test_events(app_client, event_snapshot):
    app = answering(Script.of('{"a": "\x00"}', "[DONE]"), b"text/event-stream", "event: token\ndata: {}\n\n".format)
    assert await app_client(app).get("/") == event_snapshot

async def test_left(app_client, event_snapshot, virtual_clock):
    async with app_client(app).stream("GET", "/") as page:
        assert page == event_snapshot(name="open")

def test_texts(event_snapshot):
    assert ["One.", "Two.\n"] == event_snapshot
"""


def test_a_snapshot_of_a_page_does_not_depend_on_its_cut(run, pytester: pytest.Pytester) -> None:
    options = ("--asyncio-mode", "auto", "-k", "not left")
    run(SNAPSHOT, *options, "--snapshot-update").assert_outcomes(passed=3, deselected=1)
    texts = {path.name.split(".")[0]: path.read_text("utf-8") for path in pytester.path.glob("__snapshots__/*/*")}
    assert texts == {
        "test_text": '200 text/plain\ntext "One.\\n"\ntext "Two. Ä"\ncomplete\n',
        "test_events": '200 text/event-stream\ntoken "{\\"a\\": \\"\\u0000\\"}"\ntoken "[DONE]"\ncomplete\n',
        "test_texts": '"One."\n"Two.\\n"\n',
    }
    run(SNAPSHOT, *options, "--streamval-fuzz", "5").assert_outcomes(passed=3 + 2 * 5, deselected=1 + 5)


BY_HAND = """
async def chat(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200})
        for text in ("Once", "upon", "a", "time"):
            await send({"type": "http.response.body", "body": f"data: {text}\\n\\n".encode(), "more_body": True})
            await asyncio.sleep(10)
        await send({"type": "http.response.body"})

@pytest.mark.asyncio
async def test_by_hand(app_client, virtual_clock):
    page = await app_client(chat).get("/")
    words = [read.data.removeprefix(b"data: ").strip().decode() for read in page.reads]
    assert words == ["Once", "upon", "a", "time"]

@pytest.mark.asyncio
async def test_a_decoder(app_client, virtual_clock):
    async with app_client(chat).stream("GET", "/") as page:
        assert await page.until("Once") is not None
        assert page.reads[0].at == 0
        assert b"".join([await page.read() for _ in range(len(page.reads))]) is not None
        await page.rest()
    assert [event.data for event in page.events] == ["Once", "upon", "a", "time"]
    assert page.text == "data: Once\\n\\ndata: upon\\n\\ndata: a\\n\\ndata: time\\n\\n"
    assert {read.at for read in page.reads} == {0, 10, 20, 30}
"""


def test_the_reads_of_a_page_are_cut_in_variants(run) -> None:
    result = run(BY_HAND, "--streamval-fuzz", "20")
    result.assert_outcomes(passed=23, failed=1)
    result.stdout.re_match_lines(
        [
            r"_+ test_by_hand\[cut-at-r\d+\] _+",
            r"Fails when the page's reads are cut here: b'.*\|·.*",
            r"Passes as scripted\. Fails under \d+ of 20 other cuts .*",
            r"Again:  pytest 'test_the_reads_of_a_page_are_cut_in_variants\.py::test_by_hand\[cut-at-r\d+\]'",
            r"streamval: cut: reads in 2 tests",
        ],
        consecutive=False,
    )
    result = run(BY_HAND, "--streamval-fuzz-each", "--streamval-fuzz", "3", "-k", "by_hand")
    result.stdout.re_match_lines([r"The reads were cut as  b'd\|·a\|·t.*"])


BY_TRANSPORT = """
import httpx2
from pytest_streamval import StreamingASGITransport

async def chat(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200})
    for text in ("Once", "upon"):
        await send({"type": "http.response.body", "body": f"data: {text}\\n\\n".encode(), "more_body": True})
        await asyncio.sleep(10)
    await send({"type": "http.response.body"})

async def reads():
    transport = StreamingASGITransport(chat)
    async with httpx2.AsyncClient(transport=transport, base_url="http://app", timeout=None) as client:
        async with client.stream("GET", "/") as response:
            return [read async for read in response.aiter_raw()]

@pytest.mark.asyncio
async def test_by_hand(stream_script, virtual_clock):
    stream_script("One.").play_sync().__next__()
    assert [read.decode() for read in await reads()] == ["data: Once\\n\\n", "data: upon\\n\\n"]

@pytest.mark.asyncio
async def test_joined(stream_script, virtual_clock):
    stream_script("One.").play_sync().__next__()
    assert b"".join(await reads()) == b"data: Once\\n\\ndata: upon\\n\\n"

@pytest.mark.asyncio
async def test_as_scripted(virtual_clock):
    assert len(await reads()) == 2
"""


def test_the_reads_of_a_transport_are_cut_in_variants(run) -> None:
    result = run(BY_TRANSPORT, "--streamval-fuzz", "8")
    result.assert_outcomes(passed=12, failed=1)
    result.stdout.re_match_lines(
        [r"_+ test_by_hand\[cut-at-r\d+\] _+", r"Fails when the page's reads are cut here: .*"]
    )
