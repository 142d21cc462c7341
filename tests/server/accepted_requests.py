"""Requests that providers accept, although some look wrong."""

from __future__ import annotations

from tests.server.sample_requests import (
    ASSISTANT,
    CALL,
    CHAT,
    CUSTOM,
    DECLARATION,
    FUNCTION,
    GEMINI_3,
    GENERATE,
    ITEM,
    MODEL_CALL,
    MODEL_RESULT,
    OUTPUT,
    RESULT,
    SCHEMA,
    TEXT,
    TOOL,
    USE,
    USED,
    USER,
    Request,
    chat,
    gemini,
    messages,
    ollama,
    responses,
    strict_format,
)

CLOSED = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
ACCEPTED = {
    "chat": chat(),
    "chat with nulls": Request(CHAT, {**chat().body, "temperature": None, "tools": None, "stream_options": None}),
    "chat with an empty list of tools": chat(tools=[]),
    "chat with all options": chat(
        temperature=2,
        top_p=0,
        n=1,
        stop="a",
        max_completion_tokens=1,
        logprobs=True,
        top_logprobs=20,
        frequency_penalty=-2,
        presence_penalty=2,
        stream=True,
        stream_options={"include_usage": True},
        seed=-5,
        user="me",
    ),
    "chat with all roles": chat(
        messages=[
            {"role": "system", "content": "a"},
            {"role": "developer", "content": [{"type": "text", "text": "a"}]},
            USER,
        ]
    ),
    "chat with two calls": chat(
        messages=[
            USER,
            {**ASSISTANT, "tool_calls": [CALL, {**CALL, "id": "call_2"}]},
            {**RESULT, "tool_call_id": "call_2"},
            RESULT,
            {"role": "assistant", "content": "3"},
            USER,
        ],
        tools=[TOOL],
        tool_choice={"type": "function", "function": {"name": "add"}},
        parallel_tool_calls=False,
    ),
    "chat with a history of tools that are gone": chat(messages=[USER, ASSISTANT, RESULT]),
    "chat with a custom tool": chat(tools=[{"type": "custom", "custom": {"name": "sql"}}], tool_choice="required"),
    "chat with the choice of no tool": chat(tool_choice="none"),
    "chat with an audio answer": chat(messages=[USER, {"role": "assistant", "audio": {"id": "a"}}, USER]),
    "chat with a refusal": chat(messages=[USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]),
    "chat with a strict schema": chat(response_format=strict_format({**SCHEMA, "$defs": {"x": CLOSED}})),
    "chat in JSON mode": chat(
        messages=[{"role": "user", "content": "As JSON."}], response_format={"type": "json_object"}
    ),
    "chat with fields that are new": chat(verbosity="low", something_new={"a": 1}),
    "responses": responses(),
    "responses with items": responses(
        input=[USER, {"type": "reasoning", "id": "rs_1", "summary": []}, ITEM, OUTPUT],
        tools=[FUNCTION, {"type": "web_search"}],
    ),
    "responses with a tool of a namespace": responses(
        tools=[{"type": "namespace", "name": "math", "tools": [FUNCTION]}],
        tool_choice={"type": "function", "name": "add"},
    ),
    "responses with the output before the call": responses(input=[OUTPUT, ITEM]),
    "responses in a conversation": responses(input=None, conversation="conv_1"),
    "responses with a prompt": responses(input=None, model=None, prompt={"id": "pmpt_1"}),
    "responses with a reference": responses(input=[{"type": "item_reference", "id": "fc_1"}, OUTPUT]),
    "responses with an answer": responses(
        input=[
            USER,
            {
                "type": "message",
                "role": "assistant",
                "id": "msg_1",
                "status": "completed",
                "content": [{"type": "output_text", "text": "a", "annotations": []}],
            },
            USER,
        ]
    ),
    "responses with no tools": responses(tools=[], tool_choice="auto", temperature=1.5, max_output_tokens=16),
    "responses with a hosted tool": responses(tools=[{"type": "web_search"}], tool_choice={"type": "web_search"}),
    "messages": messages(),
    "messages of one role": messages(messages=[USER, USER]),
    "messages with calls": messages(messages=[USER, USE, USED], tools=[CUSTOM], tool_choice={"type": "auto"}),
    "messages with results in two messages": messages(
        messages=[
            USER,
            {
                "role": "assistant",
                "content": [*USE["content"], {"type": "tool_use", "id": "toolu_2", "name": "add", "input": {}}],
            },
            USED,
            {
                "role": "user",
                "content": [{"type": "tool_result", "tool_use_id": "toolu_2"}, {"type": "text", "text": "So?"}],
            },
        ],
        tools=[CUSTOM],
    ),
    "messages with a history of tools that are gone": messages(messages=[USER, USE, USED]),
    "messages with a tool of the provider": messages(tools=[{"type": "web_search_20250305", "name": "web_search"}]),
    "messages with a blank at their end": messages(messages=[USER, {"role": "assistant", "content": "It is "}]),
    "messages with an answer to continue": messages(messages=[USER, {"role": "assistant", "content": "It is"}]),
    "messages with an empty last answer": messages(messages=[USER, {"role": "assistant", "content": ""}]),
    "messages with a later system message": messages(
        model="claude-opus-4-8", messages=[USER, {"role": "system", "content": "Be brief."}]
    ),
    "messages that think": messages(thinking={"type": "enabled", "budget_tokens": 1_999}, temperature=1, top_p=0.95),
    "messages that think adaptively": messages(thinking={"type": "adaptive"}, temperature=1),
    "gemini": gemini(),
    "gemini with single objects": gemini(contents={"parts": {"text": "Hi"}}),
    "gemini with calls": gemini(
        contents=[TEXT, MODEL_CALL, MODEL_RESULT, {"role": "model", "parts": [{"text": "3"}]}, TEXT],
        tools=[DECLARATION],
    ),
    "gemini with calls in a row": gemini(contents=[TEXT, MODEL_CALL, MODEL_RESULT, MODEL_CALL, MODEL_RESULT]),
    "gemini with calls in two contents": gemini(
        contents=[TEXT, MODEL_CALL, MODEL_CALL, MODEL_RESULT, MODEL_RESULT, {"role": "model", "parts": [{"text": "3"}]}]
    ),
    "gemini with a call at its end": gemini(contents=[TEXT, MODEL_CALL]),
    "gemini with results in two contents": gemini(
        contents=[TEXT, {"role": "model", "parts": MODEL_CALL["parts"] * 2}, MODEL_RESULT, MODEL_RESULT]  # type: ignore[operator]
    ),
    "gemini with the old role of results": gemini(contents=[TEXT, MODEL_CALL, {**MODEL_RESULT, "role": "function"}]),
    "gemini with numbers as texts": gemini(generationConfig={"maxOutputTokens": "100", "temperature": 2}),
    "gemini with the mode in small letters": gemini(toolConfig={"functionCallingConfig": {"mode": "any"}}),
    "gemini 3 with a signature": gemini(
        path=GEMINI_3,
        contents=[
            TEXT,
            {
                "role": "model",
                "parts": [{"functionCall": {"name": "add"}, "thoughtSignature": "YQ=="}, *MODEL_CALL["parts"]],
            },
            {"role": "user", "parts": MODEL_RESULT["parts"] * 2},  # type: ignore[operator]
        ],
    ),
    "gemini 3 with an old turn": gemini(
        path=GEMINI_3, contents=[TEXT, MODEL_CALL, MODEL_RESULT, {"role": "model", "parts": [{"text": "3"}]}, TEXT]
    ),
    "gemini 3 with a signature alone": gemini(
        path=GEMINI_3, contents=[TEXT, {"role": "model", "parts": [{"text": "", "thoughtSignature": "YQ=="}]}, TEXT]
    ),
    "ollama": ollama(messages=[USER]),
    "ollama without messages": ollama(),
    "ollama with calls": ollama(
        messages=[
            USER,
            {"role": "assistant", "tool_calls": [{"function": {"name": "add", "arguments": {"a": 1}}}]},
            {"role": "tool", "content": "3", "tool_name": "add"},
        ],
        think="max",
    ),
    "ollama with a high temperature": ollama(messages=[USER], options={"temperature": 5}),
    "ollama with a prompt": ollama(path=GENERATE, prompt="Hi", system="Be brief."),
}
"""Requests that are accepted, although some look wrong."""
