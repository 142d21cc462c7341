"""Gemini's `streamGenerateContent` with `alt=sse`, and `generateContent`.

Source: https://ai.google.dev/api/generate-content. Every frame is a `GenerateContentResponse`, and so is an answer that
is not streamed. Frames are `data:` lines and nothing else, and none says that it is the last one: a stream ends with
its body, and is whole if a `finishReason` was read, or a `blockReason` where the prompt was refused. What comes behind
that, such as the last counts, is read; the last reason counts.

As JSON of protocol buffers leaves out what has its default value, `index`, `content`, `parts` and counts of 0 may be
missing. Parts with `thought` are thinking; function calls come whole. Parts that are neither text nor a function call
are left out, as are signatures, ratings and citations. Only the candidate of index 0 is read.

Thoughts are counted apart from the output, and the results of the provider's own tools apart from the prompt; here they
belong to them. An error comes as a frame, or as plain JSON between the frames.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, quote, unquote

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter, text_content
from pytest_streamval.wire.encoding import FrameEncoder, WholeCallEncoder, arguments_of
from pytest_streamval.wire.exchange import Answer, Asked
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import (
    FrameFaultError,
    arguments_text,
    expect,
    json_text,
    optional,
    parse_object,
    report,
)
from pytest_streamval.wire.sse import sse_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import Question
    from pytest_streamval.wire.encoding import Json

_PATH = re.compile(r"/v1(?:alpha|beta)?/models/([^/:?]+):(generateContent|streamGenerateContent)(?:\?.*)?")
_INPUT = ("promptTokenCount", "toolUsePromptTokenCount")
_OUTPUT = ("candidatesTokenCount", "thoughtsTokenCount")
_UNSPECIFIED = {"FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"}  # the default values, which mean nothing
_PARTS = "candidates[0].content.parts"
_ROLES = MappingProxyType({"user": "user", "assistant": "model", "model": "model"})


class GeminiDecoder(FrameDecoder):
    """Decode the body of a streamed answer."""

    protocol: ClassVar[str] = "gemini"
    terminal: ClassVar[str] = "a finishReason"
    open_ended: ClassVar[bool] = True

    def __init__(self) -> None:
        super().__init__()
        self._next_call = 0

    def _read(self, data: str, event: str) -> Delta | None:
        body = parse_object(data)
        error = body.get("error")
        if error or event == "error":
            raise report(error or body, data)
        return self._response(body)

    def _response(self, body: dict[str, object]) -> Delta | None:
        candidate = _candidate(body)
        content = candidate.get("content")
        text, thinking, calls = ("", "", ()) if content is None else self._content(content)
        usage = self._usage(body) if "usageMetadata" in body else None
        reason = _reason(candidate, body)
        if reason:
            self.done = True
        if text or thinking or calls or usage or reason:
            return Delta(text, thinking, calls, usage, reason)
        return None

    def _content(self, content: object) -> tuple[str, str, tuple[ToolCallDelta, ...]]:
        """Text, thinking and tool calls of a candidate."""
        text = thinking = ""
        calls: list[ToolCallDelta] = []
        parts = expect(content, dict, "candidates[0].content").get("parts")
        for part in [] if parts is None else expect(parts, list, _PARTS):
            words = expect(part, dict, f"{_PARTS}[]").get("text")
            if words is not None:
                words = expect(words, str, f"{_PARTS}[].text")
                if "thought" in part and optional(part["thought"], bool, f"{_PARTS}[].thought"):
                    thinking += words
                else:
                    text += words
            if part.get("functionCall") is not None:
                calls.append(self._call(part["functionCall"]))
        return text, thinking, tuple(calls)

    def _call(self, value: object) -> ToolCallDelta:
        path = f"{_PARTS}[].functionCall"
        call = expect(value, dict, path)
        index, self._next_call = self._next_call, self._next_call + 1
        ident = optional(call.get("id"), str, f"{path}.id") or None
        name = expect(call.get("name"), str, f"{path}.name")
        arguments = optional(call.get("args"), dict, f"{path}.args") or {}
        return ToolCallDelta(index, ident, name, arguments_text(arguments, f"{path}.args"))

    def _usage(self, body: dict[str, object]) -> Usage | None:
        usage = optional(body.get("usageMetadata"), dict, "usageMetadata")
        if usage is None:
            return None
        self._count(usage, *_INPUT, *_OUTPUT, path="usageMetadata.")
        return Usage(self._sum(_INPUT), self._sum(_OUTPUT)) if self._counts else None

    def _sum(self, fields: tuple[str, ...]) -> int | None:
        counts = [self._counts[field] for field in fields if field in self._counts]
        return sum(counts) if counts else None


class GeminiEncoder(WholeCallEncoder):
    """Encode the body of a streamed answer, as Gemini sends it: its lines end with CRLF."""

    protocol: ClassVar[str] = "gemini"
    reasons: ClassVar[Mapping[str, str]] = MappingProxyType(
        {
            **dict.fromkeys(("stop", "end_turn", "stop_sequence", "tool_calls", "tool_use", "completed"), "STOP"),
            **dict.fromkeys(("length", "max_tokens", "max_output_tokens"), "MAX_TOKENS"),
            **dict.fromkeys(("content_filter", "refusal"), "SAFETY"),
        }
    )
    usual_reasons: ClassVar[tuple[str, str]] = ("STOP", "STOP")

    @staticmethod
    def error(kind: str, message: str) -> Json:
        """The error as JSON, which is the same in a stream and in its place."""
        return {"error": {"code": _CODES.get(kind, 500), "message": message, "status": kind}}

    def _opening(self) -> Iterable[Json]:
        return ()

    def _frames(self, delta: Delta) -> Iterable[Json]:
        calls = self._waiting_calls() if delta.text or delta.thinking else []
        parts = [*map(self._call, calls), *_words(delta.thinking, delta.text)]
        parts += map(self._call, self._whole_calls(delta))
        if delta.finish_reason:
            parts += map(self._call, self._waiting_calls())
        counted = _counts(self._usage) if delta.usage else {}
        if parts or delta.finish_reason or counted:
            yield self._response(parts, self._reason if delta.finish_reason else None, counted)

    def _ending(self) -> Iterable[Json]:
        parts = [*map(self._call, self._waiting_calls())]
        if parts or self._reason is None:
            yield self._response(parts, self._final_reason(), {})

    def _whole(self, answer: Answer) -> Json:
        parts = [*_words(answer.thinking, answer.text), *map(self._call, answer.tool_calls)]
        return self._response(parts, answer.finish_reason, _counts(answer.usage))

    def _response(self, parts: list[Json], reason: str | None, counted: Json) -> Json:
        candidate: Json = {"content": {"parts": parts, "role": "model"}} if parts else {}
        if reason:
            candidate["finishReason"] = reason
        candidates = [{**candidate, "index": 0}] if candidate else []
        named = {"modelVersion": self._asked.model, "responseId": self._ident}
        return {"candidates": candidates, **counted, **named} if candidates else {**counted, **named}

    def _call(self, call: ToolCall) -> Json:
        ident = {} if call.id is None else {"id": call.id}
        return {"functionCall": {**ident, "name": call.name, "args": arguments_of(self.protocol, call)}}

    def _write(self, frame: Json) -> bytes:
        return sse_frame(json_text(frame), end="\r\n")


@dataclass(frozen=True, slots=True)
class Gemini(Adapter):
    """Gemini's `generateContent`. The key goes into `x-goog-api-key`."""

    protocol: ClassVar[str] = "gemini"
    auth_header: ClassVar[str] = "x-goog-api-key"
    auth_prefix: ClassVar[str] = ""
    _decoder: ClassVar[type[FrameDecoder]] = GeminiDecoder
    _encoder: ClassVar[type[FrameEncoder]] = GeminiEncoder

    version: str = "v1beta"
    """The version of the protocol, which stands in the path: "v1", or "v1beta" with what is newer."""

    def asked(self, path: str, body: Mapping[str, object]) -> Asked | None:  # noqa: ARG002  # all of it is in the path
        """Return what a request asks for, or None where its path is none of this protocol's.

        A stream is one with `alt=sse`; without, Gemini sends an array piece by piece, which no client here reads.
        """
        found = _PATH.fullmatch(path)
        if found is None:
            return None
        streamed = found[2] == "streamGenerateContent"
        if streamed and parse_qs(path.partition("?")[2]).get("alt") != ["sse"]:
            return None
        return Asked(unquote(found[1]), stream=streamed)

    def _settings(self) -> Mapping[str, str]:
        names = ("temperature", "max_new_tokens", "seed", "stop")
        return dict(zip(names, ("temperature", "maxOutputTokens", "seed", "stopSequences"), strict=True))

    def _request(self, question: Question) -> tuple[str, Json]:
        system = [text_content(turn) for turn in question.turns if turn["role"] == "system"]
        settings = question.settings
        if question.schema is not None:
            settings = {**settings, "responseMimeType": "application/json", "responseJsonSchema": question.schema}
        body: Json = {"contents": [_content(turn) for turn in question.turns if turn["role"] != "system"]}
        if system:
            body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
        if settings:
            body["generationConfig"] = settings
        model = quote(question.model.removeprefix("models/"), safe="")
        method = "streamGenerateContent?alt=sse" if question.stream else "generateContent"
        return f"/{self.version}/models/{model}:{method}", body

    def _read_answer(self, body: Json) -> Answer:
        decoder = GeminiDecoder()
        delta = decoder._response(body)
        if delta is None or not decoder.done:
            raise FrameFaultError("it has no finishReason")
        return Answer.of([delta])


def _candidate(body: dict[str, object]) -> dict[str, object]:
    """The candidate of index 0, an empty one where there is none."""
    candidates = body.get("candidates")
    for value in [] if candidates is None else expect(candidates, list, "candidates"):
        candidate = expect(value, dict, "candidates[]")
        if not optional(candidate.get("index"), int, "candidates[].index"):
            return candidate
    return {}


def _reason(candidate: dict[str, object], body: dict[str, object]) -> str | None:
    """Why the output ended, or why there is none; None as long as neither was said."""
    reason = optional(candidate.get("finishReason"), str, "candidates[0].finishReason")
    if reason is None and body.get("promptFeedback") is not None:
        feedback = expect(body["promptFeedback"], dict, "promptFeedback")
        reason = optional(feedback.get("blockReason"), str, "promptFeedback.blockReason")
    return reason if reason and reason not in _UNSPECIFIED else None


def _content(turn: dict[str, object]) -> Json:
    """A message in Gemini's form; its content may be a list of parts already."""
    role, content = _ROLES.get(str(turn["role"])), turn.get("content")
    if role is None:
        raise InvalidArgumentError("messages", excerpt(turn), "Gemini's roles are user, assistant and system.")
    if isinstance(content, list):
        return {"role": role, "parts": content}
    return {"role": role, "parts": [{"text": text_content(turn)}]}


def _words(thinking: str, text: str) -> list[Json]:
    thought: list[Json] = [{"text": thinking, "thought": True}] if thinking else []
    return [*thought, {"text": text}] if text else thought


def _counts(usage: Usage | None) -> Json:
    """The counts that are known, and nothing where none is."""
    counted = usage or Usage()
    fields = {"promptTokenCount": counted.input_tokens, "candidatesTokenCount": counted.output_tokens}
    known = {field: count for field, count in fields.items() if count is not None}
    return {"usageMetadata": {**known, "totalTokenCount": sum(known.values())}} if known else {}


# Google's codes of errors in HTTP's words: https://cloud.google.com/apis/design/errors
_CODES: Mapping[str, int] = MappingProxyType(
    {
        "INVALID_ARGUMENT": 400,
        "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403,
        "NOT_FOUND": 404,
        "RESOURCE_EXHAUSTED": 429,
        "INTERNAL": 500,
        "UNAVAILABLE": 503,
        "DEADLINE_EXCEEDED": 504,
    }
)
