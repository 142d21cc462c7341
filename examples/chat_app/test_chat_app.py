"""The chat back end, from the provider's first byte to the browser's last, without a second of real time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from chat_app import Store, create_app

from pytest_streamval import (
    Delay,
    Delta,
    LiveBackend,
    Script,
    Stall,
    ToolCallDelta,
    assert_never_sent,
    assert_no_unvalidated_text,
    assert_stopped,
    assert_streams,
    faults,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval import AppClient, ProviderServer, VirtualClock
    from pytest_streamval.typing import AppClientFactory, EventSnapshot, ProviderServerFactory, RunView

    Chat = Callable[[ProviderServer], AppClient]

HI = {"conversation": "c", "message": "Hi"}


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def chat(app_client: AppClientFactory, store: Store, virtual_clock: VirtualClock) -> Chat:  # noqa: ARG001
    """Return a function that returns a client of the back end, which uses a provider, on the virtual clock."""

    def client_of(server: ProviderServer) -> AppClient:
        backend = LiveBackend("openai:gpt-4.1", base_url=server.openai_url, retries=0)
        return app_client(create_app(backend, store, confidential=["swordfish"]))

    return client_of


async def test_a_sentence_reaches_the_browser_while_the_model_writes(
    chat: Chat, provider_server: ProviderServerFactory
) -> None:
    server = provider_server(Script.of("Hello there. ", Delay(30), "How are you? ", Delay(30), "Fine"))
    page = await chat(server).post("/chat", json=HI)
    assert_streams(page, within=0)
    assert [(event.event, event.json()) for event in page.events] == [
        ("sentence", {"text": "Hello there."}),
        ("sentence", {"text": "How are you?"}),
        ("sentence", {"text": "Fine"}),
        ("end", {"outcome": "done"}),
    ]
    assert {read.at for read in page.reads} == {0, 30, 60}


async def test_a_confidential_word_never_leaves(
    chat: Chat, provider_server: ProviderServerFactory, runs: list[RunView], store: Store
) -> None:
    script = Script.of("Hello. ", "The password is sword", Delay(5), "fish. ", *["And so on. "] * 50, Stall())
    server = provider_server(script)
    page = await chat(server).post("/chat", json=HI)
    assert_never_sent(page, "swordfish", "password")
    assert runs[0].outcome == "stopped"
    assert_no_unvalidated_text(runs[0], page)
    assert_stopped(server)
    await server.client_left(within=1)
    assert page.events[-1].json() == {"outcome": "stopped"}
    assert store.messages["c"][-1].content == "Hello."


async def test_a_page_is_kept_in_a_file(
    chat: Chat, provider_server: ProviderServerFactory, event_snapshot: EventSnapshot
) -> None:
    page = await chat(provider_server("One. Two. The last one has no end")).post("/chat", json=HI)
    assert page == event_snapshot


async def test_a_provider_that_breaks_off_is_reported(chat: Chat, provider_server: ProviderServerFactory) -> None:
    server = provider_server(faults.truncate(after_deltas=1).on(Script.of("One. Two. Three. ", "Four.")))
    page = await chat(server).post("/chat", json=HI)
    assert [event.event for event in page.events][-2:] == ["error", "end"]
    assert page.events[-1].json() == {"outcome": "failed"}


async def test_a_browser_that_leaves_stops_the_model(
    chat: Chat, provider_server: ProviderServerFactory, store: Store
) -> None:
    server = provider_server(Script.of("One. ", Delay(60), "Two. ", Stall()))
    async with chat(server).stream("POST", "/chat", json=HI) as page:
        await page.until("One.")
        assert page.reads[0].at == 0
        await page.leave()
        await server.client_left(within=1)
    assert_stopped(server)
    assert (store.messages["c"][-1].content, store.outcomes["c"]) == ("One.", "left")


async def test_a_slow_browser_delays_no_other(chat: Chat, provider_server: ProviderServerFactory) -> None:
    server = provider_server(*["One. Two. Three."] * 2)
    client = chat(server)
    async with client.stream("POST", "/chat", json=HI, read_every=60) as slow:
        await slow.read()
        fast = await client.post("/chat", json={"conversation": "d", "message": "Hi"})
        assert fast.reads[-1].at < 1
        await slow.rest()
    assert slow.reads[-1].at == 3 * 60


async def test_a_tool_is_called_and_its_result_is_sent_to_the_model(
    chat: Chat, provider_server: ProviderServerFactory
) -> None:
    call = Delta(tool_calls=(ToolCallDelta(index=0, id="call_1", name="weather", arguments='{"city": "Ulm"}'),))
    server = provider_server(Script.of(call, finish_reason="tool_calls"), "It is 12 degrees.")
    page = await chat(server).post("/chat", json=HI)
    assert [event.event for event in page.events] == ["tool", "sentence", "end"]
    assert server.requests[1].prompt == "weather returned 12 degrees in Ulm"


async def test_a_conversation_goes_on(chat: Chat, provider_server: ProviderServerFactory) -> None:
    server = provider_server("One.", "Two.")
    client = chat(server)
    await client.post("/chat", json=HI)
    await client.post("/chat", json={"conversation": "c", "message": "And?"})
    body = server.requests[1].body
    assert isinstance(body, dict)
    assert [message["content"] for message in body["messages"]] == ["Hi", "One.", "And?"]
    history = (await client.get("/conversations/c")).json()
    assert [message["content"] for message in history] == ["Hi", "One.", "And?", "Two."]
