"""One trace from a generation through the request of its backend to the provider server."""

import http.client
from urllib.parse import urlsplit

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind

from pytest_streamval import LiveBackend, ProviderServer, Script, SimpleContext, faults, stream_with_chunking


@pytest.fixture
def server():
    """A provider that plays one script."""
    with ProviderServer(Script.of("One. ", "Two.")) as server:
        yield server


def served_span(captured):
    [span] = [span for span in captured.spans if span.kind is SpanKind.SERVER]
    return span


async def ask(server):
    backend = LiveBackend("openai:tiny", base_url=server.openai_url, retries=0)
    async with stream_with_chunking("Tell.", backend, SimpleContext()) as run:
        await run.acomplete()
    return run


async def test_a_request_continues_in_the_provider_server_the_trace_of_its_generation(server, captured):
    await ask(server)
    server.close()  # the response has ended then
    generation, span = captured.span("chat tiny"), served_span(captured)
    assert span.name == "POST /v1/chat/completions"
    assert span.context.trace_id == generation.context.trace_id
    assert span.parent.span_id == generation.context.span_id
    assert span.parent.is_remote
    assert dict(span.attributes) == {
        "http.request.method": "POST",
        "url.path": "/v1/chat/completions",
        "http.response.status_code": 200,
    }
    assert generation.attributes["gen_ai.provider.name"] == "openai"


async def test_the_span_of_a_served_response_has_ended_when_its_client_has_read_it(captured):
    with ProviderServer(lambda _: "One.") as server:
        for _ in range(20):
            await ask(server)
            assert captured.open_spans == ()


async def test_an_error_of_a_served_response_is_the_error_of_its_span(captured):
    with (
        ProviderServer(Script.of("One."), fault=faults.reset(after_deltas=0)) as server,
        pytest.raises(ConnectionError),
    ):
        await ask(server)
    assert served_span(captured).attributes["error.type"] == "incomplete_response"


def request_with(server, headers):
    """Send a request as any client would, and read the response."""
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc)
    try:
        connection.request("GET", "/v1/models", headers=headers)
        connection.getresponse().read()
    finally:
        connection.close()


@pytest.mark.parametrize("traceparent", ["", "00-nonsense", f"00-{'0' * 32}-{'0' * 16}-01", f"00-{'a' * 600}"])
def test_a_client_that_sends_no_valid_trace_makes_no_span_in_the_provider_server(server, captured, traceparent):
    request_with(server, {"traceparent": traceparent})
    server.close()
    assert captured.spans == captured.open_spans == ()


def test_any_client_can_send_a_trace_to_the_provider_server(server, captured):
    with trace.get_tracer("a client").start_as_current_span("ask") as span:
        context = span.get_span_context()
        request_with(server, {"TraceParent": f"00-{context.trace_id:032x}-{context.span_id:016x}-01"})
    server.close()
    assert served_span(captured).parent.span_id == context.span_id
    assert captured.open_spans == ()


async def test_a_request_outside_of_a_trace_carries_none(server):
    await ask(server)
    assert "traceparent" not in server.requests[0].headers
