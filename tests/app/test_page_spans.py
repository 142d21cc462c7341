"""Pages and WebSockets in the telemetry of a test, by the semantic conventions for HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import sys

import pytest
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from opentelemetry import propagate, trace
from opentelemetry.semconv.attributes import http_attributes, server_attributes, url_attributes
from opentelemetry.semconv.attributes.error_attributes import ERROR_TYPE
from opentelemetry.semconv.metrics.http_metrics import HTTP_CLIENT_REQUEST_DURATION
from opentelemetry.trace import SpanKind, StatusCode
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from pytest_streamval import (
    AppClient,
    Delay,
    Script,
    SimpleContext,
    Stall,
    StreamingASGITransport,
    StreamingMockBackend,
    stream_with_chunking,
)
from pytest_streamval.engine.telemetry import client_spans
from pytest_streamval.errors import BrokenResponseError, WebSocketRejectedError
from tests.app.apps import body, http_only, start, streaming

httpx2 = pytest.importorskip("httpx2")


def answering(backend, *, middleware=(), tracer=None):
    """Return an application that streams the sentences of a run."""

    async def chat(request):
        async def answer():
            with tracer.start_as_current_span("answer") if tracer else contextlib.nullcontext():
                async with stream_with_chunking("Hi", backend, SimpleContext(), chunking="sentence") as run:
                    async for sentence in run.astream():
                        yield f"data: {sentence}\n\n"

        return StreamingResponse(answer(), media_type="text/event-stream")

    return Starlette(routes=[Route("/chat/{name}", chat, methods=["POST"])], middleware=[*middleware])


def parent_of(span):
    return None if span.parent is None else span.parent.span_id


async def test_a_page_is_a_span_by_the_conventions(app_client, captured, virtual_clock):
    page = await app_client(streaming(3, "One. ", 600, "Two.")).get("/chat?key=swordfish")
    span = captured.span("GET /chat")
    assert span.kind is SpanKind.CLIENT
    assert span.parent is None
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes) == {
        http_attributes.HTTP_REQUEST_METHOD: "GET",
        url_attributes.URL_FULL: "http://testserver/chat",
        url_attributes.URL_PATH: "/chat",
        url_attributes.URL_SCHEME: "http",
        server_attributes.SERVER_ADDRESS: "testserver",
        server_attributes.SERVER_PORT: 80,
        "network.protocol.version": "1.1",
        http_attributes.HTTP_RESPONSE_STATUS_CODE: 200,
        "http.response.body.size": len(page.content),
        "streamval.outcome": "done",
        "streamval.page.reads": len(page.reads),
        "streamval.page.time_to_first_read": 3.0,
        "streamval.page.upstream_deltas": 0,
    }
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(603)
    assert span.start_time == int(page.began * 1e9)
    assert captured.open_spans == ()


async def test_the_duration_of_a_page_is_a_measurement_by_the_conventions(app_client, captured, virtual_clock):
    client = app_client(streaming(2, "One. ", 5, "Two."))
    await asyncio.gather(*(client.get("/a"), client.get("http://h:8000/b")))
    [second, first] = sorted(
        captured.metrics[HTTP_CLIENT_REQUEST_DURATION], key=lambda each: each.attributes["server.address"]
    )
    assert [first.total, second.total] == pytest.approx([7, 7])
    assert first.attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "network.protocol.version": "1.1",
        "server.address": "testserver",
        "server.port": 80,
        "url.scheme": "http",
    }
    assert [second.attributes[name] for name in ("server.address", "server.port")] == ["h", 8000]
    assert captured.total("streamval.page.time_to_first_read") == 4


async def test_the_runs_of_an_application_are_below_its_page(app_client, captured, virtual_clock):
    backend = StreamingMockBackend(Script.of("One. ", Delay(60), "Two."))
    with trace.get_tracer("a test").start_as_current_span("test") as outer:
        await app_client(answering(backend)).post("/chat/me")
    page = captured.span("POST /chat/{name}")
    assert parent_of(page) == outer.get_span_context().span_id
    assert parent_of(captured.span()) == page.context.span_id
    assert parent_of(captured.span("chat")) == captured.span().context.span_id
    assert page.attributes["streamval.page.upstream_deltas"] == 2
    assert page.attributes["url.template"] == "/chat/{name}"
    assert page.attributes["url.path"] == "/chat/me"


async def test_the_spans_of_pages_at_the_same_time_have_their_own_runs(app_client, captured, virtual_clock):
    tracer = trace.get_tracer("an application")
    scripts = [Script.of("One. ", Delay(9), "Two.")] * 2
    apps = [answering(StreamingMockBackend(*scripts), tracer=tracer) for _ in range(2)]
    clients = [app_client(app) for app in apps]
    await asyncio.gather(*(client.post(f"/chat/{name}") for client in clients for name in "ab"))
    by_id = {span.context.span_id: span for span in captured.spans}
    runs = [span for span in captured.spans if span.name == "stream_with_chunking"]
    answers = [by_id[parent_of(run)] for run in runs]
    pages = [by_id[parent_of(answer)] for answer in answers]
    assert {span.name for span in answers} == {"answer"}
    assert {span.name for span in pages} == {"POST /chat/{name}"}
    assert len({span.context.trace_id for span in pages}) == 4


@pytest.mark.parametrize("has_instrumentation", [False, True])
async def test_the_server_span_of_an_application_is_below_its_page(
    app_client, captured, virtual_clock, monkeypatch, has_instrumentation
):
    if has_instrumentation:
        monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asgi", object())
    app = answering(StreamingMockBackend("One. Two."), middleware=[Middleware(OpenTelemetryMiddleware)])
    with trace.get_tracer("a test").start_as_current_span("test"):
        await app_client(app).post("/chat/me")
    page, server = (captured.span("POST /chat/{name}", kind=kind) for kind in (SpanKind.CLIENT, SpanKind.SERVER))
    assert parent_of(server) == page.context.span_id
    assert parent_of(captured.span()) == server.context.span_id


def instrumented(app):
    """Return an application with a span as OpenTelemetry's instrumentations of servers make it."""

    @http_only
    async def with_span(scope, receive, send):
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        is_alone = trace.get_current_span() is trace.INVALID_SPAN
        context = propagate.extract(headers) if is_alone else None
        kind = SpanKind.SERVER if is_alone else SpanKind.INTERNAL
        with trace.get_tracer("asgi").start_as_current_span("served", context, kind):
            await app(scope, receive, send)

    return with_span


@pytest.mark.parametrize("module", ["asgi", "django"])
async def test_an_instrumented_application_makes_its_span_as_in_production(app_client, captured, monkeypatch, module):
    monkeypatch.setitem(sys.modules, f"opentelemetry.instrumentation.{module}", object())
    with trace.get_tracer("a test").start_as_current_span("test"):
        await app_client(instrumented(streaming("One."))).get("/")
    assert captured.span("served").kind is SpanKind.SERVER
    assert parent_of(captured.span("served")) == captured.span("GET /").context.span_id


async def test_the_runs_of_an_application_without_instrumentation_are_below_its_page_in_an_instrumented_program(
    app_client, captured, monkeypatch
):
    monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.asgi", object())
    await app_client(answering(StreamingMockBackend("One. Two."))).post("/chat/me")
    assert parent_of(captured.span()) == captured.span("POST /chat/{name}").context.span_id
    assert parent_of(captured.span("chat")) == captured.span().context.span_id


async def test_a_page_belongs_to_the_trace_that_its_request_sends(app_client, captured):
    seen = []

    @http_only
    async def app(scope, receive, send):
        seen.append([value.decode() for name, value in scope["headers"] if name == b"traceparent"])
        await send(start())
        await send(body("", more=False))

    sent = f"00-{'a' * 32}-{'b' * 16}-01"
    await app_client(app).get("/", headers={"TraceParent": sent})
    span = captured.span("GET /")
    assert (span.context.trace_id, parent_of(span)) == (int("a" * 32, 16), int("b" * 16, 16))
    await app_client(app).get("/own")
    own = captured.span("GET /own").context
    assert seen == [[sent], [f"00-{own.trace_id:032x}-{own.span_id:016x}-{own.trace_flags:02x}"]]


@http_only
async def failing(scope, receive, send):
    if scope["path"] == "/late":
        await send(start())
        await send(body("One."))
    if scope["path"] == "/short":
        await send(start())
        return
    raise LookupError("the prompt is swordfish")


@pytest.mark.parametrize(
    ("path", "status", "failure"),
    [("/early", 500, "LookupError"), ("/late", 200, "LookupError"), ("/short", 200, "incomplete_response")],
)
async def test_the_span_of_a_page_has_the_class_of_its_error_and_no_message(
    app_client, captured, path, status, failure
):
    with contextlib.suppress(BrokenResponseError):
        await app_client(failing).get(path)
    span = captured.span(f"GET {path}")
    assert span.attributes["streamval.outcome"] == "failed"
    assert span.attributes[ERROR_TYPE] == failure
    assert span.attributes["http.response.status_code"] == status
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, failure)
    assert "swordfish" not in span.to_json()
    assert captured.total(HTTP_CLIENT_REQUEST_DURATION, {ERROR_TYPE: failure}) > 0


async def test_the_span_of_a_page_with_an_error_status_has_the_status_as_its_error(app_client, captured):
    app = Starlette(routes=[Mount("/api", routes=[Route("/x/{n}", lambda _: PlainTextResponse("No.", 404))])])
    await app_client(app).get("/api/x/5")
    span = captured.span("GET /api/x/{n}")
    assert (span.attributes["streamval.outcome"], span.attributes[ERROR_TYPE]) == ("done", "404")
    assert span.status.status_code is StatusCode.ERROR


@pytest.mark.streamval_allow_leaks
async def test_the_span_of_a_page_that_is_left_ends_when_its_client_leaves(app_client, captured, virtual_clock):
    async with app_client(streaming("One. ", 600, "Two.")).stream("GET", "/") as page:
        await page.until("One.")
        await asyncio.sleep(7)
        assert [span.name for span in captured.open_spans] == ["GET /"]
        await page.leave()
        assert captured.open_spans == ()
        await asyncio.sleep(7)
    span = captured.span("GET /")
    assert span.attributes["streamval.outcome"] == "left"
    assert span.status.status_code is StatusCode.UNSET
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(7)


@pytest.mark.streamval_allow_leaks
async def test_the_span_of_a_page_before_its_head_has_no_status(app_client, captured, virtual_clock):
    @http_only
    async def silent(scope, receive, send):
        await asyncio.sleep(3600)

    client = app_client(silent)
    async with client.stream("GET", "/"):
        await asyncio.sleep(2)
    span = captured.span("GET /")
    assert span.attributes["streamval.outcome"] == "left"
    assert not {"http.response.status_code", "streamval.page.time_to_first_read"} & {*span.attributes}


async def test_the_span_of_a_page_that_is_complete_and_not_read_ends_with_its_context(app_client, captured):
    @http_only
    async def app(scope, receive, send):
        await send(start())
        await send(body("One.", more=False))

    async with app_client(app).stream("GET", "/", read_every=math.inf) as page:
        await page.task
    span = captured.span("GET /")
    assert (span.attributes["streamval.outcome"], span.attributes["streamval.page.reads"]) == ("left", 0)


@pytest.mark.streamval_allow_leaks
async def test_the_span_of_a_page_whose_test_is_cancelled_ends(app_client, captured, virtual_clock):
    client = app_client(streaming("One. ", 600, "Two."))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(5):
            await client.get("/")
    assert captured.span("GET /").attributes["streamval.outcome"] == "left"


async def test_the_span_of_a_websocket_is_that_of_its_handshake(app_client, captured, virtual_clock):
    async def app(scope, receive, send):
        if scope["type"] != "websocket":
            raise NotImplementedError
        await receive()
        if scope["path"] == "/no":
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": "One."})
        if scope["path"] == "/ends":
            await send({"type": "websocket.close"})
        else:
            await receive()

    client = app_client(app)
    async with client.websocket("/ends?token=swordfish") as socket:
        assert (await socket.receive(), socket.status) == ("One.", 101)
    async with client.websocket("/stays") as socket:
        await socket.receive()
    with pytest.raises(WebSocketRejectedError):
        async with client.websocket("/no"):
            pass
    found = {span.name: span.attributes for span in captured.spans}
    names = ("http.response.status_code", "streamval.outcome", "streamval.page.reads", ERROR_TYPE)
    assert {name: [attributes.get(each) for each in names] for name, attributes in found.items()} == {
        "GET /ends": [101, "done", 1, None],
        "GET /stays": [101, "left", 1, None],
        "GET /no": [403, "done", 0, "403"],
    }
    assert {attributes["url.scheme"] for attributes in found.values()} == {"ws"}
    assert {attributes["network.protocol.name"] for attributes in found.values()} == {"websocket"}
    assert captured.open_spans == ()


@pytest.mark.parametrize(
    ("method", "target", "headers", "name", "full"),
    [
        ("BREW", "/", {}, "HTTP /", "http://testserver/"),
        ("GET", "https://me:swordfish@h/x", {}, "GET /x", "https://h/x"),
        ("GET", "/", {"Host": "me:swordfish@h:81"}, "GET /", "http://h:81/"),
        ("GET", "/", {"Host": "[::1]"}, "GET /", "http://[::1]/"),
        ("GET", "/", {"Host": "[bad"}, "GET /", "http://[bad/"),
        ("GET", "/", {"Host": ""}, "GET /", "http:///"),
        ("GET", "/", {"Host": "h:99999999999999"}, "GET /", "http://h:99999999999999/"),
        ("GET", "/a%20b/", {}, "GET /a%20b/", "http://testserver/a%20b/"),
        ("GET", "/of/swordfish", {"X-Api-Key": "swordfish"}, "GET /of/[redacted]", "http://testserver/of/[redacted]"),
    ],
)
async def test_the_address_in_a_span_has_no_secrets(app_client, captured, method, target, headers, name, full):
    await app_client(streaming("One.")).request(method, target, headers=headers)
    span = captured.span(name)
    assert span.attributes["url.full"] == full
    assert "swordfish" not in span.to_json()


async def test_the_only_open_page_is_the_parent_of_a_response_of_a_provider(
    app_client, provider_server, captured, virtual_clock
):
    server = provider_server(*[Script.of("One. ", Delay(5), "Two.")] * 3)

    @http_only
    async def app(scope, receive, send):
        data = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        async with httpx2.AsyncClient(timeout=60) as client:
            await client.post(f"{server.openai_url}/chat/completions", json=data)
        await send(start())
        await send(body("One.", more=False))

    client = app_client(app)
    await client.get("/")
    assert parent_of(captured.span("POST /v1/chat/completions")) == captured.span("GET /").context.span_id
    captured.clear()
    await asyncio.gather(client.get("/a"), client.get("/b"))
    assert {span.name for span in captured.spans} == {"GET /a", "GET /b"}


async def test_a_response_of_httpx2_is_a_span(captured, virtual_clock):
    transport = StreamingASGITransport(streaming("One. ", 4, "Two."))
    async with httpx2.AsyncClient(transport=transport, base_url="http://app") as client:
        async with client.stream("GET", "/chat") as response:
            assert [text async for text in response.aiter_text()] == ["One. ", "Two."]
        with pytest.raises(httpx2.ReadTimeout):
            await client.get("/slow", timeout=2)
    assert captured.span("GET /chat").attributes["streamval.outcome"] == "done"
    assert captured.span("GET /slow").attributes["streamval.outcome"] == "left"


async def test_a_program_without_a_provider_makes_no_span_of_a_page(app_client, monkeypatch):
    monkeypatch.setattr(client_spans, "current_exporters", lambda: None)
    page = await app_client(streaming("One.")).get("/")
    assert page.span is None


async def test_a_program_without_opentelemetry_makes_no_span_of_a_page(app_client, monkeypatch):
    monkeypatch.delitem(sys.modules, "opentelemetry")
    page = await app_client(streaming("One.")).get("/")
    assert page.span is None


async def test_a_failure_of_the_telemetry_of_a_page_leaves_the_page(app_client, captured, monkeypatch, caplog):
    def fail(*_):
        raise LookupError("the SDK")

    monkeypatch.setattr(client_spans.ClientSpan, "_measure", fail)
    page = await app_client(streaming("One.")).get("/")
    assert page.text == "One."
    assert "The telemetry of GET / failed" in caplog.text


def test_the_span_of_a_page_whose_loop_has_ended_ends_with_the_test(captured):
    async def leave_open():
        context = AppClient(streaming("One. ", math.inf)).stream("GET", "/", read_every=math.inf)
        kept.append(context)
        await context.__aenter__()

    kept = []
    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_open())
    [task] = asyncio.all_tasks(loop)
    task.cancel()
    assert [span.name for span in captured.open_spans] == ["GET /"]
    client_spans.end_open_spans()
    assert captured.span("GET /").attributes["streamval.outcome"] in {"open", "failed"}
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    assert len(captured.spans) == 1


async def test_a_request_to_fastapi_has_the_path_of_its_route(app_client, captured):
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    page = await app_client(app).get("/items/5")
    assert json.loads(page.text) == {"number": 5}
    span = captured.span("GET /items/{number}", kind=SpanKind.CLIENT)
    assert span.attributes["url.path"] == "/items/5"
    assert parent_of(captured.span("GET /items/{number}", kind=SpanKind.SERVER)) == span.context.span_id


async def test_a_background_task_after_a_page_is_in_its_trace(app_client, captured, virtual_clock):
    backend = StreamingMockBackend(Script.of("One."))

    @http_only
    async def app(scope, receive, send):
        await send(start())
        await send(body("One.", more=False))
        async with stream_with_chunking("Hi", backend, SimpleContext()) as run:
            await run.acomplete()

    await app_client(app).get("/")
    assert captured.span().context.trace_id == captured.span("GET /").context.trace_id


async def test_a_stalled_provider_leaves_no_open_span(app_client, captured, virtual_clock):
    client = app_client(answering(StreamingMockBackend(Script.of("One. ", "Two. ", Stall()))))
    async with client.stream("POST", "/chat/me") as page:
        await page.until("One.")
    assert captured.open_spans == ()
    assert captured.span().attributes["streamval.outcome"] == "cancelled"
