"""Turns with tool calls: the next request has the thoughts, their signatures and the results of the calls."""

import pytest

from pytest_streamval import (
    ChatContext,
    Delta,
    LiveBackend,
    Message,
    ModelOption,
    ProviderServer,
    Script,
    Session,
    ToolCall,
    ToolCallDelta,
)
from pytest_streamval.wire import ADAPTERS
from pytest_streamval.wire.tool_turns import calling_turn, result_turn

THOUGHTS = (Delta(thinking="Hm, "), Delta(thinking="well."), Delta(signature="c2ln"))
CALLS = Delta(tool_calls=(ToolCallDelta(0, "a", "look", '{"at":1}'), ToolCallDelta(1, "b", "wait", "{}")))
SCRIPT = Script.of(*THOUGHTS, "I look.", CALLS)
ARGUMENTS = [{"at": 1}, {}]
STREAM = {ModelOption.STREAM: True}
INCLUDE = {"include": ["reasoning.encrypted_content"]}


async def second_request(protocol, *messages, script=SCRIPT, stream=True):
    """Return the body of the request after a turn with tool calls, and after these messages."""
    options = {ModelOption.STREAM: stream, **(INCLUDE if protocol == "openai-responses" else {})}
    with ProviderServer(script, "Done.") as server:
        family = protocol.removesuffix("-responses")
        backend = LiveBackend(f"{protocol}:m", base_url=getattr(server, f"{family}_url"), model_options=options)
        first, ctx = await backend.generate_from_context("Hi", ChatContext())
        await first.avalue()
        for message in messages[:-1]:
            ctx = ctx.add(message)
        second, _ = await backend.generate_from_context(messages[-1], ctx)
        assert await second.avalue() == "Done."
        return server.requests[1].body


RESULTS = (Message("tool", "seen", tool_call_id="a"), Message("tool", "waited", tool_call_id="b"))


@pytest.mark.parametrize("stream", [True, False])
async def test_anthropic_gets_the_signed_thought_the_calls_and_their_results_back(stream):
    body = await second_request("anthropic", *RESULTS, stream=stream)
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm, well.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "a", "name": "look", "input": {"at": 1}},
                {"type": "tool_use", "id": "b", "name": "wait", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a", "content": "seen"},
                {"type": "tool_result", "tool_use_id": "b", "content": "waited"},
            ],
        },
    ]


async def test_anthropic_gets_redacted_thinking_back_and_no_unsigned_thought():
    script = Script.of(Delta(redacted="b3BhcXVl"), Delta(thinking="Hm."), CALLS)
    body = await second_request("anthropic", *RESULTS, script=script)
    kinds = [block["type"] for block in body["messages"][1]["content"]]
    assert kinds == ["redacted_thinking", "thinking", "tool_use", "tool_use"]
    assert body["messages"][1]["content"][0]["data"] == "b3BhcXVl"
    turn = calling_turn("", [Delta(thinking="Hm.")], [ToolCall("a", "look", "{}")])
    sent = ADAPTERS["anthropic"].build_request([{"role": "user", "content": "Hi"}, turn], model="m").body
    assert [block["type"] for block in sent["messages"][1]["content"]] == ["tool_use"]


@pytest.mark.parametrize("stream", [True, False])
async def test_gemini_gets_the_signature_in_the_first_call_back(stream):
    body = await second_request("gemini", *RESULTS, stream=stream)
    assert body["contents"][1:] == [
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"name": "look", "args": {"at": 1}, "id": "a"}, "thoughtSignature": "c2ln"},
                {"functionCall": {"name": "wait", "args": {}, "id": "b"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "look", "response": {"result": "seen"}, "id": "a"}},
                {"functionResponse": {"name": "wait", "response": {"result": "waited"}, "id": "b"}},
            ],
        },
    ]


@pytest.mark.parametrize("stream", [True, False])
async def test_responses_get_the_encrypted_reasoning_back(stream):
    body = await second_request("openai-responses", *RESULTS, stream=stream)
    assert body["input"][1:] == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm, well."}],
            "encrypted_content": "c2ln",
        },
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "I look."}]},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"at":1}'},
        {"type": "function_call", "call_id": "b", "name": "wait", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "seen"},
        {"type": "function_call_output", "call_id": "b", "output": "waited"},
    ]


async def test_chat_completions_get_the_calls_and_their_results_back():
    body = await second_request("openai", *RESULTS)
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at":1}'}},
                {"id": "b", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
            ],
            "reasoning_details": [{"type": "reasoning.text", "text": "Hm, well.", "signature": "c2ln"}],
        },
        {"role": "tool", "content": "seen", "tool_call_id": "a"},
        {"role": "tool", "content": "waited", "tool_call_id": "b"},
    ]


async def test_ollama_gets_the_thinking_the_calls_and_their_results_back():
    body = await second_request("ollama", *RESULTS)
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": "I look.",
            "thinking": "Hm, well.",
            "tool_calls": [
                {"function": {"name": "look", "arguments": {"at": 1}}},
                {"function": {"name": "wait", "arguments": {}}},
            ],
        },
        {"role": "tool", "content": "seen", "tool_name": "look"},
        {"role": "tool", "content": "waited", "tool_name": "wait"},
    ]


@pytest.mark.parametrize("protocol", ["anthropic", "gemini", "openai", "openai-responses", "ollama"])
async def test_every_call_has_a_result_because_providers_refuse_one_without(protocol):
    for messages in (["Go on."], [RESULTS[1], "Go on."], [Message("tool", "seen"), "Go on."], [RESULTS[1]]):
        text = str(await second_request(protocol, *messages))
        missing = 2 - sum(isinstance(message, Message) for message in messages)
        assert text.count("There is no result.") == missing
        assert text.count("'Go on.'") == ("Go on." in messages)


async def test_a_result_without_its_call_stays_a_message():
    with ProviderServer("Done.") as server:
        backend = LiveBackend("openai:m", base_url=server.openai_url)
        output, _ = await backend.generate_from_context(Message("tool", "5", tool_call_id="x"), ChatContext())
        await output.avalue()
        assert server.requests[0].body["messages"] == [{"role": "tool", "content": "5", "tool_call_id": "x"}]


async def test_calls_that_came_without_an_id_have_one_where_the_provider_needs_it():
    calls = Delta(tool_calls=(ToolCallDelta(0, None, "look", "{}"), ToolCallDelta(1, None, "wait", "{}")))
    body = await second_request("gemini", Message("tool", "seen"), script=Script.of(calls))
    assert [list(part["functionCall"]) for part in body["contents"][1]["parts"]] == [["name", "args"], ["name", "args"]]
    assert "id" not in body["contents"][2]["parts"][0]["functionResponse"]
    assert [part["functionResponse"]["name"] for part in body["contents"][2]["parts"]] == ["look", "wait"]


def test_calls_of_other_kinds_are_sent_back_as_items_of_their_kind():
    calls = [
        ToolCall("a", "f", "any text", "custom"),
        ToolCall("b", "shell", '{"commands":["ls"]}', "shell"),
        ToolCall("c", "apply_patch", '{"type":"delete_file"}', "apply_patch"),
        ToolCall("d", "f", "{}", "mcp_approval_request"),
        ToolCall("e", "f", "[1", "function"),
    ]
    turns = [calling_turn("", [Delta(thinking="unsigned")], calls), *(result_turn(call, "yes") for call in calls)]
    assert ADAPTERS["openai-responses"].build_request(turns, model="m").body["input"] == [
        {"type": "custom_tool_call", "call_id": "a", "name": "f", "input": "any text"},
        {"type": "shell_call", "call_id": "b", "status": "completed", "action": {"commands": ["ls"]}},
        {"type": "apply_patch_call", "call_id": "c", "status": "completed", "operation": {"type": "delete_file"}},
        {"type": "mcp_approval_request", "id": "d", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "e", "name": "f", "arguments": "[1"},
        {"type": "custom_tool_call_output", "call_id": "a", "output": "yes"},
        {"type": "shell_call_output", "call_id": "b", "output": "yes"},
        {"type": "apply_patch_call_output", "call_id": "c", "output": "yes"},
        {"type": "mcp_approval_response", "approval_request_id": "d", "approve": True},
        {"type": "function_call_output", "call_id": "e", "output": "yes"},
    ]
    chat = ADAPTERS["openai"].build_request(turns[:1], model="m").body["messages"][0]
    assert chat["content"] is None
    assert chat["tool_calls"][0] == {"id": "a", "type": "custom", "custom": {"name": "f", "input": "any text"}}
    ollama = ADAPTERS["ollama"].build_request(turns[:1], model="m").body["messages"][0]
    assert ollama["tool_calls"][4]["function"]["arguments"] == {"arguments": "[1"}
    assert ollama["thinking"] == "unsigned"


async def test_a_session_sends_the_signature_of_its_first_turn_in_its_second():
    with ProviderServer(SCRIPT, "Done.") as server:
        backend = LiveBackend("anthropic:m", base_url=server.anthropic_url, model_options=STREAM)
        async with Session(backend, ctx=ChatContext()) as session:
            first = await session.achat("Hi")
            assert [call.name for call in first.tool_calls] == ["look", "wait"]
            await session.achat(RESULTS[0])
        sent = server.requests[1].body["messages"]
    assert [turn["role"] for turn in sent] == ["user", "assistant", "user"]
    assert sent[1]["content"][0]["signature"] == "c2ln"
    assert [block["content"] for block in sent[2]["content"]] == ["seen", "There is no result."]
