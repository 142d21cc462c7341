"""Requests that OpenAI refuses, with a part of its words."""

from __future__ import annotations

from tests.server.sample_requests import (
    ASSISTANT,
    CALL,
    FUNCTION,
    ITEM,
    NESTED,
    OPEN_SCHEMA,
    OUTPUT,
    PARTLY_REQUIRED,
    RESULT,
    SCHEMA,
    TOOL,
    USER,
    chat,
    responses,
    strict_format,
)

SUB = {"type": "function", "name": "sub", "parameters": {"type": "object", "properties": {}}}

WRONG_OPENAI = {
    "chat with a call of an unknown tool": chat(
        "The call 'add' names no tool of this request or an earlier one.",
        messages=[USER, ASSISTANT, RESULT],
        tools=[{"type": "function", "function": {"name": "sub"}}],
    ),
    "responses with a call of an unknown tool": responses(
        "The call 'add' names no tool of this request or an earlier one.", input=[USER, ITEM, OUTPUT], tools=[SUB]
    ),
    "chat without messages": chat("Missing required parameter: 'messages'.", messages=None),
    "chat without a model": chat("you must provide a model parameter", model=None),
    "chat with no message": chat("Invalid 'messages': empty array.", messages=[]),
    "chat with a text": chat(
        "Invalid type for 'messages': expected an array of objects, but got a string", messages="Hi"
    ),
    "chat with texts": chat("Invalid type for 'messages[0]'", messages=["Hi"]),
    "chat with an unknown role": chat(
        "Invalid value: 'robot'. Supported", messages=[{"role": "robot", "content": "Hi"}]
    ),
    "chat without a role": chat("Missing required parameter: 'messages[0].role'.", messages=[{"content": "Hi"}]),
    "chat without a content": chat("Missing required parameter: 'messages[0].content'.", messages=[{"role": "user"}]),
    "chat with a null": chat("expected a string, got null", messages=[{"role": "user", "content": None}]),
    "chat with a number": chat("Invalid type for 'messages[0].content'", messages=[{"role": "user", "content": 5}]),
    "chat with a part without a type": chat(
        "Missing required parameter: 'messages[0].content[0].type'.",
        messages=[{"role": "user", "content": [{"text": "Hi"}]}],
    ),
    "chat with a part of responses": chat(
        "Invalid value: 'input_text'", messages=[{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}]
    ),
    "chat with a result without a call": chat("must be a response to a preceeding message", messages=[USER, RESULT]),
    "chat with a result for another call": chat(
        "'tool_call_id' of 'call_2' not found in 'tool_calls' of previous message",
        messages=[USER, ASSISTANT, RESULT, {**RESULT, "tool_call_id": "call_2"}],
    ),
    "chat with a result without its id": chat(
        "Missing required parameter: 'messages[2].tool_call_id'.",
        messages=[USER, ASSISTANT, {"role": "tool", "content": "3"}, RESULT],
    ),
    "chat with a call without a result": chat(
        "did not have response messages: call_1", messages=[USER, ASSISTANT, USER]
    ),
    "chat with a call at its end": chat("did not have response messages: call_1", messages=[USER, ASSISTANT]),
    "chat with an empty list of calls": chat(
        "Invalid 'messages[1].tool_calls': empty array.",
        messages=[USER, {"role": "assistant", "content": "Hm.", "tool_calls": []}],
    ),
    "chat with arguments that are an object": chat(
        "'messages[1].tool_calls[0].function.arguments': expected a string, but got an object instead.",
        messages=[
            USER,
            {**ASSISTANT, "tool_calls": [{**CALL, "function": {"name": "add", "arguments": {}}}]},
            RESULT,
        ],
    ),
    "chat with a tool without a type": chat("Missing required parameter: 'tools[0].type'.", tools=[{"function": {}}]),
    "chat with a tool of responses": chat("Missing required parameter: 'tools[0].function'.", tools=[FUNCTION]),
    "chat with a name with a space": chat(
        "string does not match pattern", tools=[{"type": "function", "function": {"name": "my tool"}}]
    ),
    "chat with a long name": chat(
        "Expected a string with maximum length 64", tools=[{"type": "function", "function": {"name": "a" * 65}}]
    ),
    "chat with 129 tools": chat("Expected an array with maximum length 128", tools=[TOOL] * 129),
    "chat with a choice of another provider": chat("Invalid value: 'any'", tools=[TOOL], tool_choice="any"),
    "chat with a choice of an unknown tool": chat(
        "Tool choice 'sub' not found in 'tools' parameter.",
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "sub"}},
    ),
    "chat with a choice without tools": chat("'tool_choice' is only allowed when 'tools' are", tool_choice="auto"),
    "chat with parallel calls without tools": chat("'parallel_tool_calls' is only allowed", parallel_tool_calls=True),
    "chat with stream as a text": chat("Invalid type for 'stream': expected a boolean", stream="true"),
    "chat with a high temperature": chat("Expected a value <= 2, but got 3 instead.", temperature=3),
    "chat with a low temperature": chat("Expected a value >= 0, but got -0.5 instead.", temperature=-0.5),
    "chat with a temperature as a text": chat("Invalid type for 'temperature': expected a decimal", temperature="0.5"),
    "chat with a high top_p": chat("Expected a value <= 1", top_p=1.5),
    "chat with a high penalty": chat("Expected a value <= 2", frequency_penalty=2.5),
    "chat with n of 0": chat("Expected a value >= 1, but got 0", n=0),
    "chat with n as a boolean": chat("Invalid type for 'n': expected an integer, but got a boolean", n=True),
    "chat with max_tokens of 0": chat("Invalid 'max_tokens': integer below minimum value", max_tokens=0),
    "chat with two limits": chat("at the same time is not supported", max_tokens=5, max_completion_tokens=5),
    "chat with 5 stops": chat("Expected an array with maximum length 4", stop=["a", "b", "c", "d", "e"]),
    "chat with options of a stream": chat(
        "only allowed when 'stream' is enabled", stream_options={"include_usage": True}
    ),
    "chat with top_logprobs alone": chat("only allowed when 'logprobs' is enabled", top_logprobs=2),
    "chat with max_tokens of a reasoning model": chat(
        "Use 'max_completion_tokens' instead.", model="o3-mini", max_tokens=50
    ),
    "chat with a temperature of a reasoning model": chat(
        "'temperature' does not support 0.5 with this model", model="o1", temperature=0.5
    ),
    "chat with an unknown format": chat("Invalid value: 'json'", response_format={"type": "json"}),
    "chat with a schema without a name": chat(
        "Missing required parameter: 'response_format.json_schema.name'.",
        response_format={"type": "json_schema", "json_schema": {"schema": SCHEMA}},
    ),
    "chat in JSON mode without the word": chat("must contain the word 'json'", response_format={"type": "json_object"}),
    "chat with an open schema": chat(
        "'additionalProperties' is required to be supplied and to be false",
        response_format=strict_format(OPEN_SCHEMA),
    ),
    "chat with an open schema inside": chat(
        "context=('properties', 'a', 'items')", response_format=strict_format(NESTED)
    ),
    "chat with an optional property": chat(
        "Missing 'b'.",
        tools=[{"type": "function", "function": {"name": "a", "strict": True, "parameters": PARTLY_REQUIRED}}],
    ),
    "chat with a low penalty": chat("Expected a value >= -2", presence_penalty=-2.5),
    "chat with no completion": chat("Invalid 'max_completion_tokens'", max_completion_tokens=0),
    "chat with many logprobs": chat("Expected a value <= 20", logprobs=True, top_logprobs=21),
    "chat with metadata that is not stored": chat("only allowed when 'store' is enabled", metadata={"a": "b"}),
    "chat with a number as metadata": chat(
        "Invalid type for 'metadata.a': expected a string", store=True, metadata={"a": 1}
    ),
    "chat with store as a text": chat("Invalid type for 'store': expected a boolean", store="yes"),
    "responses with a list as metadata": responses("Invalid type for 'metadata': expected an object", metadata=["a"]),
    "responses with much metadata": responses(
        "at most 16 properties, but got an object with 17", metadata={str(number): "" for number in range(17)}
    ),
    "responses with long metadata": responses("string with length 513 instead", metadata={"a": "b" * 513}),
    "responses with a long key in the metadata": responses("maximum length 64", metadata={"a" * 65: "b"}),
    "responses with an unknown earlier response": responses(
        "Previous response with id 'resp_0' not found.", previous_response_id="resp_0"
    ),
    "responses without an input": responses("Missing required parameter: 'input'.", input=None),
    "responses with an empty input": responses('One of "input" or', input=[]),
    "responses with a number": responses("Invalid type for 'input'", input=5),
    "responses without a model": responses("Missing required parameter: 'model'.", model=None),
    "responses with messages": responses("this parameter has moved to 'input'", messages=[USER]),
    "responses with max_tokens": responses("this parameter has moved to 'max_output_tokens'", max_tokens=50),
    "responses with a response format": responses(
        "has moved to 'text.format'", response_format={"type": "json_object"}
    ),
    "responses with n": responses("Unknown parameter: 'n'.", n=2),
    "responses with stop": responses("Unknown parameter: 'stop'.", stop=["a"]),
    "responses with an output without a call": responses(
        "No tool call found for function call output with call_id call_1.", input=[USER, OUTPUT]
    ),
    "responses with a call without an output": responses(
        "No tool output found for function call call_1.", input=[USER, ITEM]
    ),
    "responses with the role tool": responses(
        "Invalid value: 'tool'. Supported", input=[{"role": "tool", "content": "3", "tool_call_id": "call_1"}]
    ),
    "responses with an item without a type": responses(
        "Missing required parameter: 'input[0].type'.", input=[{"a": 1}]
    ),
    "responses with a part of chat": responses(
        "Invalid value: 'text'", input=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
    ),
    "responses with an input of the assistant": responses(
        "Supported values are: 'output_text', and 'refusal'",
        input=[{"role": "assistant", "content": [{"type": "input_text", "text": "Hi"}]}],
    ),
    "responses with arguments that are an object": responses(
        "Invalid type for 'input[1].arguments'", input=[USER, {**ITEM, "arguments": {}}, OUTPUT]
    ),
    "responses with a tool of chat": responses("Missing required parameter: 'tools[0].name'.", tools=[TOOL]),
    "responses with a choice of an unknown tool": responses(
        "Tool choice 'sub' not found in 'tools' parameter.",
        tools=[FUNCTION],
        tool_choice={"type": "function", "name": "sub"},
    ),
    "responses with a high temperature": responses("Expected a value <= 2", temperature=2.5),
    "responses with few tokens": responses("Expected a value >= 16, but got 5 instead.", max_output_tokens=5),
    "responses with a format without a name": responses(
        "Missing required parameter: 'text.format.name'.", text={"format": {"type": "json_schema", "schema": SCHEMA}}
    ),
    "responses with an open schema": responses(
        "'additionalProperties' is required", tools=[{**FUNCTION, "strict": True, "parameters": OPEN_SCHEMA}]
    ),
    "responses with store as a number": responses("Invalid type for 'store': expected a boolean", store=1),
    "responses with a number as instructions": responses("Invalid type for 'instructions'", instructions=5),
    "responses with a high top_p": responses("Expected a value <= 1", top_p=2),
    "responses with many logprobs": responses("Expected a value <= 20", top_logprobs=21),
    "responses with a temperature of a reasoning model": responses(
        "'temperature' is not supported with this model", model="o3", temperature=0.5
    ),
}
"""Requests that OpenAI refuses, each by one of its rules."""
