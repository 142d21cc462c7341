"""OpenAI's chat completions, and the variants of compatible servers.

Source: https://platform.openai.com/docs/api-reference/chat-streaming. The frames are JSON objects without a type, and
the last frame is `[DONE]`. Compatible servers differ, and every difference that loses nothing is accepted:

- `choices` can be missing or null. `index` and `delta` can be missing in a choice (Azure's filters), and a complete
  `message` can be in place of the delta.
- `pytest_streamval.wire.openai_words` finds thinking, refusals and signatures, and `pytest_streamval.wire.openai_calls`
  the calls. `function_call` is the form of calls before there were several.
- `usage` can be in a frame of its own (OpenAI, llama.cpp), in the finish frame (DeepSeek), in every frame
  (Perplexity), in the choice (Moonshot) or in `x_groq` (Groq). `finish_reason` can come early or in every frame
  (proxies of Gemini), or be an object (SGLang). Text after it is text, and the last reason is used.
- A frame can be inside of a field `data` (https://github.com/smallmain/vscode-unify-chat-provider/pull/71).
- An error can be at the top of a frame, in its choice, in the delta, or in `x_groq`. The finish reason `error` is one
  too. A stream without any choices is an error.

Only the choice with index 0 is read, because one output cannot hold several choices. GitHub Copilot sends several with
this index in one frame, which are read in their order. `logprobs` are not read, because a delta has no field for them.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.errors import excerpt
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.error_reports import (
    ProviderReportError,
    provider_report,
    report_in,
    report_in_words,
    report_without_output,
)
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import FrameFaultError, expect, optional
from pytest_streamval.wire.openai_calls import CallPlaces
from pytest_streamval.wire.openai_encoder import OpenAIChatEncoder
from pytest_streamval.wire.openai_words import THINKING, words_in
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest, joined_deltas
from pytest_streamval.wire.tool_turns import chat_turns
from pytest_streamval.wire.unusual_bodies import DONE, is_done

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_LEGACY = "function_call"  # names the only call of the older form among the calls
_NO_ID = "null"  # of every call of Mistral's first models
_CALLS = ("tool_calls", "function_call")
_INPUT = ("prompt_tokens",)
_OUTPUT = ("completion_tokens",)
_OTHER = ("input_tokens", "output_tokens")


class OpenAIChatDecoder(FrameDecoder):
    """Decode the body of a streamed chat completion."""

    protocol: ClassVar[str] = "openai"
    terminal: ClassVar[str] = f"the frame {DONE}"

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._calls = CallPlaces(self._note)
        self._has_output = False  # whether a frame had choices or counts
        self._has_thinking = False
        self._has_call = False
        self._counted = -1  # the offset of the last frame with counts and without choices

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] != "{" and is_done(data):
            self._end()
            return None
        body = self._object(data)
        if "choices" not in body and isinstance(inner := body.get("data"), dict) and "choices" in inner:
            body = inner
        report = provider_report(body, data) if event == "error" else report_in(body, data)
        if report is not None:
            raise report
        usage = self._usage(body["usage"], "usage") if "usage" in body else None
        if "x_groq" in body:
            usage = self._read_groq(body["x_groq"], data) or usage
        choices = body.get("choices")
        if choices is None:
            return self._without_choices(body, usage, data, event)
        self._has_output = True
        found = _first_choices(expect(choices, list, "choices"))
        if len(found) == 1:
            return self._delta(found[0], usage, data)
        return self._joined(found, usage, data)

    def _end(self) -> None:
        if not self._has_output:
            message = self._skipped or f"The stream has nothing but the frame {DONE}"
            raise report_in_words(self._skipped) or ProviderReportError("an empty stream", message)
        if not self._has_reason and not self.done:
            self._note("missing-finish-reason", "it ends the stream, but no frame had a finish_reason")
        self.done = True

    def _read_groq(self, value: object, data: str) -> Usage | None:
        """Return the counts in Groq's own field: https://console.groq.com/docs/api-reference#chat-create."""
        fields = optional(value, dict, "x_groq") or {}
        if fields.get("error"):
            raise provider_report(fields["error"], data)
        return self._usage(fields.get("usage"), "x_groq.usage")

    def _usage(self, value: object, path: str) -> Usage | None:
        """Return the counts, which some servers name as in OpenAI's other protocol."""
        names = _INPUT + _OUTPUT
        if isinstance(value, dict) and not any(value.get(name) for name in names):
            value = {
                **value,
                **{name: value[other] for name, other in zip(names, _OTHER, strict=True) if other in value},
            }
        return self._read_usage(value, _INPUT, _OUTPUT, path)

    def _is_finished(self) -> bool:
        """Return whether nothing but the end is missing.

        Servers send a frame of counts alone at the end, also those that leave out the finish reason and `[DONE]`:
        https://github.com/earendil-works/pi/pull/7441.
        """
        has_content = bool(self._texts or self._has_thinking or self._has_call)
        return self._has_reason or (has_content and self._counted == self._offset)

    def _without_choices(self, body: Json, usage: Usage | None, data: str, event: str) -> Delta | None:
        """Read a frame without choices: of token counts, or one that a gateway adds."""
        report = report_without_output(body, data)
        if report is not None:
            raise report
        if usage is not None:
            self._has_output = True
            self._counted = self._offset
            return Delta(usage=usage)
        if event == "message":
            self._note("frame-without-choices", f"it has no choices: {excerpt(data)}")
        self._skipped = self._skipped or data
        return None

    def _joined(self, choices: list[Json], usage: Usage | None, data: str) -> Delta | None:
        """Return one delta for no choice or for several: https://github.com/microsoft/vscode/issues/290853."""
        if not choices:
            self._counted = self._offset if usage else self._counted
            return Delta(usage=usage) if usage else None
        self._note("repeated-choice", f"choices has {len(choices)} items with index 0")
        deltas = [self._delta(choice, usage, data) for choice in _different(choices)]
        found = [delta for delta in deltas if delta is not None]
        return joined_deltas(found) if found else None

    def _delta(self, choice: Json, usage: Usage | None, data: str) -> Delta | None:
        if choice.get("error"):
            raise provider_report(choice["error"], data)
        fields = optional(choice.get("delta"), dict, "choices[0].delta") or {}
        text = fields.get("content")
        if not fields and type(choice.get("text")) is str:  # the older completions
            text = choice["text"]
            fields = {"content": text}
        if not text and "message" in choice:
            fields = {**fields, **self._message(choice)}
            text = fields.get("content")
        finish_reason = choice.get("finish_reason")
        if finish_reason is None and len(fields) == 1 and type(text) is str and "usage" not in choice:
            return Delta(text, usage=usage) if text or usage else None  # as nearly every frame
        if usage is None and "usage" in choice:  # Moonshot
            usage = self._usage(choice["usage"], "choices[0].usage")
        return self._any_delta(fields, usage, self._reason(finish_reason, "choices[0].finish_reason"), data)

    def _any_delta(self, fields: Json, usage: Usage | None, reason: str | None, data: str) -> Delta | None:
        words = words_in(fields, "choices[0].delta")
        tool_calls = self._tool_calls(fields)
        self._has_thinking = self._has_thinking or bool(words.thinking)
        self._has_call = self._has_call or bool(tool_calls)
        if fields.get("error"):
            raise provider_report(fields["error"], data)
        if reason == "error":
            raise ProviderReportError("error", f"The finish_reason is error: {data}")
        delta = Delta(words.text, words.thinking, tool_calls, usage, reason, words.refusal, words.signature)
        return delta if delta != Delta() else None

    def _message(self, choice: Json) -> Json:
        """Return the new fields of a complete message in place of a delta, or beside an empty one (Perplexity)."""
        message = choice.get("message")
        if not isinstance(message, dict):
            return {}
        known_fields = [*(_CALLS if self._has_call else ()), *(THINKING if self._has_thinking else ())]
        new = {name: value for name, value in message.items() if name not in known_fields}
        text, known = message.get("content"), self.text
        if not known:
            return new
        if text and isinstance(text, str) and text.startswith(known):
            return {**new, "content": text[len(known) :]}
        if text:
            self._note("different-whole", f"message.content is {excerpt(text)}, but its pieces are {excerpt(known)}")
        return {**new, "content": None}

    def _tool_calls(self, fields: Json) -> tuple[ToolCallDelta, ...]:
        calls = fields.get("tool_calls")
        found = [] if calls is None else expect(calls, list, "choices[0].delta.tool_calls")
        fragments = [self._tool_call(call) for call in found]
        if fields.get("function_call") is not None:
            fragments.append(self._function_call(fields["function_call"]))
        return tuple(fragment for fragment in fragments if fragment is not None)

    def _tool_call(self, fragment: object) -> ToolCallDelta | None:
        path = "choices[0].delta.tool_calls[]"
        call = expect(fragment, dict, path)
        kind, words = ("custom", "input") if call.get("custom") is not None else ("function", "arguments")
        named = optional(call.get(kind), dict, f"{path}.{kind}") or {}
        ident = optional(call.get("id"), str, f"{path}.id") or None
        name = optional(named.get("name"), str, f"{path}.{kind}.name") or None
        arguments = self._arguments(named.get(words), f"{path}.{kind}.{words}", str)
        index = self._index(call.get("index"), f"{path}.index")
        own_ident = None if ident == _NO_ID else ident
        place, arguments = self._calls.place(index, own_ident, name, arguments, kind)
        return ToolCallDelta(place, ident, name, arguments, kind) if ident or name or arguments else None

    def _index(self, value: object, path: str) -> int | None:
        """Return the index of a call, which some servers send as text or as a fraction."""
        if type(value) in {str, float}:
            with suppress(ValueError, OverflowError):
                number = float(str(value))
                if number.is_integer():
                    self._note("call-identity", f"{path} is {excerpt(value)}, not an integer")
                    value = int(number)
        index = optional(value, int, path)
        if index is not None and index < 0:
            raise FrameFaultError(f"{path} is {index}, and an index must be 0 or more")
        return index

    def _function_call(self, value: object) -> ToolCallDelta | None:
        """Return a fragment of the only call in the form that was replaced by `tool_calls`."""
        path = "choices[0].delta.function_call"
        call = expect(value, dict, path)
        name = optional(call.get("name"), str, f"{path}.name") or None
        arguments = self._arguments(call.get("arguments"), f"{path}.arguments", str)
        place, arguments = self._calls.place(None, _LEGACY, None, arguments)
        return ToolCallDelta(place, None, name, arguments, "function_call") if name or arguments else None


@dataclass(frozen=True, slots=True)
class OpenAIChat(Adapter):
    """The adapter for OpenAI's chat completions and compatible servers.

    The API key is sent in `Authorization: Bearer`.
    """

    protocol: ClassVar[str] = "openai"
    synonyms: ClassVar[Mapping[str, str]] = MappingProxyType({"max_completion_tokens": "max_tokens"})
    request_id_header: ClassVar[str] = "x-request-id"
    signs: ClassVar[bool] = False
    _decoder: ClassVar[type[FrameDecoder]] = OpenAIChatDecoder
    _paths: ClassVar[tuple[str, ...]] = ("/v1/chat/completions", "/chat/completions")
    _encoder: ClassVar[type[FrameEncoder]] = OpenAIChatEncoder

    max_tokens: str = "max_tokens"
    """The field for `max_new_tokens`. Every compatible server knows the old name, and OpenAI's own reasoning models
    accept only `max_completion_tokens`."""
    seed: str = "seed"
    """The field for `seed`."""
    stream_options: bool = True
    """Whether a request for a stream asks for the usage. Servers that refuse the field send the usage anyway."""
    json_schemas: bool = True
    """Whether a schema goes to the server. Otherwise a request with a schema asks for any JSON object."""

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol."""
        request = Adapter.parse_request(self, path, body)  # super() fails in a dataclass with slots
        options = body.get("stream_options")
        usage = isinstance(options, dict) and options.get("include_usage") is True
        return None if request is None else replace(request, usage=usage)

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": self.max_tokens, "seed": self.seed, "stop": "stop"}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        body: Json = {"model": request.model, "messages": chat_turns(request.turns), **request.settings}
        if request.schema is not None and not self.json_schemas:
            body["response_format"] = {"type": "json_object"}
        elif request.schema is not None:
            schema = {"name": "output", "schema": request.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if request.stream:
            body["stream"] = True
            body.update({"stream_options": {"include_usage": True}} if self.stream_options else {})
        return self._paths[0], body

    def _parse_answer(self, body: Json) -> Answer:
        usage = OpenAIChatDecoder(strict=True)._usage(body.get("usage"), "usage")
        choices = _first_choices(expect(body.get("choices"), list, "choices"))
        if not choices:
            raise FrameFaultError("choices has no item with index 0")
        path = "choices[0].message"
        is_older = "message" not in choices[0] and type(choices[0].get("text")) is str
        message = {"content": choices[0]["text"]} if is_older else expect(choices[0].get("message"), dict, path)
        words = words_in(message, path)
        calls = optional(message.get("tool_calls"), list, f"{path}.tool_calls") or []
        reason = optional(choices[0].get("finish_reason"), str, "choices[0].finish_reason")
        found = (*map(_read_call, calls), *_read_function_call(message))
        return Answer(words.text, words.thinking, found, usage, reason, words.refusal, words.signature)


def _read_call(value: object) -> ToolCall:
    path = "choices[0].message.tool_calls[]"
    call = expect(value, dict, path)
    kind, words = ("custom", "input") if call.get("custom") is not None else ("function", "arguments")
    named = expect(call.get(kind), dict, f"{path}.{kind}")
    return ToolCall(
        optional(call.get("id"), str, f"{path}.id"),
        expect(named.get("name"), str, f"{path}.{kind}.name"),
        optional(named.get(words), str, f"{path}.{kind}.{words}") or "",
        kind,
    )


def _read_function_call(message: Json) -> Iterable[ToolCall]:
    path = "choices[0].message.function_call"
    call = optional(message.get("function_call"), dict, path)
    if call is not None:
        name, arguments = call.get("name"), call.get("arguments")
        yield ToolCall(
            None,
            expect(name, str, f"{path}.name"),
            optional(arguments, str, f"{path}.arguments") or "",
            "function_call",
        )


def _different(choices: list[Json]) -> Iterable[Json]:
    """Return the choices without those that are equal to another one, in linear time."""
    try:
        return {json.dumps(choice): choice for choice in choices}.values()
    except RecursionError:
        return choices


def _first_choices(choices: list[object]) -> list[Json]:
    """Return the choices with index 0. One output cannot hold several choices."""
    found = []
    for value in choices:
        if value is None:
            continue
        choice = expect(value, dict, "choices[]")
        index = choice.get("index")
        if not index or optional(index, int, "choices[].index") == 0:
            found.append(choice)
    return found
