"""Requests that providers refuse, with a part of the provider's words."""

from __future__ import annotations

from tests.server.sample_requests import (
    CALL,
    CUSTOM,
    DECLARATION,
    GEMINI_3,
    GENERATE,
    MODEL_CALL,
    MODEL_RESULT,
    TEXT,
    USE,
    USED,
    USER,
    gemini,
    messages,
    ollama,
)
from tests.server.wrong_openai_requests import WRONG_OPENAI

WRONG = {
    **WRONG_OPENAI,
    "messages with a call of an unknown tool": messages(
        "the call 'add' names no tool of this request or an earlier one",
        messages=[USER, USE, USED],
        tools=[{**CUSTOM, "name": "sub"}],
    ),
    "gemini with a call of an unknown function": gemini(
        "names no function of this request or an earlier one",
        contents=[TEXT, MODEL_CALL, MODEL_RESULT],
        tools=[{"functionDeclarations": [{**DECLARATION, "name": "sub"}]}],
    ),
    "messages without a limit": messages("max_tokens: Field required", max_tokens=None),
    "messages without messages": messages("messages: Field required", messages=None),
    "messages without a model": messages("model: Field required", model=None),
    "messages with no message": messages("messages: at least one message is required", messages=[]),
    "messages with a text": messages("messages: Input should be a valid list", messages="Hi"),
    "messages with a system message": messages(
        'Unexpected role "system"', messages=[{"role": "system", "content": "Be brief."}, USER]
    ),
    "messages with a later system message for an old model": messages(
        'Unexpected role "system"',
        model="claude-sonnet-4-5",
        messages=[USER, {"role": "system", "content": "Be brief."}],
    ),
    "messages with the role tool": messages(
        'Unexpected role "tool"', messages=[USER, {"role": "tool", "content": "3"}]
    ),
    "messages with an assistant first": messages(
        'first message must use the "user" role', messages=[{"role": "assistant", "content": "Hi"}, USER]
    ),
    "messages with an empty text": messages("non-empty content", messages=[{"role": "user", "content": ""}]),
    "messages with an empty block": messages(
        "text content blocks must be non-empty", messages=[{"role": "user", "content": [{"type": "text", "text": ""}]}]
    ),
    "messages with a block without a type": messages(
        "messages.0.content.0.type: Field required", messages=[{"role": "user", "content": [{"text": "Hi"}]}]
    ),
    "messages with a call without a result": messages(
        "without `tool_result` blocks immediately after: toolu_1", messages=[USER, USE, USER], tools=[CUSTOM]
    ),
    "messages with a result without a call": messages(
        "unexpected `tool_use_id` found in `tool_result` blocks: toolu_1", messages=[USED], tools=[CUSTOM]
    ),
    "messages with a late result": messages(
        "unexpected `tool_use_id`",
        messages=[USER, USE, USED, {"role": "assistant", "content": "3"}, USED],
        tools=[CUSTOM],
    ),
    "messages with the same id twice": messages(
        "`tool_use` ids must be unique", messages=[USER, USE, USED, USE, USED], tools=[CUSTOM]
    ),
    "messages with a text before the result": messages(
        "a text comes before the results",
        messages=[USER, USE, {"role": "user", "content": [{"type": "text", "text": "So:"}, USED["content"][0]]}],  # type: ignore[index]
        tools=[CUSTOM],
    ),
    "messages with an input that is a text": messages(
        "tool_use.input: Input should be a valid dictionary",
        messages=[USER, {"role": "assistant", "content": [{**USE["content"][0], "input": "{}"}]}, USED],  # type: ignore[dict-item]
        tools=[CUSTOM],
    ),
    "messages with n": messages("n: Extra inputs are not permitted", n=2),
    "messages with stop": messages("stop: Extra inputs are not permitted", stop=["a"]),
    "messages with a tool of chat": messages(
        "tools.0.custom.name: Field required", tools=[{"function": {"name": "a"}}]
    ),
    "messages with a tool without a schema": messages(
        "tools.0.custom.input_schema: Field required", tools=[{"name": "a"}]
    ),
    "messages with a schema without a type": messages(
        "tools.0.custom.input_schema.type: Field required", tools=[{"name": "a", "input_schema": {}}]
    ),
    "messages with a tool twice": messages("tools: Tool names must be unique.", tools=[CUSTOM, CUSTOM]),
    "messages with an invalid name": messages("should match pattern", tools=[{**CUSTOM, "name": "a b"}]),
    "messages with a choice that is a text": messages(
        "tool_choice: Input should be", tools=[CUSTOM], tool_choice="auto"
    ),
    "messages with a choice of OpenAI": messages(
        "Input tag 'function' found", tools=[CUSTOM], tool_choice={"type": "function"}
    ),
    "messages with a choice of an unknown tool": messages(
        "Tool 'sub' not found in provided tools", tools=[CUSTOM], tool_choice={"type": "tool", "name": "sub"}
    ),
    "messages with a choice without tools": messages(
        "may only be specified while providing tools", tool_choice={"type": "any"}
    ),
    "messages with a negative limit": messages("max_tokens: Input should be greater than or equal to", max_tokens=-1),
    "messages with a limit as a text": messages("max_tokens: Input should be a valid integer", max_tokens="100"),
    "messages with a high temperature": messages(
        "temperature: Input should be less than or equal to 1", temperature=1.5
    ),
    "messages with stream as a text": messages("stream: Input should be a valid boolean", stream="yes"),
    "messages with a number as the system prompt": messages("system: Input should be a valid list", system=5),
    "messages with a large budget": messages(
        "`max_tokens` must be greater than `thinking.budget_tokens`",
        thinking={"type": "enabled", "budget_tokens": 2_000},
    ),
    "messages with a small budget": messages(
        "greater than or equal to 1024", thinking={"type": "enabled", "budget_tokens": 100}
    ),
    "messages that think at a temperature": messages(
        "`temperature` may only be set to 1", thinking={"type": "enabled", "budget_tokens": 1_024}, temperature=0.5
    ),
    "messages that think and force a tool": messages(
        "Thinking may not be enabled when tool_choice forces tool use.",
        thinking={"type": "enabled", "budget_tokens": 1_024},
        tools=[CUSTOM],
        tool_choice={"type": "any"},
    ),
    "messages with a high top_p": messages("top_p: Input should be less than or equal to 1", top_p=2),
    "messages with a text as top_k": messages("top_k: Input should be a valid integer", top_k="5"),
    "messages with a text as stop sequences": messages(
        "stop_sequences: Input should be a valid list", stop_sequences="a"
    ),
    "gemini without contents": gemini("contents is not specified", contents=None),
    "gemini with no content": gemini("contents is not specified", contents=[]),
    "gemini with a text": gemini("Invalid value at 'contents'", contents="Hi"),
    "gemini with messages": gemini('Unknown name "messages"', messages=[USER]),
    "gemini with n": gemini('Unknown name "n"', n=2),
    "gemini with n in the configuration": gemini("at 'generation_config'", generationConfig={"n": 2}),
    "gemini with the role assistant": gemini(
        "Please use a valid role: user, model.", contents=[TEXT, {"role": "assistant", "parts": [{"text": "Hi"}]}, TEXT]
    ),
    "gemini with a content without parts": gemini("parts must not be empty", contents=[{"role": "user", "parts": []}]),
    "gemini with an empty part": gemini("must have one initialized field", contents=[{"role": "user", "parts": [{}]}]),
    "gemini with a call first": gemini(
        "function call turn comes immediately after a user turn", contents=[MODEL_CALL, MODEL_RESULT]
    ),
    "gemini with a result first": gemini(
        "function response turn comes immediately after a function call turn", contents=[MODEL_RESULT]
    ),
    "gemini with a text before the result": gemini(
        "Please ensure that function response turn comes immediately after a function call turn.",
        contents=[TEXT, MODEL_CALL, TEXT, {"role": "model", "parts": [{"text": "3"}]}, MODEL_RESULT],
    ),
    "gemini with a call without a result": gemini(
        "number of function response parts is equal", contents=[TEXT, MODEL_CALL, TEXT]
    ),
    "gemini with a result too many": gemini(
        "number of function response parts is equal",
        contents=[TEXT, MODEL_CALL, {"role": "user", "parts": MODEL_RESULT["parts"] * 2}],  # type: ignore[operator]
    ),
    "gemini 3 without a signature": gemini(
        "missing a `thought_signature`", path=GEMINI_3, contents=[TEXT, MODEL_CALL, MODEL_RESULT]
    ),
    "gemini with a function twice": gemini(
        "Duplicate function declaration found: add", tools=[DECLARATION, DECLARATION]
    ),
    "gemini with an invalid name": gemini(
        "Invalid function name", tools=[{"function_declarations": [{"name": "1 a"}]}]
    ),
    "gemini with an unknown mode": gemini(
        "tool_config.function_calling_config.mode", toolConfig={"functionCallingConfig": {"mode": "REQUIRED"}}
    ),
    "gemini with an undeclared function": gemini(
        "should be a subset",
        tools=[DECLARATION],
        tool_config={"function_calling_config": {"mode": "ANY", "allowed_function_names": ["sub"]}},
    ),
    "gemini with a high temperature": gemini("must be in the range [0, 2]", generationConfig={"temperature": 2.5}),
    "gemini with no candidate": gemini("must be in the range [1, 8]", generationConfig={"candidateCount": 0}),
    "gemini with an unknown type": gemini("allowed mimetypes", generationConfig={"responseMimeType": "json"}),
    "gemini with a high topP": gemini("must be in the range [0, 1]", generation_config={"top_p": 2}),
    "gemini with no tokens": gemini("max_output_tokens must be in the range", generationConfig={"maxOutputTokens": 0}),
    "ollama without a model": ollama("model is required", model=None),
    "ollama with a text": ollama("cannot unmarshal string into Go struct field ChatRequest.messages", messages="Hi"),
    "ollama with parts": ollama(
        "cannot unmarshal array into Go struct field ChatRequest.messages.content of type string",
        messages=[{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
    ),
    "ollama with arguments that are a text": ollama(
        "of type api.ToolCallFunctionArguments", messages=[USER, {"role": "assistant", "tool_calls": [CALL]}]
    ),
    "ollama with stream as a text": ollama("ChatRequest.stream of type bool", stream="no"),
    "ollama with options as a list": ollama("cannot unmarshal array", options=[1]),
    "ollama with an unknown level": ollama('invalid think value: "xhigh"', think="xhigh"),
    "ollama with an address of an image": ollama(
        "illegal base64 data at input byte 5", messages=[{**USER, "images": ["https://a.test/b.png"]}]
    ),
    "ollama with a list of properties": ollama(
        ".tools.function.parameters.properties",
        tools=[{"type": "function", "function": {"name": "a", "parameters": {"type": "object", "properties": []}}}],
    ),
    "ollama with many logprobs": ollama("top_logprobs must be between 0 and 20", top_logprobs=21),
    "ollama with a number as the model": ollama("ChatRequest.model of type string", model=5),
    "ollama with an object as the tools": ollama("ChatRequest.tools of type api.Tools", tools={"name": "a"}),
    "ollama with a prompt for a number": ollama("GenerateRequest.model of type string", path=GENERATE, model=5),
    "ollama with a prompt and stream as a text": ollama("GenerateRequest.stream", path=GENERATE, stream="no"),
    "ollama with a prompt and options as a text": ollama("GenerateRequest.options", path=GENERATE, options="a"),
    "ollama with a prompt and an unknown level": ollama("invalid think value", path=GENERATE, think="xhigh"),
    "ollama with a prompt and an address": ollama(
        "illegal base64", path=GENERATE, images=["data:image/png;base64,YQ=="]
    ),
    "ollama with a prompt and many logprobs": ollama("between 0 and 20", path=GENERATE, top_logprobs=-1),
    "ollama with a prompt and a list as the system prompt": ollama(
        "GenerateRequest.system of type string", path=GENERATE, system=["Hi"]
    ),
    "ollama with a prompt as a list": ollama("GenerateRequest.prompt of type string", path=GENERATE, prompt=["Hi"]),
}
"""Requests that are refused, each by one of the rules."""
