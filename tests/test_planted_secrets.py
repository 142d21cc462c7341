"""Planted secrets: none is in any output, in any encoding, wherever it was sent and however it comes back."""

from __future__ import annotations

import asyncio
import html
import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pytest_streamval import (
    AppClient,
    Cassette,
    CouncilResult,
    ModelAnswer,
    ProviderStatusError,
    Raise,
    Script,
    SimpleContext,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.app.asgi_requests import is_header
from pytest_streamval.council.cache import CouncilCache
from pytest_streamval.engine.telemetry.trace_context import ServedSpan
from pytest_streamval.errors import BrokenResponseError, ProviderStreamError, UnmatchedRequestError
from pytest_streamval.http.request import joined_headers
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.matching import CassetteMatcher
from pytest_streamval.recordings.stream_recorder import StreamRecorder
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.exchange_timelines import Exchange, timeline_of
from pytest_streamval.report.page import page_of
from pytest_streamval.server.handler import _served_request
from pytest_streamval.server.incoming_request import IncomingRequest
from tests.planted_secrets import ENCODINGS, PLACES, SECRETS, Planted, encodings_in, secrets_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.app.asgi_requests import Receive, Scope, Send
    from pytest_streamval.http.request import Headers, HttpRequest
    from pytest_streamval.typing import CapturedTelemetry

FEWEST = 200


def frames(*texts: str) -> bytes:
    deltas = [{"choices": [{"index": 0, "delta": {"content": text}}]} for text in texts]
    return b"".join(f"data: {json.dumps(delta)}\n\n".encode() for delta in deltas)


def echo(secret: Planted) -> bytes:
    """Return a stream that has a secret in every encoding, and over two deltas."""
    half = len(secret.value) // 2
    parts = [*(encode(secret.value) for encode in ENCODINGS.values()), secret.value[:half], secret.value[half:], "."]
    return frames(*(f"{part} " for part in parts[:-3]), *parts[-3:])


def recorded(request: HttpRequest, body: bytes, *, why: str = "") -> Cassette:
    recorder = StreamRecorder(request, Secrets.of(request), protocol="openai", provider="p", clock=lambda: 0.0)
    recorder.begin(200, {"content-type": "text/event-stream", "x-echo": why})
    for at in range(0, len(body), 50):
        recorder.read(body[at : at + 50])
    recorder.end("broken", why)
    return recorder.cassette(Path("it.jsonl"))


def outputs_of_recording(secret: Planted, request: HttpRequest) -> str:
    """Return what a recording of a request writes, and what its deltas join to."""
    cassette = recorded(request, echo(secret), why=f"no {secret.value}")
    deltas = "".join(delta.text for _, deltas in cassette.decode().reads for delta in deltas)
    return f"{json.dumps(cassette.header, ensure_ascii=False)} {cassette.body.decode()} {deltas} {cassette!r}"


def outputs_of_errors(secret: Planted, request: HttpRequest) -> str:
    """Return the messages and facts of errors about a request."""
    secrets = Secrets.of(request)
    text = " ".join(encode(secret.value) for encode in ENCODINGS.values())
    stopped = secrets.error(ProviderStreamError("openai", text, text))
    refused = ProviderStatusError("openai", secrets.url(request.url), 401, secrets.text(text), None)
    other = Cassette("other.jsonl", {"protocol": "openai", "request": {"messages": [{"content": text}]}}, ())
    with pytest.raises(UnmatchedRequestError) as unmatched:
        CassetteMatcher([other]).take(request, "openai")
    errors = [stopped, refused, unmatched.value]
    return " ".join([*map(str, errors), *(str(error.args) for error in errors), repr(request), repr(secrets)])


def outputs_of_a_server(secret: Planted, request: HttpRequest) -> str:
    """Return what the journal of a server shows of a request."""
    del secret
    target = request.url.partition("://")[2].partition("/")[2]
    incoming = IncomingRequest("POST", f"/{target}", list(request.headers.items()), request.body)
    served = _served_request(incoming)
    shown = [
        served.difference({}, prompt="no such"),
        served.difference({}, path="/no"),
        served.difference({"method": "PUT"}),
    ]
    return " ".join([repr(served), repr(incoming), served.path, str(served.headers), served.summary, *shown])


OUTPUTS = {
    "a recording": outputs_of_recording,
    "errors": outputs_of_errors,
    "a server": outputs_of_a_server,
}


def test_enough_secrets_are_planted() -> None:
    assert len({secret.value for secret in SECRETS}) == len(SECRETS) >= FEWEST


def test_every_encoding_of_a_secret_is_found_in_an_output_that_has_it() -> None:
    for secret in SECRETS:
        sent = " ".join(encode(secret.value) for encode in ENCODINGS.values())
        assert encodings_in(secret, sent) == [*ENCODINGS]
        assert secrets_in(SECRETS, f"x{sent}") == [(secret, [*ENCODINGS])]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_in_an_output(place: str, output: str) -> None:
    leaks = [
        (secret, found)
        for secret in SECRETS
        if (found := encodings_in(secret, OUTPUTS[output](secret, PLACES[place](secret))))
    ]
    assert leaks == []


def tracebacks_of(requests: Iterable[HttpRequest]) -> str:
    """Return the tracebacks of errors about requests, as `pytest -l` shows them with the locals of all frames.

    The errors are one chain, as pytest takes long for the first traceback of a file.
    """

    def match(request: HttpRequest) -> None:
        CassetteMatcher([]).take(request, "openai")

    last: UnmatchedRequestError | None = None
    for request in requests:
        with pytest.raises(UnmatchedRequestError) as caught:
            match(request)
        error = caught.value.with_traceback(caught.tb.tb_next)  # the frame of this function has other requests
        error.__cause__ = last
        last = error
    assert last is not None
    return str(pytest.ExceptionInfo.from_exception(last).getrepr(showlocals=True, style="long"))


@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_in_the_locals_of_a_traceback(place: str) -> None:
    shown = tracebacks_of(PLACES[place](secret) for secret in SECRETS)
    assert shown.count("request    = <HttpRequest") >= len(SECRETS)
    assert secrets_in(SECRETS, shown) == []


FAULTS = ("connection lost", "{}", "no {} here", "bad request: '{}'")
"""The errors of a provider's client, in which a secret stands."""


def _sendable(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that HTTP can send: a value has no line break and no character outside of Latin-1."""
    return {name: value for name, value in headers.items() if is_header(name, value)}


def _sent_headers(scope: Scope) -> Headers:
    return joined_headers((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])


async def _send(secret: Planted, request: HttpRequest) -> None:
    """Stream an answer with a secret for a request with it, in a page, in a run and in a served response."""
    text = " ".join(encode(secret.value) for encode in ENCODINGS.values())
    named = f"{secret.name}={secret.value}" if secret.name else secret.value
    error = LookupError(FAULTS[len(secret.value) % len(FAULTS)].format(named))
    answer = f"{text} " if len(secret.value) % 2 else "One. "  # an error that quotes the answer has no message
    target = f"/v1/chat/completions?key={quote(secret.value)}"

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        served = ServedSpan.of(_sent_headers(scope), "POST", target)
        assert served is not None
        served.start()
        body = (await receive())["body"].decode(errors="replace")
        backend = StreamingMockBackend(Script.of(answer, Raise(error)))
        async with stream_with_chunking(body, backend, SimpleContext(), chunking="word") as run:
            with suppress(LookupError):
                await run.acomplete()
        served.end(500, None)
        await send({"type": "http.response.start", "status": 401, "headers": [(b"x-echo", b"no")]})
        await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
        raise LookupError(text)

    place, _, query = request.url.partition("?")
    in_path = f"{place}/{quote(secret.value, safe='')}?{query}"
    async with AppClient(app) as client:
        for url in (request.url, in_path) if secret.name == "" else (request.url,):
            headers = _sendable(request.headers)
            async with client.stream("POST", url, content=request.body, headers=headers) as page:
                with suppress(BrokenResponseError):
                    await page.rest()


@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_in_telemetry(place: str, captured: CapturedTelemetry, caplog) -> None:
    caplog.set_level(logging.CRITICAL + 1)

    async def send_all() -> None:
        for secret in SECRETS:
            await _send(secret, PLACES[place](secret))

    asyncio.run(send_all())
    names = {span.name for span in captured.spans}
    assert {"stream_with_chunking", "chat", "POST /v1/chat/completions"} <= names
    assert captured.open_spans == ()
    exported = "\n".join([*(span.to_json() for span in captured.spans), repr(captured.metrics)])
    decoded = exported.encode().decode("unicode_escape")
    assert secrets_in(SECRETS, f"{exported} {decoded}") == []


@pytest.mark.parametrize("place", PLACES)
def test_a_request_with_a_planted_secret_matches_its_recording(place: str) -> None:
    for secret in SECRETS:
        request = PLACES[place](secret)
        assert CassetteMatcher([recorded(request, b"")]).has(request, "openai"), secret


def test_a_planted_secret_does_not_reach_the_cache_of_a_council(tmp_path) -> None:
    cache = CouncilCache(tmp_path / "cache.sqlite3")
    for secret in SECRETS:
        text = f"It is {secret.value}" if not secret.name else json.dumps({secret.name: secret.value})
        cache.store(secret.value, CouncilResult(text, "raw", (ModelAnswer("a", "m", text),)))
    found = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert [secret for secret in SECRETS if secret.value.encode() in found] == []


def test_a_planted_secret_does_not_reach_the_page_of_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    leaks = []
    for secret in SECRETS:
        monkeypatch.setenv("PLANTED_API_KEY", secret.value)
        text = " ".join(encode(secret.value) for encode in ENCODINGS.values())
        exchange = Exchange("response", f"POST {text}", "error", text, 0, [(0.5, text)])
        page = page_of(Report(tests=[Entry("t.py::test", "failed", 0.5, "no", [timeline_of(exchange)])]))
        leaks += [(secret, found) for found in [encodings_in(secret, html.unescape(page))] if found]
    assert leaks == []
