"""The HTTP client, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING

import httpx2
import pytest

from pytest_streamval.errors import ProviderStatusError, ProviderTimeoutError, ProviderUnreachableError
from pytest_streamval.http import client as transport
from pytest_streamval.http import retry_after
from pytest_streamval.http.client import HttpTransport, Timeouts
from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets, key_shapes
from tests.loopback import answering, chunk, head, silent

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETE = answering(head(), chunk(b"one"), chunk(b"two"), chunk(b""))
"""A response in two chunks."""


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "_FIRST_PAUSE", 0.0)


async def read(served, carrier: HttpTransport, body: bytes = b"{}") -> list[bytes]:
    async with carrier.stream(HttpRequest(f"{served.url}/x", body, {"x-a": "b"}), provider="test") as response:
        return [data async for data in response.reads]


async def test_a_transport_yields_the_reads_of_a_response(provider) -> None:
    async with provider(COMPLETE) as served:
        assert await read(served, HttpTransport()) == [b"one", b"two"]
    assert served.requests[0].method == "POST"
    assert served.requests[0].headers["x-a"] == "b"
    assert served.requests[0].headers["accept-encoding"] == "identity"


async def test_a_transport_returns_the_head_of_a_response(provider) -> None:
    async with (
        provider(answering(head("201 Created", "x-request-id: 7"), chunk(b"x"), chunk(b""))) as served,
        HttpTransport().stream(HttpRequest(served.url), provider="test") as response,
    ):
        assert response.status == 201
        assert response.headers["x-request-id"] == "7"
    assert served.requests[0].method == "GET"


async def test_a_transport_joins_repeated_headers(provider) -> None:
    async with (
        provider(answering(head("200 OK", "x-a: 1", "X-A: 2"), chunk(b"x"), chunk(b""))) as served,
        HttpTransport().stream(HttpRequest(served.url), provider="test") as response,
    ):
        assert response.headers["x-a"] == "1, 2"


async def test_an_unreachable_provider_error_has_the_error_of_the_socket() -> None:
    with pytest.raises(ProviderUnreachableError, match=r"ConnectionRefusedError: .*Connect call failed"):
        async with HttpTransport(retries=0).stream(HttpRequest("http://127.0.0.1:1/"), provider="test"):
            pytest.fail("nothing listens at that port")


@pytest.mark.parametrize(
    ("limit", "error"),
    [(0.5, "a connection did not come within 0.5 s"), (None, "is not available at .*ConnectTimeout")],
)
async def test_a_connection_has_a_time_limit_of_its_own(monkeypatch, limit, error) -> None:
    async def send(*args: object, **options: object) -> None:
        raise httpx2.ConnectTimeout("")

    monkeypatch.setattr(httpx2.AsyncClient, "send", send)
    with pytest.raises((ProviderTimeoutError, ProviderUnreachableError), match=error):
        async with HttpTransport(Timeouts(connect=limit), retries=0).stream(HttpRequest("http://x/"), provider="test"):
            pytest.fail("there is no connection")


async def test_an_empty_body_has_no_reads(provider) -> None:
    async with provider(answering(head(), chunk(b""))) as served:
        assert await read(served, HttpTransport()) == []


async def test_a_transport_closes_the_connection_when_its_context_is_left(provider) -> None:
    async with provider(silent(head(), chunk(b"one"))) as served:
        async with HttpTransport().stream(HttpRequest(served.url), provider="test") as response:
            async for data in response.reads:
                assert data == b"one"
                break
        await served.disconnected.wait()


async def test_a_transport_closes_the_connection_when_its_reader_is_cancelled(provider) -> None:
    async with provider(silent(head(), chunk(b"one"))) as served:
        reader = asyncio.create_task(read(served, HttpTransport()), name="reader")
        await served.asked.wait()
        reader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reader
        await served.disconnected.wait()


async def test_a_transport_leaves_no_generator_to_the_event_loop(provider) -> None:
    left: list[object] = []
    async with provider(silent(head(), chunk(b"one"), chunk(b"two"))) as served:
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=left.append)
        try:
            async with HttpTransport().stream(HttpRequest(served.url), provider="test") as response:
                assert await anext(response.reads) == b"one"
            gc.collect()
        finally:
            sys.set_asyncgen_hooks(*hooks)
    assert left == []


TEMPORARY = [
    "408 Request Timeout",
    "409 Conflict",
    "429 Too Many",
    *(f"{status} Error" for status in (500, 501, 502, 503, 504, 505, 520, 524, 529, 530, 599)),
]


@pytest.mark.parametrize("status", TEMPORARY)
async def test_a_temporary_error_is_followed_by_another_attempt(provider, status) -> None:
    refusal = answering(head(status, "retry-after: 0"), chunk(b"later"), chunk(b""))
    async with provider(refusal, refusal, COMPLETE) as served:
        assert await read(served, HttpTransport()) == [b"one", b"two"]
    assert len(served.requests) == 3


@pytest.mark.parametrize(
    ("status", "advice"),
    [
        ("401 Unauthorized", "Check the key"),
        ("404 Not Found", "model exists"),
        ("418 Pot", "The answer says what is wrong"),
    ],
)
async def test_a_permanent_error_is_raised_at_once(provider, status, advice) -> None:
    refusal = answering(head(status, kind="application/json"), chunk(b'{"error": "no secret-key-1"}'), chunk(b""))
    async with provider(refusal) as served:
        with pytest.raises(ProviderStatusError, match=advice) as caught:
            await read(served, HttpTransport(secrets=Secrets(["secret-key-1"])))
    assert len(served.requests) == 1
    assert caught.value.status == int(status[:3])
    assert caught.value.body == '{"error": "no [redacted]"}'


async def test_the_error_of_the_last_attempt_is_raised(provider) -> None:
    async with provider(answering(head("503 Unavailable"), chunk(b"x" * 70_000), chunk(b""))) as served:
        with pytest.raises(ProviderStatusError) as caught:
            await read(served, HttpTransport(retries=1))
    assert len(served.requests) == 2
    assert len(caught.value.body) == 65_536


NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.fixture(params=["UTC0", "EST5EDT", "IST-5:30"])
def _elsewhere(request, monkeypatch) -> Iterator[None]:
    """Set the clock to `NOW`, in three time zones."""
    monkeypatch.setattr(retry_after, "time", SimpleNamespace(time=NOW.timestamp))
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_elsewhere")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0),
        ({"retry-after": " 120 "}, 120),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": ".5"}, 0.5),
        ({"retry-after": "20, 20"}, 20),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0.5", "retry-after": "7"}, 0.0005),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7),
        ({"retry-after": "Mon, 30 Nov 2026 12:00:30 GMT"}, 30),
        ({"retry-after": "Monday, 30-Nov-26 12:00:30 GMT"}, 30),
        ({"retry-after": "Mon Nov 30 12:00:30 2026"}, 30),
        ({"retry-after": "Mon, 30 Nov 2026 12:00:30 -0000"}, 30),
        ({"retry-after": "Mon, 30 Nov 2026 14:00:30 +0200"}, 30),
        ({"retry-after": "Mon, 30 Nov 2026 11:59:59 GMT"}, 0),
        ({"retry-after": "Sun Nov  6 08:49:37 1994"}, 0),
        *(
            ({"retry-after": value}, None)
            for value in ("", "soon", "-5", "nan", "inf", "1e3", "0x9", "9" * 400, "\u0665")
        ),
        *(({"retry-after-ms": value}, None) for value in ("-5", "nan", "Mon, 30 Nov 2026 12:00:30 GMT GMT")),
        ({"retry-after": "Mon, 30 Nov 99999 12:00:30 GMT"}, None),
        ({"retry-after": "Mon, 31 Nov 2026 12:00:30 GMT"}, None),
        ({}, None),
    ],
    ids=str,
)
def test_seconds_to_wait_takes_every_form(headers, seconds) -> None:
    assert retry_after.seconds_to_wait(headers) == seconds


async def test_an_error_that_asks_for_a_long_wait_is_raised_at_once(provider) -> None:
    async with provider(answering(head("429 Too Many", "retry-after: 7200"), chunk(b""))) as served:
        with pytest.raises(ProviderStatusError, match="Wait, or send fewer") as caught:
            await read(served, HttpTransport())
    assert caught.value.retry_after == 7200
    assert len(served.requests) == 1


async def test_an_unreachable_provider_error_is_raised_after_some_attempts() -> None:
    with pytest.raises(ProviderUnreachableError, match=r"test is not available at http://127\.0\.0\.1:1/"):
        async with HttpTransport().stream(HttpRequest("http://127.0.0.1:1/"), provider="test"):
            pytest.fail("nothing listens at that port")


async def test_a_connection_that_breaks_before_the_first_byte_is_followed_by_another_attempt(provider) -> None:
    async with provider(answering(), COMPLETE) as served:
        assert await read(served, HttpTransport()) == [b"one", b"two"]


async def test_a_connection_that_breaks_after_the_first_byte_is_an_error(provider) -> None:
    async with (
        provider(answering(head(), chunk(b"one")), COMPLETE) as served,
        HttpTransport().stream(HttpRequest(served.url), provider="test") as response,
    ):
        assert await anext(response.reads) == b"one"
        with pytest.raises(ProviderUnreachableError, match="RemoteProtocolError"):
            await anext(response.reads)
    assert len(served.requests) == 1


async def test_the_first_byte_has_a_time_limit_of_its_own(provider) -> None:
    async with provider(silent(head())) as served:
        with pytest.raises(ProviderTimeoutError, match=r"the first byte did not come within 0.01 s"):
            await read(served, HttpTransport(Timeouts(first_byte=0.01), retries=0))


async def test_the_time_between_two_reads_has_a_limit_of_its_own(provider) -> None:
    async with provider(silent(head(), chunk(b"one"))) as served:
        with pytest.raises(ProviderTimeoutError, match=r"more of the answer did not come within 0.01 s"):
            await read(served, HttpTransport(Timeouts(between=0.01)))


async def test_an_outer_timeout_stays_a_timeout_error(provider) -> None:
    async with provider(silent(head())) as served:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.01):
                await read(served, HttpTransport())
    assert not isinstance(caught.value, ProviderTimeoutError)


async def test_a_transport_compiles_the_shapes_of_secrets_while_it_waits_for_the_response(provider) -> None:
    key_shapes._forms.cache_clear()
    async with (
        provider(COMPLETE) as served,
        HttpTransport().stream(HttpRequest(served.url), provider="test"),
    ):
        assert key_shapes._forms.cache_info().currsize == 1
