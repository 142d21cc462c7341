"""`LiveBackend` in five protocols over real sockets."""

from __future__ import annotations

import asyncio
import pickle

import pytest

from pytest_streamval import (
    ChatContext,
    Delta,
    FrameTooLongError,
    Instruction,
    InvalidArgumentError,
    MalformedFrameError,
    Message,
    ModelOption,
    PartialValidationResult,
    ProviderStreamError,
    Requirement,
    SimpleContext,
    StreamTruncatedError,
    ToolCall,
    ToolCallDelta,
    Usage,
    stream_with_chunking,
)
from pytest_streamval.errors import MissingKeyError, ProviderUnreachableError
from pytest_streamval.http.client import HttpTransport
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.providers import PROVIDERS
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest
from tests.loopback import answering, chunk, head, openai_frames, silent

PROTOCOLS = ("anthropic", "gemini", "ollama", "openai", "openai-responses")
STREAM = {ModelOption.STREAM: True}
KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "gemini": "GEMINI_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openai-responses": "OPENAI_API_KEY",
}
STOP = {"anthropic": "end_turn", "gemini": "STOP", "ollama": "stop", "openai": "stop", "openai-responses": "completed"}
CALL = Delta(tool_calls=(ToolCallDelta(0, "call_1", "look", '{"at": 1}'),))


def streamed(name: str, *deltas: Delta | str):
    """Return a response in the protocol of a provider with a write for each delta."""
    encoder = PROVIDERS[name].adapter.encoder(ParsedRequest(model="m"))
    frames = [encoder.begin(), *(encoder.encode(delta) for delta in deltas), encoder.finish()]
    return answering(head(kind=PROVIDERS[name].adapter.media_type), *map(chunk, filter(None, frames)), chunk(b""))


def backend(name: str, served) -> LiveBackend:
    return LiveBackend(f"{name}:m", base_url=served.url)


async def asked(name: str, served, **options):
    thunk, ctx = await backend(name, served).generate_from_context("Hi", SimpleContext(), **options)
    assert ctx.last_output() is thunk
    return thunk


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_live_stream_has_text_thinking_tool_calls_usage_and_finish_reason(provider, name) -> None:
    answer = streamed(
        name, Delta(thinking="Hm."), "Hel", "lo.", CALL, Delta(usage=Usage(3, 5), finish_reason=STOP[name])
    )
    async with provider(answer) as served:
        thunk = await asked(name, served, model_options=STREAM)
        assert "".join([text async for text in thunk]) == "Hello."
    assert thunk.thinking == "Hm."
    assert [(call.name, call.arguments.replace(" ", "")) for call in thunk.tool_calls] == [("look", '{"at":1}')]
    assert thunk.generation.usage == Usage(3, 5)
    assert thunk.generation.streaming
    assert (thunk.generation.provider, thunk.generation.model) == (name, "m")


@pytest.mark.parametrize("name", PROTOCOLS)
async def test_a_live_response_without_streaming_has_the_same_content(provider, name) -> None:
    whole = Answer("Hello.", "Hm.", (ToolCall("call_1", "look", '{"at":1}'),), Usage(3, 5), STOP[name])
    body = PROVIDERS[name].adapter.encode_response(whole, ParsedRequest(model="m", stream=False))
    async with provider(answering(head(kind="application/json"), chunk(body), chunk(b""))) as served:
        thunk = await asked(name, served)
        assert await thunk.avalue() == "Hello."
    assert thunk.thinking == "Hm."
    assert [(call.name, call.arguments) for call in thunk.tool_calls] == [("look", '{"at":1}')]
    assert thunk.generation.usage == Usage(3, 5)
    assert not thunk.generation.streaming


@pytest.mark.parametrize("name", KEYS)
async def test_the_key_of_a_live_backend_is_only_in_its_header(provider, name, monkeypatch) -> None:
    monkeypatch.setenv(KEYS[name], "planted-key-123")
    refusal = answering(
        head("400 Bad", kind="application/json"), chunk(b'{"error": "bad planted-key-123"}'), chunk(b"")
    )
    async with provider(refusal) as served:
        asking = backend(name, served)
        thunk, _ = await asking.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
        with pytest.raises(Exception, match="400") as caught:
            await thunk.avalue()
    assert any("planted-key-123" in value for value in served.requests[0].headers.values())
    for shown in (
        str(caught.value),
        repr(caught.value),
        repr(asking),
        repr(vars(asking)),
        repr(pickle.dumps(caught.value)),
    ):
        assert "planted-key-123" not in shown


async def test_a_live_backend_sends_the_conversation_as_messages(provider) -> None:
    async with provider(streamed("openai", "Hello.")) as served:
        ctx = ChatContext().add(Message("system", "Be brief."))
        first, ctx = await backend("openai", served).generate_from_context("Hi", ctx, model_options=STREAM)
        await first.avalue()
        action = Instruction("Go on", ("short",))
        await (await backend("openai", served).generate_from_context(action, ctx))[0].cancel_generation()
        await served.close()
    messages = served.requests[0].body["messages"]
    assert messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]


async def test_a_live_backend_sends_an_output_as_a_message_of_the_assistant(provider) -> None:
    async with provider(streamed("openai", "Hello.")) as served:
        first, ctx = await backend("openai", served).generate_from_context("Hi", ChatContext(), model_options=STREAM)
        await first.avalue()
        again, _ = await backend("openai", served).generate_from_context(
            Instruction("Go on"), ctx, model_options={**STREAM, ModelOption.MAX_NEW_TOKENS: 5}
        )
        await again.avalue()
    body = served.requests[1].body
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][1]["content"] == "Hello."
    assert body["max_tokens"] == 5


async def test_a_live_backend_sends_a_refusal_as_a_message_of_the_assistant(provider) -> None:
    async with provider(streamed("openai", Delta(refusal="I cannot."))) as served:
        first, ctx = await backend("openai", served).generate_from_context("Hi", ChatContext(), model_options=STREAM)
        await first.avalue()
        again, _ = await backend("openai", served).generate_from_context("Why?", ctx, model_options=STREAM)
        await again.avalue()
    assert first.refusal == "I cannot."
    assert served.requests[1].body["messages"][1] == {"role": "assistant", "content": "I cannot."}


async def test_a_failed_check_closes_the_connection_of_a_live_backend(provider) -> None:
    class Never(Requirement):
        async def stream_validate(self, chunk, *, backend, ctx):
            return PartialValidationResult("fail")

    frames = [chunk(frame) for frame in openai_frames("One. ", "Two. ")[:2]]
    async with provider(silent(head(), *frames)) as served:
        result = await stream_with_chunking("Hi", backend("openai", served), SimpleContext(), requirements=[Never()])
        await result.acomplete()
        await served.disconnected.wait()
    assert not result.completed
    assert result.full_text == ""


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("cleanly", [True, False], ids=["a clean end", "a broken connection"])
async def test_a_live_stream_without_its_end_is_truncated_and_keeps_its_text(provider, name, cleanly) -> None:
    encoder = PROVIDERS[name].adapter.encoder(ParsedRequest(model="m"))
    writes = [chunk(frame) for frame in (encoder.begin(), encoder.encode("One. "), encoder.encode("Two")) if frame]
    async with provider(answering(head(), *writes, *([chunk(b"")] if cleanly else []))) as served:
        result = await stream_with_chunking("Hi", backend(name, served), SimpleContext())
        with pytest.raises(StreamTruncatedError) as caught:
            await result.acomplete()
    assert caught.value.text == "One. Two"
    assert result.full_text == "One."
    assert isinstance(caught.value.__cause__, ProviderUnreachableError) is not cleanly


async def test_a_connection_may_break_after_the_end_of_a_live_stream(provider) -> None:
    async with provider(answering(head(), *map(chunk, openai_frames("One.")))) as served:
        assert await (await asked("openai", served, model_options=STREAM)).avalue() == "One."


async def test_the_deltas_before_a_malformed_frame_are_read_first(provider) -> None:
    frames = b"".join([openai_frames("One. ")[0], b"data: {]\n\n"])
    async with provider(answering(head(), chunk(frames), chunk(b""))) as served:
        thunk = await asked("openai", served, model_options=STREAM)
        assert await thunk.astream() == "One. "
        with pytest.raises(MalformedFrameError):
            await thunk.astream()


async def test_an_error_in_a_live_stream_is_that_of_the_provider(provider) -> None:
    frames = [openai_frames("One. ")[0], b'data: {"error": {"type": "overloaded", "message": "too much"}}\n\n']
    async with provider(answering(head(), *map(chunk, frames), chunk(b""))) as served:
        with pytest.raises(ProviderStreamError, match="overloaded: too much"):
            await (await asked("openai", served, model_options=STREAM)).avalue()


async def test_a_failed_connection_is_an_error_of_the_reader(monkeypatch) -> None:
    asking = LiveBackend("openai:m", base_url="http://127.0.0.1:1", retries=0)
    thunk, _ = await asking.generate_from_context("Hi", SimpleContext(), model_options=STREAM)
    with pytest.raises(ProviderUnreachableError, match="openai is not available"):
        await thunk.avalue()


async def test_a_missing_key_is_an_error_at_once(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(MissingKeyError):
        await LiveBackend("openai:m").generate_from_context("Hi", SimpleContext())


class Schema:
    """A class like those of pydantic."""

    @staticmethod
    def model_json_schema():
        return {"type": "object"}


@pytest.mark.parametrize("form", [{"type": "object"}, Schema])
async def test_a_live_backend_sends_a_format_as_a_schema(provider, form) -> None:
    async with provider(streamed("openai", "{}")) as served:
        await (await asked("openai", served, format=form, model_options=STREAM)).avalue()
    assert served.requests[0].body["response_format"]["json_schema"]["schema"] == {"type": "object"}


@pytest.mark.parametrize("name", ["openai", "ollama"])
async def test_a_live_backend_ends_a_stream_whose_frame_has_no_end(provider, name) -> None:
    async def endless(writer) -> None:
        writer.write(head(kind=PROVIDERS[name].adapter.media_type) + chunk(b"data: "))
        while True:
            writer.write(chunk(b"x" * 1_000))
            await writer.drain()

    async with provider(endless) as served:
        limited = LiveBackend(f"{name}:m", base_url=served.url, max_frame=50_000)
        for options, text in ((STREAM, "frame at byte 0"), ({}, "longer than 50,000 bytes")):
            thunk, _ = await limited.generate_from_context("Hi", SimpleContext(), model_options=options)
            with pytest.raises(FrameTooLongError, match=text):
                await thunk.avalue()
    with pytest.raises(InvalidArgumentError, match="Invalid max_frame: 0"):
        LiveBackend("ollama:m", max_frame=0)


async def test_a_live_backend_rejects_an_invalid_format() -> None:
    with pytest.raises(InvalidArgumentError, match="Invalid format: 3"):
        await LiveBackend("ollama:m").generate_from_context("Hi", SimpleContext(), format=3)


async def test_concurrent_requests_of_a_live_backend_do_not_affect_each_other(provider) -> None:
    async with provider(streamed("openai", *"One. Two.")) as served:
        thunks = [await asked("openai", served, model_options=STREAM) for _ in range(20)]
        assert set(await asyncio.gather(*(thunk.avalue() for thunk in thunks))) == {"One. Two."}


def test_the_identity_of_a_live_backend_depends_on_everything_that_changes_its_responses(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    usual = LiveBackend("openai:gpt-4.1").identity
    assert usual == LiveBackend("openai:gpt-4.1").identity
    others = [
        LiveBackend("openai:gpt-4.1-mini"),
        LiveBackend("groq:gpt-4.1"),
        LiveBackend("openai:gpt-4.1", base_url="http://127.0.0.1:1"),
        LiveBackend("openai:gpt-4.1", model_options={ModelOption.TEMPERATURE: 0}),
    ]
    assert len({usual, *(other.identity for other in others)}) == 5
    secret = LiveBackend("openai:gpt-4.1", base_url="http://user:planted-key@127.0.0.1:1")
    assert "planted-key" not in secret.identity


def test_a_live_backend_with_a_transport_of_its_own_has_no_identity() -> None:
    assert LiveBackend("openai:gpt-4.1", transport=HttpTransport()).identity is None


# A key without encryption


@pytest.mark.parametrize(
    ("address", "is_refused"),
    [
        ("http://gpu.example/v1", True),
        ("http://192.0.2.7:8000", True),
        ("https://gpu.example/v1", False),
        ("http://localhost:9", False),
        ("http://127.0.0.53:9", False),
        ("http://[::1]:9", False),
        ("http://models.localhost:9", False),
    ],
)
def test_a_key_goes_to_another_machine_only_encrypted(monkeypatch, address, is_refused) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-1")
    backend = LiveBackend("openai:m", base_url=address)
    if is_refused:
        with pytest.raises(InvalidArgumentError, match="It must be on this machine or begin with https") as caught:
            backend._authorized(backend._adapter.build_request("Hi", model="m"))
        assert "planted-key" not in str(caught.value)
    else:
        backend._authorized(backend._adapter.build_request("Hi", model="m"))


def test_a_key_may_go_unencrypted_if_that_is_allowed(monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "planted-key-1")
    allowed = LiveBackend("openai:m", base_url="http://gpu.example", allow_http=True)
    request, _ = allowed._authorized(allowed._adapter.build_request("Hi", model="m"))
    assert request.headers["authorization"] == "Bearer planted-key-1"
    monkeypatch.setenv("STREAMVAL_ALLOW_HTTP", "1")
    other = LiveBackend("openai:m", base_url="http://gpu.example")
    assert other._authorized(other._adapter.build_request("Hi", model="m"))


def test_a_request_without_a_key_may_go_unencrypted_and_a_password_may_not(monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    plain = LiveBackend("openai:m", base_url="http://gpu.example")
    assert plain._authorized(plain._adapter.build_request("Hi", model="m"))
    secret = LiveBackend("openai:m", base_url="http://me:planted-2@gpu.example")
    with pytest.raises(InvalidArgumentError, match="redacted") as caught:
        secret._authorized(secret._adapter.build_request("Hi", model="m"))
    assert "planted-2" not in f"{caught.value} {secret!r}"


@pytest.mark.parametrize(
    "address", ["http://me:planted-3@host:port", "http://me:pl/anted-3@host", "ftp://me:planted-3@h", "//["]
)
def test_an_invalid_address_is_shown_without_its_password(address) -> None:
    with pytest.raises(InvalidArgumentError, match="It must be an address") as caught:
        LiveBackend("openai:m", base_url=address)
    assert "anted-3" not in f"{caught.value} {caught.value.args}"
