"""Planted secrets: none is in any output, in any encoding, wherever it was sent and however it comes back."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Cassette, CouncilResult, ModelAnswer, ProviderStatusError
from pytest_streamval.council.cache import CouncilCache
from pytest_streamval.errors import ProviderStreamError, UnmatchedRequestError
from pytest_streamval.http.secrets import Secrets
from pytest_streamval.recordings.matching import CassetteMatcher
from pytest_streamval.recordings.stream_recorder import StreamRecorder
from pytest_streamval.report.document import Entry, Report
from pytest_streamval.report.exchange_timelines import Exchange, timeline_of
from pytest_streamval.report.page import page_of
from pytest_streamval.server.handler import _served_request
from pytest_streamval.server.incoming_request import IncomingRequest
from tests.planted_secrets import ENCODINGS, PLACES, SECRETS, Planted, encodings_in

if TYPE_CHECKING:
    from pytest_streamval.http.request import HttpRequest

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


def outputs_of_tracebacks(secret: Planted, request: HttpRequest) -> str:
    """Return the traceback of an error about a request, as `pytest -l` shows it with the locals of all frames."""
    del secret

    def match() -> None:
        CassetteMatcher([]).take(request, "openai")

    with pytest.raises(UnmatchedRequestError) as caught:
        match()
    error = caught.value.with_traceback(caught.tb.tb_next)  # the frame of this test has the secret itself
    return str(pytest.ExceptionInfo.from_exception(error).getrepr(showlocals=True, style="long"))


OUTPUTS = {
    "a recording": outputs_of_recording,
    "errors": outputs_of_errors,
    "a server": outputs_of_a_server,
    "locals": outputs_of_tracebacks,
}
STEPS = {"locals": 6}
"""A step in the secrets, as pytest takes long to show locals. Each secret is in some of the places."""


def test_enough_secrets_are_planted() -> None:
    assert len({secret.value for secret in SECRETS}) == len(SECRETS) >= FEWEST


def test_every_encoding_of_a_secret_is_found_in_an_output_that_has_it() -> None:
    for secret in SECRETS:
        sent = " ".join(encode(secret.value) for encode in ENCODINGS.values())
        assert encodings_in(secret, sent) == [*ENCODINGS]


@pytest.mark.parametrize("output", OUTPUTS)
@pytest.mark.parametrize("place", PLACES)
def test_no_planted_secret_is_in_an_output(place: str, output: str) -> None:
    leaks = [
        (secret, found)
        for secret in SECRETS[[*PLACES].index(place) % STEPS.get(output, 1) :: STEPS.get(output, 1)]
        if (found := encodings_in(secret, OUTPUTS[output](secret, PLACES[place](secret))))
    ]
    assert leaks == []


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
