"""What the encoders write, read by the official SDKs; run by hand, as nothing else here needs them.

pip install openai anthropic google-genai ollama, then: pytest tests/wire/sdk_check.py
"""

import json

import pytest

from pytest_streamval.engine.delta import Delta, ToolCallDelta, Usage
from pytest_streamval.wire import ADAPTERS, Answer

anthropic = pytest.importorskip("anthropic")
genai = pytest.importorskip("google.genai")
httpx = pytest.importorskip("httpx")
httpx2 = pytest.importorskip("httpx2")
ollama = pytest.importorskip("ollama")
openai = pytest.importorskip("openai")

TEXT = "Hel\u2028lo \x85\U0001f34e\r\n\n“Bye.”\x0b"
WORDS = [Delta(each) for each in TEXT]
THOUGHTS = [Delta(thinking="Hm, "), Delta(thinking="\u2029well.")]
CALLS = [
    Delta(tool_calls=(ToolCallDelta(0, "a", "weather", '{"city": '),)),
    Delta(tool_calls=(ToolCallDelta(0, arguments='"Ödenburg"}'),)),
    Delta(tool_calls=(ToolCallDelta(1, "b", "time", '{"zone":[1,null]}'),)),
    Delta(tool_calls=(ToolCallDelta(2, "c", "now"),)),
]
WHOLE = (
    ("a", "weather", {"city": "Ödenburg"}),
    ("b", "time", {"zone": [1, None]}),
    ("c", "now", {}),
)
SCRIPTS = {
    "text": WORDS,
    "text and a reason": [*WORDS[:-1], Delta(WORDS[-1].text, finish_reason="length")],
    "thinking": [*THOUGHTS, *WORDS],
    "tool calls": [*THOUGHTS, *WORDS, *CALLS],
    "tool calls between": [*THOUGHTS, *CALLS, *WORDS],
    "counts": [Delta(usage=Usage(11, 0)), *WORDS, Delta(usage=Usage(11, 22), finish_reason="stop")],
    "nothing": [],
}
MESSAGES = [{"role": "user", "content": "Go."}]
LENGTH = {
    "openai": "length",
    "openai-responses": "max_output_tokens",
    "anthropic": "max_tokens",
    "gemini": "MAX_TOKENS",
    "ollama": "length",
}
STOP = {"openai": "stop", "openai-responses": "completed", "anthropic": "end_turn", "gemini": "STOP", "ollama": "stop"}
CALL = {
    "openai": "tool_calls",
    "openai-responses": "completed",
    "anthropic": "tool_use",
    "gemini": "STOP",
    "ollama": "stop",
}


def expected(protocol, deltas):
    """What a client has to get: text, thinking, calls, counts and the reason."""
    reasons = [delta.finish_reason for delta in deltas if delta.finish_reason]
    calls = WHOLE if deltas[-1:] == CALLS[-1:] or CALLS[0] in deltas else ()
    reason = {"length": LENGTH, "stop": STOP}[reasons[-1]] if reasons else CALL if calls else STOP
    usages = [delta.usage for delta in deltas if delta.usage]
    counts = (usages[-1].input_tokens, usages[-1].output_tokens) if usages else None
    text, thinking = "".join(delta.text for delta in deltas), "".join(delta.thinking for delta in deltas)
    return text, thinking, calls, counts, reason[protocol]


class Server:
    """What stands in the place of a provider: it answers by the adapter alone, as the request asks it to."""

    def __init__(self, protocol, deltas):
        self.adapter = ADAPTERS[protocol]
        self.deltas = deltas

    def __call__(self, request):
        path = request.url.raw_path.decode()
        asked = self.adapter.asked(path, json.loads(request.content))
        assert asked.model == "m"
        library = httpx2 if isinstance(request, httpx2.Request) else httpx
        if not asked.stream:
            body = self.adapter.encode_response(Answer.of(self.deltas), asked)
            return library.Response(200, headers={"content-type": "application/json"}, content=body)
        return library.Response(200, headers={"content-type": self.adapter.media_type}, content=self.body(asked))

    def body(self, asked):
        """The stream, cut into reads of three bytes, which cut characters too."""
        encoder = self.adapter.encoder(asked)
        body = b"".join([*map(encoder.encode, self.deltas), self.end(encoder)])
        return (body[at : at + 3] for at in range(0, len(body), 3))

    def end(self, encoder):
        return encoder.finish()


class Failing(Server):
    def end(self, encoder):
        return encoder.fail("overloaded_error", "Too busy.")


def served_by(server):
    return httpx2.Client(transport=httpx2.MockTransport(server))


def ask_openai(server, stream):
    client = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=served_by(server))
    if not stream:
        return read_openai(client.chat.completions.create(model="m", messages=MESSAGES))
    options = {"stream_options": {"include_usage": True}}
    with client.chat.completions.stream(model="m", messages=MESSAGES, **options) as events:
        chunks = [event.chunk for event in events if event.type == "chunk"]
        final = events.current_completion_snapshot  # get_final_completion() raises where the reason is "length"
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert deltas[0].role == "assistant"
    thinking = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    text, _, *rest = read_openai(final)
    assert "".join(delta.content or "" for delta in deltas) == text
    return text, thinking, *rest


def read_openai(completion):
    choice = completion.choices[0]
    calls = tuple(
        (call.id, call.function.name, json.loads(call.function.arguments or "{}"))
        for call in choice.message.tool_calls or []
    )
    usage = completion.usage
    counts = usage and (usage.prompt_tokens, usage.completion_tokens)
    thinking = getattr(choice.message, "reasoning_content", None) or ""
    return choice.message.content or "", thinking, calls, counts, choice.finish_reason


def ask_responses(server, stream):
    client = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=served_by(server))
    if not stream:
        return read_responses(client.responses.create(model="m", input="Go."))
    with client.responses.stream(model="m", input="Go.") as events:
        seen = list(events)
    assert [event.sequence_number for event in seen] == list(range(len(seen)))
    text = "".join(event.delta for event in seen if event.type == "response.output_text.delta")
    found = read_responses(seen[-1].response)
    assert found[0] == text
    return found


def read_responses(response):
    thinking = "".join(part.text for item in response.output if item.type == "reasoning" for part in item.summary)
    calls = tuple(
        (item.call_id, item.name, json.loads(item.arguments or "{}"))
        for item in response.output
        if item.type == "function_call"
    )
    usage = response.usage
    counts = usage and (usage.input_tokens, usage.output_tokens)
    details = response.incomplete_details
    return response.output_text, thinking, calls, counts, details.reason if details else response.status


def ask_anthropic(server, stream):
    client = anthropic.Anthropic(api_key="none", base_url="http://localhost", http_client=served_by(server))
    if not stream:
        return read_anthropic(client.messages.create(model="m", max_tokens=9, messages=MESSAGES))
    with client.messages.stream(model="m", max_tokens=9, messages=MESSAGES) as events:
        kinds = [event.type for event in events]
        final = events.get_final_message()
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    return read_anthropic(final)


def read_anthropic(message):
    text = "".join(block.text for block in message.content if block.type == "text")
    thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
    calls = tuple((block.id, block.name, block.input) for block in message.content if block.type == "tool_use")
    counts = (message.usage.input_tokens, message.usage.output_tokens)
    return text, thinking, calls, counts if any(counts) else None, message.stop_reason


def ask_gemini(server, stream):
    http = httpx.Client(transport=httpx.MockTransport(server))
    options = genai.types.HttpOptions(base_url="http://localhost", httpx_client=http)
    client = genai.Client(api_key="none", http_options=options)
    ask = client.models.generate_content_stream if stream else client.models.generate_content
    answer = ask(model="m", contents="Go.")
    return read_gemini(list(answer) if stream else [answer])


def read_gemini(chunks):
    candidates = [candidate for chunk in chunks for candidate in chunk.candidates or []]
    parts = [part for candidate in candidates if candidate.content for part in candidate.content.parts]
    text = "".join(part.text or "" for part in parts if not part.thought)
    thinking = "".join(part.text or "" for part in parts if part.thought)
    calls = tuple((call.id, call.name, call.args) for call in (part.function_call for part in parts) if call)
    usages = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
    counts = (usages[-1].prompt_token_count, usages[-1].candidates_token_count) if usages else None
    reasons = [candidate.finish_reason.value for candidate in candidates if candidate.finish_reason]
    return text, thinking, calls, counts, reasons[-1]


def ask_ollama(server, stream):
    client = ollama.Client(host="http://localhost", transport=httpx.MockTransport(server))
    answer = client.chat(model="m", messages=MESSAGES, stream=stream)
    return read_ollama(list(answer) if stream else [answer])


def read_ollama(lines):
    assert {line.message.role for line in lines} == {"assistant"}
    text = "".join(line.message.content or "" for line in lines)
    thinking = "".join(line.message.thinking or "" for line in lines)
    calls = [call.function for line in lines for call in line.message.tool_calls or []]
    # The SDK leaves out the ids.
    calls = tuple((ident, call.name, dict(call.arguments)) for ident, call in zip("abc", calls, strict=False))
    counts = (lines[-1].prompt_eval_count, lines[-1].eval_count)
    assert lines[-1].done
    assert lines[-1].eval_duration > 0
    return text, thinking, calls, counts if any(counts) else None, lines[-1].done_reason


ASK = {
    "openai": ask_openai,
    "openai-responses": ask_responses,
    "anthropic": ask_anthropic,
    "gemini": ask_gemini,
    "ollama": ask_ollama,
}
protocols = pytest.mark.parametrize("protocol", ASK)


@protocols
@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("deltas", SCRIPTS.values(), ids=SCRIPTS)
def test_an_sdk_reads_what_was_encoded(protocol, stream, deltas):
    assert ASK[protocol](Server(protocol, deltas), stream) == expected(protocol, deltas)


ERRORS = {
    "openai": openai.APIError,
    "openai-responses": openai.APIError,
    "anthropic": anthropic.APIStatusError,
    "gemini": genai.errors.APIError,
    "ollama": ollama.ResponseError,
}


@protocols
@pytest.mark.parametrize("deltas", [[], WORDS], ids=["first", "in the middle"])
def test_an_sdk_raises_the_error_of_a_stream(protocol, deltas):
    with pytest.raises(ERRORS[protocol], match="Too busy"):
        ASK[protocol](Failing(protocol, deltas), True)


def test_a_generated_response_is_read_by_ollama():
    server = Server("ollama", [*THOUGHTS, *WORDS])
    client = ollama.Client(host="http://localhost", transport=httpx.MockTransport(server))
    lines = list(client.generate(model="m", prompt="Go.", stream=True))
    assert "".join(line.response for line in lines) == TEXT
    assert "".join(line.thinking or "" for line in lines) == "Hm, \u2029well."
    whole = client.generate(model="m", prompt="Go.")
    assert (whole.response, whole.done_reason) == (TEXT, "stop")


def test_openai_sends_no_counts_that_were_not_asked_for():
    server = Server("openai", SCRIPTS["counts"])
    client = openai.OpenAI(api_key="none", base_url="http://localhost/v1", http_client=served_by(server))
    chunks = list(client.chat.completions.create(model="m", messages=MESSAGES, stream=True))
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
