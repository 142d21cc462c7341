"""Models, counts of tokens, embeddings, moderations, older completions and stored responses."""

from __future__ import annotations

import json
import math
import struct
from base64 import b64decode
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_streamval import Delta, InvalidArgumentError, ProviderServer, Raise, Script, ToolCallDelta, read_stream
from pytest_streamval.server.embeddings import made_vector
from tests.server.clients import CHAT, CLOSE, chunks_of, exchange, get, parse, request


def post(server: ProviderServer, path: str, body: object) -> Any:
    """Return the body of a response with the status 200."""
    status, found = parse(exchange(server, request(body, path, CLOSE)))
    assert status == 200, found
    return found


def refused(server: ProviderServer, path: str, body: object) -> str:
    """Return the body of a response with the status 400."""
    status, found = parse(exchange(server, request(body, path, CLOSE)))
    assert status == 400
    return json.dumps(found)


@pytest.fixture
def server() -> Any:
    with ProviderServer(models=["big", "small"]) as server:
        yield server
        assert list(server.unmet()) == []


# Models


@pytest.mark.parametrize("name", ["big", "anything", "llama3:8b", "meta-llama/Llama-3", "ft:gpt:me::1", "a b", "é"])
def test_a_model_of_any_name_is_described(name: str, server: ProviderServer) -> None:
    for path, safe in (("/v1/models/", "/:"), ("/v1/models/", ""), ("/models/", ":"), ("/openai/v1/models/", "")):
        found = parse(get(server, f"{path}{quote(name, safe=safe)}"))[1]
        assert (found["id"], found["object"], found["type"], found["display_name"]) == (name, "model", "model", name)
    assert server.requests[0].model == name
    if not {":", "/"} & set(name):
        found = parse(get(server, f"/v1beta/models/{quote(name)}"))[1]
        assert found["name"] == f"models/{name}"
        assert "embedContent" in found["supportedGenerationMethods"]


def test_the_models_of_a_server_are_listed_in_each_form(server: ProviderServer) -> None:
    for path in ("/v1/models", "/models", "/openai/v1/models?limit=5", "/api/v1/models", "/v1beta/models?pageSize=3"):
        found = parse(get(server, path))[1]
        assert [each["id"] for each in found["data"]] == ["big", "small"]
        assert [each["name"] for each in found["models"]] == ["models/big", "models/small"]
    for path in ("/api/tags", "/api/ps"):
        assert [each["model"] for each in parse(get(server, path))[1]["models"]] == ["big", "small"]
    assert parse(get(server, "/api/version"))[1] == parse(get(server, "/version"))[1] != {}


def test_ollama_pulls_and_shows_any_model(server: ProviderServer) -> None:
    assert "completion" in post(server, "/api/show", {"model": "anything"})["capabilities"]
    answer = exchange(server, request({"model": "anything"}, "/api/pull", CLOSE))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/x-ndjson" in head
    assert [json.loads(line)["status"] for line in body.splitlines()][-1] == "success"
    assert post(server, "/api/pull", {"model": "anything", "stream": False}) == {"status": "success"}


# Counts of tokens

MESSAGES = [{"role": "user", "content": "How many tokens are in this text, please?"}]


def test_tokens_are_counted_from_the_texts_of_a_request(server: ProviderServer) -> None:
    anthropic = {"model": "m", "messages": MESSAGES}
    count = post(server, "/v1/messages/count_tokens", anthropic)["input_tokens"]
    assert count == post(server, "/v1/messages/count_tokens", {**anthropic, "max_tokens": 10**9})["input_tokens"]
    assert count < post(server, "/v1/messages/count_tokens", {**anthropic, "system": "Be brief." * 9})["input_tokens"]
    contents = [{"parts": [{"text": MESSAGES[0]["content"]}]}]
    gemini = post(server, "/v1beta/models/m:countTokens", {"contents": contents})
    assert gemini["totalTokens"] == gemini["promptTokensDetails"][0]["tokenCount"] > 5
    wrapped = {"generateContentRequest": {"model": "models/m", "contents": contents}}
    assert post(server, "/v1beta/models/m:countTokens", wrapped)["totalTokens"] == gemini["totalTokens"]
    vertex = "/v1/projects/p/locations/l/publishers/google/models/m:countTokens"
    assert post(server, vertex, {"contents": contents}) == gemini
    assert post(server, "/v1/responses/input_tokens", {"model": "m", "input": MESSAGES})["input_tokens"] > 5


# Embeddings


@given(st.text(max_size=50), st.integers(1, 64))
def test_a_made_vector_depends_on_the_text_alone_and_has_the_length_one(text: str, dimensions: int) -> None:
    vector = made_vector(text, dimensions)
    assert vector == made_vector(text, dimensions)
    assert len(vector) == dimensions
    assert math.sqrt(sum(number * number for number in vector)) == pytest.approx(1, abs=1e-5)
    assert all(struct.unpack("<f", struct.pack("<f", number)) == (number,) for number in vector)


def nearness(first: str, second: str) -> float:
    """Return the cosine of the vectors of two texts."""
    return sum(one * two for one, two in zip(made_vector(first, 768), made_vector(second, 768), strict=True))


def test_the_vectors_of_texts_that_share_words_are_nearer() -> None:
    question = "What is the capital of France?"
    assert nearness(question, "Paris is the capital of France.") > 0.5
    assert nearness(question, "A cat sleeps here all day.") < 0.2
    assert made_vector("a b", 768) != made_vector("b a", 768)
    assert made_vector("hello", 8) == [pytest.approx(each) for each in HELLO]


HELLO = made_vector("hello", 8)


def test_openai_and_voyage_get_embeddings(server: ProviderServer) -> None:
    found = post(server, "/v1/embeddings", {"model": "e", "input": "Hello."})
    assert (found["object"], found["model"]) == ("list", "e")
    assert found["data"] == [{"object": "embedding", "index": 0, "embedding": made_vector("Hello.", 1536)}]
    assert found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 0
    assert server.requests[0].model == "e"
    several = post(server, "/api/v1/embeddings", {"model": "e", "input": ["Hello.", "Bye."], "dimensions": 4})
    assert [(each["index"], each["embedding"]) for each in several["data"]] == [
        (0, made_vector("Hello.", 4)),
        (1, made_vector("Bye.", 4)),
    ]
    voyage = post(server, "/v1/embeddings", {"model": "voyage-3", "input": ["Hello."], "output_dimension": 4})
    assert voyage["data"] == several["data"][:1]
    azure = "/openai/deployments/e/embeddings?api-version=1"
    assert post(server, azure, {"input": "Hello.", "dimensions": 4})["data"] == several["data"][:1]


def test_an_embedding_in_base64_is_the_same_in_numbers_of_32_bits(server: ProviderServer) -> None:
    found = post(server, "/v1/embeddings", {"model": "e", "input": "Hello.", "encoding_format": "base64"})
    data = b64decode(found["data"][0]["embedding"], validate=True)
    assert list(struct.unpack(f"<{len(data) // 4}f", data)) == made_vector("Hello.", 1536)


def test_tokens_are_embedded_as_their_numbers(server: ProviderServer) -> None:
    (one,) = post(server, "/v1/embeddings", {"model": "e", "input": [15, 2339]})["data"]
    (same,) = post(server, "/v1/embeddings", {"model": "e", "input": [[15, 2339]]})["data"]
    assert one["embedding"] == same["embedding"] == made_vector("15 2339", 1536)


def test_gemini_gets_embeddings(server: ProviderServer) -> None:
    content = {"parts": [{"text": "Hel"}, {"text": "lo."}]}
    path = "/v1beta/models/e"
    assert post(server, f"{path}:embedContent", {"content": content}) == {
        "embedding": {"values": made_vector("Hello.", 3072)}
    }
    requests = [{"model": "models/e", "content": content, "outputDimensionality": 5}] * 2
    assert post(server, f"{path}:batchEmbedContents", {"requests": requests}) == {
        "embeddings": [{"values": made_vector("Hello.", 5)}] * 2
    }
    vertex = "/v1/projects/p/locations/l/publishers/google/models/e:predict"
    found = post(server, vertex, {"instances": [{"content": "Hello."}], "parameters": {"outputDimensionality": 5}})
    assert found["predictions"][0]["embeddings"]["values"] == made_vector("Hello.", 5)
    assert post(server, vertex, {"instances": [{"content": "Hello."}]})["predictions"]


def test_ollama_gets_embeddings(server: ProviderServer) -> None:
    found = post(server, "/api/embed", {"model": "e", "input": ["Hello.", "Bye."]})
    assert (found["model"], found["embeddings"][0]) == ("e", made_vector("Hello.", 768))
    assert len(found["embeddings"]) == 2
    assert post(server, "/api/embed", {"model": "e", "input": "Hello.", "dimensions": 3})["embeddings"] == [
        made_vector("Hello.", 3)
    ]
    assert post(server, "/api/embeddings", {"model": "e", "prompt": "Hello."}) == {
        "embedding": made_vector("Hello.", 768)
    }


INVALID = [
    ("/v1/embeddings", {}),
    ("/v1/embeddings", {"input": []}),
    ("/v1/embeddings", {"input": ["a", 5]}),
    ("/v1/embeddings", {"input": [[1, "a"]]}),
    ("/v1/embeddings", {"input": ["a"] * 2049}),
    ("/v1/embeddings", {"input": "a", "dimensions": 0}),
    ("/v1/embeddings", {"input": "a", "dimensions": True}),
    ("/v1/embeddings", {"input": "a", "dimensions": 10**9}),
    ("/v1beta/models/e:embedContent", {}),
    ("/v1beta/models/e:embedContent", {"content": {"parts": "Hello."}}),
    ("/v1beta/models/e:batchEmbedContents", {"requests": [5]}),
    ("/v1beta/models/e:predict", {"instances": [{"content": ["a", "b"]}]}),
    ("/api/embed", {"input": None}),
    ("/api/embeddings", {"prompt": ["a", "b"]}),
    ("/v1/moderations", {}),
    ("/v1/moderations", {"input": []}),
]


@pytest.mark.parametrize(("path", "body"), INVALID, ids=str)
def test_an_invalid_input_is_refused(path: str, body: object, server: ProviderServer) -> None:
    assert "It must be" in refused(server, path, body)
    assert "Invalid" in server.requests[0].refusal


def test_embeddings_can_be_given_as_a_dict_or_a_function() -> None:
    with ProviderServer(embeddings={"Hello.": [1, 0.5]}) as server:
        found = post(server, "/v1/embeddings", {"model": "e", "input": ["Hello.", "Bye."], "dimensions": 3})
        assert [each["embedding"] for each in found["data"]] == [[1.0, 0.5], made_vector("Bye.", 3)]
    with ProviderServer(embeddings=lambda text: [float(len(text))]) as server:
        assert post(server, "/api/embed", {"model": "e", "input": "Hello."})["embeddings"] == [[6.0]]


@pytest.mark.parametrize("vector", [[], "abc", [float("nan")], ["1"], 5], ids=repr)
def test_an_invalid_vector_fails_the_test(vector: Any) -> None:
    with ProviderServer(embeddings=lambda _: vector) as server:
        status, _ = parse(exchange(server, request({"model": "e", "input": "Hello."}, "/v1/embeddings", CLOSE)))
        assert status == 500
        assert "It must be a list of finite numbers" in str(next(server.unmet()))
        assert server.requests[0].path == "/v1/embeddings"


def test_a_function_for_embeddings_that_raises_fails_the_test() -> None:
    def fail(_: str) -> list[float]:
        raise LookupError("no vector")

    with ProviderServer(embeddings=fail) as server:
        assert parse(exchange(server, request({"input": "Hello."}, "/v1/embeddings", CLOSE)))[0] == 500
        assert "LookupError: no vector" in str(next(server.unmet()))


def test_embeddings_that_are_neither_a_dict_nor_a_function_raise() -> None:
    given: Any = [0.1]
    with pytest.raises(
        InvalidArgumentError, match=r"embeddings: \[0\.1\]\. It must be a function of a text, or a dict"
    ):
        ProviderServer(embeddings=given)


# Moderations


@pytest.mark.parametrize(("given", "count"), [("a", 1), (["a", "b"], 2), ([{"type": "text", "text": "a"}], 1)])
def test_moderations_flag_nothing(given: object, count: int, server: ProviderServer) -> None:
    found = post(server, "/v1/moderations", {"input": given})
    assert len(found["results"]) == count
    assert not any(found["results"][0]["categories"].values())
    assert found["results"][0]["flagged"] is False


# Older completions


def completion(script: Script, **body: object) -> tuple[bytes, list[Any]]:
    """Return the response to a request for a completion, and the errors of the server."""
    with ProviderServer(script) as server:
        found = exchange(server, request({"model": "m", "prompt": "Hi", **body}, "/v1/completions", CLOSE))
        assert server.requests[0].prompt == "Hi"
        assert server.requests[0].protocol == "openai"
        return found, list(server.unmet())


def test_a_completion_is_streamed_as_text() -> None:
    found, unmet = completion(Script.of("Hel", "lo."), stream=True, stream_options={"include_usage": True})
    frames = [json.loads(line[6:]) for line in b"".join(chunks_of(found)).decode().splitlines() if "{" in line]
    assert {(frame["object"], frame["id"], frame["model"]) for frame in frames} == {("text_completion", "cmpl-1", "m")}
    choices = [choice for frame in frames for choice in frame["choices"]]
    assert [(choice["text"], choice["finish_reason"]) for choice in choices] == [
        ("Hel", None),
        ("lo.", None),
        ("", "stop"),
    ]
    assert frames[-1]["usage"]["completion_tokens"] > 0
    assert found.count(b"data: [DONE]") == 1
    assert unmet == []
    reading = read_stream("openai", b"".join(chunks_of(found)))
    assert (reading.text, reading.finish_reason, reading.error) == ("Hello.", "stop", None)


def test_a_completion_can_be_whole() -> None:
    found, unmet = completion(Script.of("Hel", "lo.", finish_reason="length"))
    body = parse(found)[1]
    assert body["choices"] == [{"text": "Hello.", "index": 0, "logprobs": None, "finish_reason": "length"}]
    assert (body["object"], body["id"]) == ("text_completion", "cmpl-1")
    assert body["usage"]["total_tokens"] > 0
    assert unmet == []


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "delta",
    [Delta(tool_calls=(ToolCallDelta(0, "call_1", "f", "{}"),)), Delta(thinking="Hm."), Delta(refusal="No.")],
    ids=["a call", "thinking", "a refusal"],
)
def test_a_completion_that_is_more_than_text_fails_the_test(delta: Delta, stream: bool) -> None:
    _, unmet = completion(Script.of(delta), stream=stream)
    assert "/v1/completions has no" in str(unmet[0])


def test_a_strict_server_accepts_an_older_completion() -> None:
    with ProviderServer("Hello.", strict=True) as server:
        assert post(server, "/v1/completions", {"model": "m", "prompt": "Hi"})["choices"][0]["text"] == "Hello."
        assert server.requests[0].warnings == ()


def test_a_completion_of_several_prompts_is_refused() -> None:
    with ProviderServer("Hello.", "Hello.") as server:
        path = "/v1/completions"
        assert "2 prompts" in refused(server, path, {"prompt": ["a", "b"]})
        assert post(server, path, {"prompt": ["a"]})["choices"][0]["text"] == "Hello."
        assert post(server, path, {"prompt": [1, 2, 3]})["choices"][0]["text"] == "Hello."


# Stored responses


@pytest.mark.parametrize("stream", [True, False])
def test_a_response_can_be_retrieved_and_deleted(stream: bool) -> None:
    with ProviderServer(Script.of(Delta(thinking="Hm."), "Hel", "lo.")) as server:
        body = {"model": "m", "stream": stream, "input": "Hi"}
        found = exchange(server, request(body, "/v1/responses", CLOSE))
        sent = b"".join(chunks_of(found)) if stream else found
        assert b"resp_1" in sent
        retrieved = parse(get(server, "/v1/responses/resp_1?include=x"))[1]
        assert (retrieved["id"], retrieved["status"]) == ("resp_1", "completed")
        assert retrieved["output"][-1]["content"][0]["text"] == "Hello."
        if not stream:
            assert retrieved == parse(found)[1]
        assert parse(get(server, "/openai/v1/responses/resp_1"))[1] == retrieved
        streamed = b"".join(chunks_of(get(server, "/v1/responses/resp_1?stream=true")))
        assert read_stream("openai-responses", streamed).text == "Hello."
        assert [each.deltas_sent for each in server.requests] == [3, 0, 0, 0]
        deleted = exchange(server, request("", "/v1/responses/resp_1", CLOSE, method="DELETE"))
        assert parse(deleted)[1] == {"id": "resp_1", "object": "response", "deleted": True}
        status, error = parse(get(server, "/v1/responses/resp_1"))
        assert (status, error["error"]["message"]) == (404, "Response with id 'resp_1' not found.")
        assert list(server.unmet()) == []


def test_only_responses_that_the_provider_stores_can_be_retrieved() -> None:
    with ProviderServer("Hello.", "Hello.", Script.of(Raise(ValueError("no")))) as server:
        post(server, "/v1/responses", {"model": "m", "input": "Hi", "store": False})
        post(server, CHAT, {"model": "m", "messages": []})
        exchange(server, request({"model": "m", "input": "Hi"}, "/v1/responses", CLOSE))
        for number in (1, 2):
            assert parse(get(server, f"/v1/responses/resp_{number}"))[0] == 404
        wrong = exchange(server, request({}, "/v1/responses/resp_1", CLOSE))
        assert parse(wrong)[0] == 405


def test_only_the_last_responses_are_kept() -> None:
    with ProviderServer(lambda _: "Hello.") as server:
        for _ in range(101):
            post(server, "/v1/responses", {"model": "m", "input": "Hi"})
        assert [parse(get(server, f"/v1/responses/resp_{number}"))[0] for number in (1, 2, 101)] == [404, 200, 200]
