"""Every address by which clients reach a provider is served, and any other one fails the test and names the nearest."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval import CheckFailedError, ProviderServer, Script, read_stream
from pytest_streamval.server.paths import PATHS, PREFIXES, nearest_paths, provider_path
from tests.server.clients import CLOSE, chunks_of, exchange, get, parse, request

if TYPE_CHECKING:
    from pathlib import Path

VERTEX = "/v1/projects/p/locations/global/publishers"
STREAMED = {
    "/chat/completions": "openai",
    "/openai/v1/chat/completions": "openai",
    "/api/v1/chat/completions": "openai",
    "/openai/chat/completions": "openai",
    "/inference/v1/chat/completions": "openai",
    "/v1beta/openai/chat/completions": "openai",
    "/openai/deployments/my-gpt/chat/completions?api-version=2026-01-01": "openai",
    "/v1/projects/p/locations/l/endpoints/openapi/chat/completions": "openai",
    "/responses": "openai-responses",
    "/openai/v1/responses?api-version=preview": "openai-responses",
    "/openai/responses?api-version=2026-01-01": "openai-responses",
    "/api/v1/responses": "openai-responses",
    "/messages": "anthropic",
    "/anthropic/v1/messages": "anthropic",
    "/api/v1/messages": "anthropic",
    f"{VERTEX}/anthropic/models/claude:streamRawPredict": "anthropic",
    "/models/m:streamGenerateContent?alt=sse": "gemini",
    "/v1/models/m:streamGenerateContent?alt=sse": "gemini",
    "/v1alpha/models/m:streamGenerateContent?alt=sse": "gemini",
    f"{VERTEX}/google/models/m:streamGenerateContent?alt=sse": "gemini",
    "/v1beta1/projects/p/locations/l/publishers/google/models/m:streamGenerateContent?alt=sse": "gemini",
    "/v1beta1/publishers/google/models/m:streamGenerateContent?alt=sse": "gemini",
}


@pytest.mark.parametrize("path", STREAMED)
def test_a_client_is_served_at_the_path_of_its_provider(path: str) -> None:
    with ProviderServer(Script.of("Hel", "lo.")) as server:
        found = exchange(server, request({"stream": True}, path, CLOSE))
        assert list(server.unmet()) == []
        assert server.requests[0].protocol == STREAMED[path]
        assert server.requests[0].path.partition("?")[0] == path.partition("?")[0]
    reading = read_stream(STREAMED[path], b"".join(chunks_of(found)))
    assert (reading.text, reading.error) == ("Hello.", None)


NAMED = {
    "/openai/deployments/my%20gpt/chat/completions?api-version=1": "my gpt",
    "/openai/deployments/my-gpt/completions?api-version=1": "my-gpt",
    f"{VERTEX}/anthropic/models/claude-4@20260101:rawPredict": "claude-4@20260101",
    f"{VERTEX}/google/models/gemini-3:generateContent": "gemini-3",
}


@pytest.mark.parametrize("path", NAMED)
def test_a_path_can_name_the_model(path: str) -> None:
    with ProviderServer("Hello.", "Hello.") as server:
        status, body = parse(exchange(server, request({"messages": []}, path, CLOSE)))
        assert status == 200
        assert server.requests[0].model == body.get("model", body.get("modelVersion")) == NAMED[path]


def test_the_model_of_a_request_goes_before_the_deployment() -> None:
    with ProviderServer("Hello.") as server:
        path = "/openai/deployments/d/chat/completions?api-version=1"
        exchange(server, request({"model": "m", "messages": []}, path, CLOSE))
        assert server.requests[0].model == "m"


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_leads_to_the_paths_of_openai_and_anthropic(prefix: str) -> None:
    for path in ("chat/completions", "completions", "embeddings", "moderations", "models", "models/m", "responses"):
        assert provider_path(f"{prefix}/{path}?a=b").path == f"/v1/{path}?a=b"
    for path in ("messages", "messages/count_tokens", "responses/resp_1", "responses/input_tokens"):
        assert provider_path(f"{prefix}/{path}").path == f"/v1/{path}"


UNSERVED = {
    "POST /v1/v1/chat/completions": "POST /v1/chat/completions",
    "POST /v1/chat/completion": "POST /v1/chat/completions",
    "POST /v1/chat/completions/": "POST /v1/chat/completions",
    "POST /v1/v1/messages": "POST /v1/messages",
    "POST /v1/message": "POST /v1/messages",
    "POST /v1beta/models/gemini-3:streamGenerate": "POST /v1beta/models/MODEL:streamGenerateContent?alt=sse",
    "POST /v1beta/v1beta/models/gemini-3:generateContent": "POST /v1beta/models/MODEL:generateContent",
    "POST /v1/embedding": "POST /v1/embeddings",
    "POST /api/chats": "POST /api/chat",
    "GET /api/tag": "GET /api/tags",
}


@pytest.mark.parametrize("line", UNSERVED)
def test_a_path_that_is_not_served_fails_the_test_and_names_the_nearest(line: str) -> None:
    method, _, path = line.partition(" ")
    with ProviderServer("Hello.") as server:
        status, body = parse(exchange(server, request({}, path, CLOSE, method=method)))
        first, *others = server.unmet()
    assert status == 404
    assert isinstance(first, CheckFailedError)
    assert first.kind == "unserved path"
    for text in (json.dumps(body), str(first)):
        assert f"There is nothing at {line}." in text
        assert f"{UNSERVED[line]}." in text
    assert [each.kind for each in others if isinstance(each, CheckFailedError)] == ["unplayed script"]
    assert "streamval_allow_unplayed" in str(first)


def test_a_path_that_is_like_none_gets_the_list_of_all() -> None:
    found = nearest_paths("/completely/different/1234567890")
    assert all(path in found for path in PATHS)
    assert len(nearest_paths("/" + "x/" * 40_000)) < 2_000


def test_a_path_that_is_not_served_fails_a_replay_too(tmp_path: Path) -> None:
    with ProviderServer(cassettes=tmp_path) as server:
        parse(exchange(server, request({}, "/v1/chat/completion", CLOSE)))
        (error,) = server.unmet()
    assert "POST /v1/chat/completions" in str(error)


def test_a_key_in_a_path_that_is_not_served_is_in_no_message() -> None:
    with ProviderServer() as server:
        get(server, "/v1beta/nothing?key=AIzaSyA-secret-secret-secret-secret-1234")
        (error,) = server.unmet()
    assert "secret-secret" not in f"{error}{server.requests[0]!r}{server.requests[0].refusal}"


ALLOWED: dict[str, tuple[str, str, int]] = {
    "an icon, which browsers request by themselves": ("GET", "/favicon.ico", 404),
    "a wrong method": ("PUT", "/v1/chat/completions", 405),
    "an unknown completion": ("GET", "/v1/chat/completions/chatcmpl-9", 404),
    "an invalid body": ("POST", "/v1/embeddings", 400),
    "an unknown response": ("GET", "/v1/responses/resp_9", 404),
    "an identifier of any form": ("DELETE", "/v1/responses/nothing", 404),
}


@pytest.mark.parametrize("case", ALLOWED.values(), ids=ALLOWED)
def test_other_errors_do_not_fail_the_test(case: tuple[str, str, int]) -> None:
    method, path, status = case
    with ProviderServer() as server:
        assert parse(exchange(server, request({}, path, CLOSE, method=method)))[0] == status
        assert list(server.unmet()) == []


def test_azure_requires_its_version() -> None:
    with ProviderServer("Hello.") as server:
        status, body = parse(exchange(server, request({}, "/openai/deployments/d/chat/completions", CLOSE)))
        assert status == 404
        assert "api-version" in body["error"]["message"]
        assert "api-version" in str(next(server.unmet()))


def test_a_stream_of_gemini_without_sse_is_an_array() -> None:
    for path in ("/v1beta/models/m:streamGenerateContent", "/models/m:streamGenerateContent?alt=json"):
        with ProviderServer(Script.of("Hello.", "Bye.")) as server:
            body = json.loads(b"".join(chunks_of(exchange(server, request({"contents": []}, path, CLOSE)))))
            contents = [each["candidates"][0].get("content", {"parts": []}) for each in body]
            assert [part["text"] for content in contents for part in content["parts"]] == ["Hello.", "Bye."]
            assert body[-1]["candidates"][0]["finishReason"] == "STOP"
            assert (server.requests[0].protocol, server.requests[0].stream) == ("gemini", True)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("POST /v1/files", "files"),
        ("POST /v1/messages/batches", "batches"),
        ("POST /v1/audio/speech", "audio"),
        ("GET /v1/realtime?model=m", "realtime"),
        ("POST /v1/vector_stores", "vector stores"),
        ("GET /v1/assistants/asst_1", "assistants"),
        ("POST /upload/v1beta/files", "files"),
        ("POST /v1beta/cachedContents", "cachedContents"),
        ("DELETE /api/delete", "delete"),
    ],
)
def test_another_api_of_a_provider_fails_the_test_and_is_named(line: str, name: str) -> None:
    method, _, path = line.partition(" ")
    with ProviderServer("Hello.") as server:
        status, body = parse(exchange(server, request({}, path, CLOSE, method=method)))
        error = next(iter(server.unmet()))
    assert status == 404
    for text in (json.dumps(body), str(error)):
        assert f"This server plays outputs of models, and has no API for {name}." in text
        assert "nearest" not in text


def test_a_path_that_begins_like_another_api_names_the_nearest() -> None:
    assert nearest_paths("/api/deleted") == nearest_paths("/api/dele")
    assert "This server plays" not in nearest_paths("/v1/filesystem")


ERRORS = {
    "/api/v1/nothing": "openai",
    "/api/nothing": "ollama",
    "/anthropic/v1/messages": "anthropic",
    "/v1/messages/nothing": "anthropic",
    "/v1beta/models/m:nothing": "gemini",
    f"{VERTEX}/google/models/m:nothing": "gemini",
}


@pytest.mark.parametrize("path", ERRORS)
def test_an_error_about_a_path_has_the_form_of_its_provider(path: str) -> None:
    with ProviderServer() as server:
        body: Any = parse(exchange(server, request({}, path, CLOSE)))[1]
    form = "ollama" if isinstance(body["error"], str) else "gemini" if "status" in body["error"] else ""
    form = form or ("anthropic" if body.get("type") == "error" else "openai")
    assert form == ERRORS[path]
