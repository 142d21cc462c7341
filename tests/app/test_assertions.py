"""Assertions about pages."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute

from pytest_streamval import (
    CheckFailedError,
    Delay,
    InvalidArgumentError,
    PartialValidationResult,
    Requirement,
    Script,
    SimpleContext,
    assert_accepted,
    assert_never_sent,
    assert_no_unvalidated_text,
    assert_streams,
    stream_with_chunking,
    transcribe,
)
from tests.app.apps import PLAIN, body, events, http_only, start, streaming


def deltas(*texts):
    return [json.dumps({"choices": [{"delta": {"content": text}}]}) for text in texts]


SENT = {
    "one read": streaming("the swordfish swims"),
    "cut over reads": streaming("the sword", "fish swims"),
    "cut inside a character": streaming("swördfish".encode()[:3], "swördfish".encode()[3:]),
    "cut over events": events("sword", "fish"),
    "cut over JSON strings": events(*deltas("sword", "fish")),
    "an escape of JSON": events('{"text": "sw\\u006frdfish"}'),
    "an escape in the body": streaming('{"text": "sw\\u006frdfish'),
    "JSON in a JSON string": events(*deltas('{"password": "sw', "\\u006frdf", 'ish"}')),
    "an escape of HTML": streaming("sw&#111;rdfish"),
    "an escape of addresses": streaming("/x?p=sw%6Frdfish"),
    "escapes in escapes": streaming(json.dumps("sw&#111;rdfish").replace("&", "\\u0026")),
    "a header": streaming("One.", headers=[(b"x-debug", b"swordfish")]),
    "JSON lines": streaming('{"text": "sword"}\n{"text"', ': "fish"}\n'),
    "a JSON line without an end": streaming('{"text": "sw\\u006frdfish"}'),
    "events of other types between": streaming(
        "event: token\ndata: sword\n\n", "event: ping\ndata: 1\n\n", "event: token\ndata: fish\n\n"
    ),
    "JSON of other types between": events(
        '{"type": "token", "text": "sword"}', '{"type": "log", "text": "x"}', '{"type": "token", "text": "fish"}'
    ),
    "an emoji in escapes": streaming('"sw\\ud83d\\ude00rdfish"'),
}


@pytest.mark.parametrize("app", SENT.values(), ids=SENT)
async def test_a_secret_that_left_is_found(app_client, virtual_clock, app):
    page = await app_client(app).get("/")
    with pytest.raises(CheckFailedError, match="left the application, in the "):
        assert_never_sent(page, "harmless", "swordfish", "swördfish", "sw😀rdfish")


@pytest.mark.parametrize(
    "app",
    [streaming("a sword", " fish"), events(*deltas("sword", " fish")), events('{"a":')],
    ids=["text", "JSON", "no JSON"],
)
async def test_a_secret_that_never_left_is_not_found(app_client, virtual_clock, app):
    page = await app_client(app).get("/")
    assert_never_sent(page, "swordfish")


async def test_the_error_about_a_secret_shows_the_read_that_completed_it(app_client, virtual_clock):
    page = await app_client(streaming("The sword", 5, "fish swims. ", 5, "The end.")).get("/")
    with pytest.raises(CheckFailedError) as caught:
        assert_never_sent(page, "swordfish")
    assert str(caught.value).splitlines()[:2] == [
        "'swordfish' left the application, in the body, with reads[1], 5 s after the request:",
        "  'The swordfish swims. The end.'",
    ]


@pytest.mark.parametrize("received", ["a swordfish", b"the swordfish", ["a sword", b"fish"]])
def test_a_secret_is_found_in_received_text(received):
    with pytest.raises(CheckFailedError, match="'swordfish' left the application, in the body:"):
        assert_never_sent(received, "swordfish")


async def test_a_secret_is_found_in_messages_of_a_websocket(app_client, virtual_clock):
    async def endpoint(socket):
        await socket.accept()
        await socket.send_json({"text": "sword"})
        await socket.send_json({"text": "fish"})
        await socket.close()

    app = Starlette(routes=[WebSocketRoute("/", endpoint)])
    async with app_client(app).websocket("/") as socket:
        await socket.receive()
        await socket.receive()
        with pytest.raises(CheckFailedError, match=r"in the JSON strings at \$\.text"):
            assert_never_sent(socket, "swordfish")


@pytest.mark.parametrize(
    ("page", "secrets"), [("a", ()), ("a", ("",)), ("a", (" ",)), ("a", (1,)), (5, ("a",)), ([5], ("a",))]
)
def test_assert_never_sent_needs_secrets_and_text(page, secrets):
    with pytest.raises(InvalidArgumentError):
        assert_never_sent(page, *secrets)


# Streaming


class Buffers(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        parts = [part async for part in response.body_iterator]
        return Response(b"".join(parts), response.status_code, dict(response.headers))


class Passes(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-passed"] = "1"
        return response


class PureBuffer:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        kept = []

        async def keep(message):
            kept.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                for each in kept:
                    await send(each)

        await self.app(scope, receive, keep if scope["type"] == "http" else send)


class NeedsMore:
    def __init__(self, app):
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(dict(scope, extra=scope["app"].state.extra) if scope["type"] == "http" else scope, receive, send)


def chat_app(backend, *middleware, whole=False):
    async def chat(request):
        async def answer():
            async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
                async for chunk in run.astream():
                    yield chunk

        if whole:
            return Response("".join([chunk async for chunk in answer()]))
        return StreamingResponse(answer())

    app = Starlette(routes=[Route("/", chat)], middleware=[Middleware(each) for each in middleware])
    app.state.extra = 1
    return app


@pytest.fixture
def slow_backend(streaming_mock_backend):
    return streaming_mock_backend(Script.of("One. ", "Two. ", Delay(60), "Three."))


@pytest.mark.parametrize("middleware", [(), (Passes,), (Passes, NeedsMore)])
async def test_an_application_that_streams_passes(app_client, virtual_clock, slow_backend, middleware):
    page = await app_client(chat_app(slow_backend, *middleware)).get("/")
    assert_streams(page)
    assert_streams(page, within=0)


@pytest.mark.parametrize(
    ("middleware", "named"),
    [
        ((Passes, Buffers), "Buffers"),
        ((PureBuffer,), "PureBuffer"),
        ((Buffers, NeedsMore, PureBuffer), "Buffers, PureBuffer"),
    ],
)
async def test_middleware_that_buffers_is_named(app_client, virtual_clock, slow_backend, middleware, named):
    page = await app_client(chat_app(slow_backend, *middleware)).get("/")
    with pytest.raises(CheckFailedError) as caught:
        assert_streams(page)
    assert str(caught.value).splitlines() == [
        "GET / did not stream: its first text left when all 3 deltas had come from upstream, after 60 s.",
        f"Middleware that keeps a response back until its end: {named}. Leave it out, or mend it.",
    ]
    with pytest.raises(CheckFailedError, match="its first text left after 60 s, and 5 s were allowed"):
        assert_streams(page, within=5)


async def test_middleware_around_an_application_is_named(app_client, virtual_clock, slow_backend):
    page = await app_client(PureBuffer(chat_app(slow_backend, Passes))).get("/")
    with pytest.raises(CheckFailedError, match=r"until its end: PureBuffer\."):
        assert_streams(page)


async def test_an_endpoint_that_buffers_is_named(app_client, virtual_clock, slow_backend):
    page = await app_client(chat_app(slow_backend, Passes, whole=True)).get("/")
    with pytest.raises(CheckFailedError, match=r"keeps a response back\. Either all deltas came at one"):
        assert_streams(page)


@pytest.mark.parametrize(
    ("app", "fault"),
    [(streaming("One.", 1, "Two."), "sent less than two deltas"), (streaming(" "), "no text has left it")],
)
async def test_nothing_can_be_said_without_deltas_and_text(app_client, virtual_clock, app, fault):
    page = await app_client(app).get("/")
    with pytest.raises(CheckFailedError, match=fault):
        assert_streams(page)


def test_assert_streams_takes_a_page():
    with pytest.raises(InvalidArgumentError, match="Invalid page"):
        assert_streams("One.")


# Runs


class NoSwordfish(Requirement):
    async def stream_validate(self, chunk, *, backend, ctx):
        return PartialValidationResult("fail" if "swordfish" in chunk else "pass")


def guarded_app(backend, form, *, early=False):
    @http_only
    async def app(scope, receive, send):
        await send(start(PLAIN))
        run = await stream_with_chunking(
            "Hi", backend, SimpleContext(), chunking="sentence", requirements=[NoSwordfish()]
        )
        async with run:
            async for chunk in run.astream():
                await send(body(form(chunk)))
        if early:
            await send(body(form("The swordfish is here.")))
        await send(body("" if form is str else 'event: stopped\ndata: {"reason": "moderation"}\n\n', more=False))

    return app


FORMS = {
    "plain text": str,
    "events": lambda text: f"data: {text}\n\n",
    "events with a type": lambda text: f"event: token\ndata: {text}\n\n",
    "JSON events": lambda text: f"data: {json.dumps({'type': 'token', 'text': text})}\n\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize(
    "text", ["One. Two. The swordfish is here. More.", "The swordfish is here. More.", "The swordfish is here."]
)
async def test_a_page_shows_only_validated_text(
    app_client, virtual_clock, streaming_mock_backend, runs, form, early, text
):
    page = await app_client(guarded_app(streaming_mock_backend(text), form, early=early)).get("/")
    assert [run.outcome for run in runs] == ["stopped"]
    if early:
        with pytest.raises(CheckFailedError, match=r"swordfish is here.* reached the consumer"):
            assert_no_unvalidated_text(runs[0], page)
        with pytest.raises(CheckFailedError, match="'swordfish' left"):
            assert_never_sent(page, "swordfish")
    else:
        assert_no_unvalidated_text(runs[0], page)
        assert_never_sent(page, "swordfish")


async def test_the_body_of_an_error_is_the_words_of_the_application(
    app_client, virtual_clock, streaming_mock_backend, runs
):
    @http_only
    async def app(scope, receive, send):
        async with stream_with_chunking(
            "Hi", streaming_mock_backend("One."), SimpleContext(), requirements=[NoSwordfish()]
        ) as run:
            await run.acomplete()
        raise ZeroDivisionError

    page = await app_client(app).get("/")
    assert page.status == 500
    assert_no_unvalidated_text(runs[0], page)


async def test_runs_has_all_runs_in_order(runs, streaming_mock_backend):
    backend = streaming_mock_backend("One.", "Two.", "Three.")

    async def answer(prompt):
        async with stream_with_chunking(prompt, backend, SimpleContext(), chunking="sentence") as run:
            await run.acomplete()

    await answer("a")
    await asyncio.create_task(answer("b"))
    await asyncio.to_thread(asyncio.run, answer("c"))
    assert [str(run.action) for run in runs] == ["a", "b", "c"]
    assert [run.full_text for run in runs] == ["One.", "Two.", "Three."]
    for run in runs:
        assert run.accepted
        assert_accepted(run)


async def test_a_run_of_the_fixture_can_be_transcribed(runs, streaming_mock_backend):
    async with stream_with_chunking(
        "Hi", streaming_mock_backend("One."), SimpleContext(), requirements=[NoSwordfish()]
    ) as run:
        transcript = await transcribe(run)
    assert_no_unvalidated_text(runs[0], "One.")
    assert transcript == list(runs[0].history)
