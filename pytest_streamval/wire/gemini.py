"""Gemini's `streamGenerateContent`, and `generateContent`.

Source: https://ai.google.dev/api/generate-content. Every frame is a `GenerateContentResponse`, and so is a response
that is not streamed. With `alt=sse`, frames are `data:` lines and nothing else. Without it, they are the objects of a
JSON array. None is marked as the last one. A stream ends with its body. It is complete if it had a `finishReason`, or a
`blockReason` if the prompt was refused. Frames after that, for example with the last token counts, are read, and the
last reason is used.

The JSON of protocol buffers leaves out default values, so `index`, `content`, `parts` and counts of 0 can be missing.
Parts with `thought` are thinking. Function calls come complete or, on request, in pieces (`partialArgs`). A signature
can be in any part. Parts that are neither text nor a function call are skipped, and so are ratings and citations. Only
the candidate with index 0 is read.

Gemini counts thoughts apart from the output, and the results of its own tools apart from the prompt. Here they are
included. An error comes as a frame, or as plain JSON between the frames. Code Assist has each response in a field
`response` (https://github.com/Vanszs/VansRouter/pull/59). Without `alt=sse`, a stream is one JSON array.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import parse_qs, quote, unquote

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCallDelta
from pytest_streamval.wire.adapter import Adapter, split_system, text_content
from pytest_streamval.wire.error_reports import provider_report, report_in, report_without_output
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.gemini_arguments import PartialArguments
from pytest_streamval.wire.gemini_encoder import REFUSED, GeminiArrayEncoder, GeminiEncoder
from pytest_streamval.wire.json_array import JSONArrayDecoder, starts_array
from pytest_streamval.wire.json_values import FrameFaultError, expect, optional
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest, joined_deltas
from pytest_streamval.wire.tool_turns import gemini_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import FrameEncoder, Json

_PATH = re.compile(r"/v1(?:alpha|beta)?/models/([^/:?]+):(generateContent|streamGenerateContent)(?:\?.*)?")
_STREAMED = "streamGenerateContent"
_INPUT = ("promptTokenCount", "toolUsePromptTokenCount")
_OUTPUT = ("candidatesTokenCount", "thoughtsTokenCount")
_FIELDS = {"candidates", "usageMetadata", "promptFeedback"}  # at least one of them is in each response
_UNSPECIFIED = {"FINISH_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"}  # the default values, without a meaning
_PARTS = "candidates[0].content.parts"
_ROLES = MappingProxyType({"user": "user", "assistant": "model", "model": "model"})


class GeminiDecoder(FrameDecoder):
    """Decode the body of a streamed response."""

    protocol: ClassVar[str] = "gemini"
    terminal: ClassVar[str] = "a finishReason"
    open_ended: ClassVar[bool] = True

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._next_call = 0
        self._partial: PartialArguments | None = None  # of the call that is not complete yet
        self._partial_names: tuple[str | None, str] = (None, "")  # its id and its name
        self._start: bytes | None = b""  # the first bytes, until they show the framing

    def feed(self, data: bytes) -> list[Delta]:
        """Decode the next bytes of the body, as `FrameDecoder` does. The first ones show the framing."""
        if self._start is None or self._state or not isinstance(data, bytes):
            return super().feed(data)
        start = self._start + data
        is_array = starts_array(start)
        self._start = start if is_array is None else None
        if is_array:
            self._framing = JSONArrayDecoder(max_frame=self.max_frame)
        return super().feed(start if is_array is not None else b"")

    def close(self) -> list[Delta]:
        """End the stream, at the end of the body."""
        start, self._start = self._start, None
        deltas = super().feed(start) if start and not self._state else []
        return deltas + super().close()

    def _read(self, data: str, event: str) -> Delta | None:
        if data[:1] == "[" and self._ends_another_protocol(data):
            return None
        body = self._object(data)
        report = provider_report(body.get("error") or body, data) if event == "error" else report_in(body, data)
        inner = body.get("response")
        if report is None and _FIELDS.isdisjoint(body) and not isinstance(inner, dict):
            report = report_without_output(body, data)
        if report is not None:
            raise report
        return self._response({**inner, **body} if isinstance(inner, dict) else body)

    def _response(self, body: Json) -> Delta | None:
        candidate = _candidate(body)
        content = candidate.get("content")
        said = None if content is None else self._content(content)
        usage = self._read_usage(body.get("usageMetadata"), _INPUT, _OUTPUT, "usageMetadata")
        reason = self._end_reason(candidate, body)
        if reason:
            self.done = True
        refusal = _refusal(candidate, body) if reason or "promptFeedback" in body else ""
        if not (usage or reason or refusal):
            return said
        end = Delta(usage=usage, finish_reason=reason, refusal=refusal)
        return end if said is None else joined_deltas([said, end])

    def _end_reason(self, candidate: Json, body: Json) -> str | None:
        """Return the reason why the output ended, or why there is none. Return None if the frame has no reason."""
        reason = candidate.get("finishReason")
        if reason is None and body.get("promptFeedback") is not None:
            feedback = expect(body["promptFeedback"], dict, "promptFeedback")
            return _known(self._reason(feedback.get("blockReason"), "promptFeedback.blockReason"))
        return _known(self._reason(reason, "candidates[0].finishReason"))

    def _content(self, content: object) -> Delta | None:
        """Return the text, the thinking with its signatures, and the tool calls of a candidate."""
        parts = expect(content, dict, "candidates[0].content").get("parts")
        parts = [] if parts is None else expect(parts, list, _PARTS)
        if len(parts) == 1 and type(parts[0]) is dict and len(parts[0]) == 1 and type(parts[0].get("text")) is str:
            return Delta(parts[0]["text"]) if parts[0]["text"] else None  # as nearly every frame
        text: list[str] = []
        thinking: list[str] = []
        signature: list[str] = []
        calls: list[ToolCallDelta] = []
        for part in parts:
            piece = expect(part, dict, f"{_PARTS}[]").get("text")
            if piece is not None:
                is_thought = "thought" in part and optional(part["thought"], bool, f"{_PARTS}[].thought")
                (thinking if is_thought else text).append(expect(piece, str, f"{_PARTS}[].text"))
            if part.get("thoughtSignature") is not None:
                signature.append(expect(part["thoughtSignature"], str, f"{_PARTS}[].thoughtSignature"))
            if part.get("functionCall") is not None:
                calls += self._call(expect(part["functionCall"], dict, f"{_PARTS}[].functionCall"))
        delta = Delta("".join(text), "".join(thinking), tuple(calls), signature="".join(signature))
        return delta if delta != Delta() else None

    def _call(self, call: Json) -> Iterable[ToolCallDelta]:
        """Return the fragments of a call, which is complete or a piece of one."""
        path = f"{_PARTS}[].functionCall"
        continues = optional(call.get("willContinue"), bool, f"{path}.willContinue") or False
        name = optional(call.get("name"), str, f"{path}.name") or None
        if self._partial is not None and name and not self._continues(call, name):
            self._note("call-not-ended", f"another call starts before the end of the call {self._next_call - 1}")
            yield self._end_call()
        if self._partial is None:
            ident = optional(call.get("id"), str, f"{path}.id") or None
            index, self._next_call = self._next_call, self._next_call + 1
            name = expect(call.get("name"), str, f"{path}.name")
            if not continues and call.get("partialArgs") is None:
                yield ToolCallDelta(index, ident, name, self._arguments(call.get("args"), f"{path}.args", dict))
                return
            yield ToolCallDelta(index, ident, name)
            self._partial, self._partial_names = PartialArguments(), (ident, name)
        if call.get("partialArgs") is not None:
            self._partial.add(call["partialArgs"], f"{path}.partialArgs")
        if not continues:
            yield self._end_call()

    def _continues(self, call: Json, name: str) -> bool:
        """Return whether a piece that repeats the name belongs to the call that is not complete yet."""
        ident = call.get("id")
        return ident == self._partial_names[0] if ident else name == self._partial_names[1]

    def _end_call(self) -> ToolCallDelta:
        """Return the complete arguments of the call in pieces."""
        partial, self._partial = self._partial or PartialArguments(), None
        return ToolCallDelta(self._next_call - 1, arguments=partial.text(f"{_PARTS}[].functionCall"))

    def _flush(self) -> Delta | None:
        if self._partial is None:
            return None
        self._note("call-not-ended", f"the stream ends before the end of the call {self._next_call - 1}")
        return Delta(tool_calls=(self._end_call(),))


@dataclass(frozen=True, slots=True)
class Gemini(Adapter):
    """The adapter for Gemini's `generateContent`. The API key is sent in `x-goog-api-key`."""

    protocol: ClassVar[str] = "gemini"
    auth_header: ClassVar[str] = "x-goog-api-key"
    auth_prefix: ClassVar[str] = ""
    _decoder: ClassVar[type[FrameDecoder]] = GeminiDecoder
    _encoder: ClassVar[type[FrameEncoder]] = GeminiEncoder

    version: str = "v1beta"
    """The version of the protocol in the path: "v1", or "v1beta" with newer features."""

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol.

        A stream without `alt=sse` belongs to `GeminiArray`.
        """
        found = _PATH.fullmatch(path)
        if found is None or _is_array(path, found):
            return None
        return ParsedRequest(unquote(found[1]), stream=found[2] == _STREAMED, body=body)

    def _option_names(self) -> Mapping[str, str]:
        names = ("temperature", "max_new_tokens", "seed", "stop")
        return dict(zip(names, ("temperature", "maxOutputTokens", "seed", "stopSequences"), strict=True))

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        system, turns = split_system(gemini_turns(request.turns))
        settings = request.settings
        if request.schema is not None:
            settings = {**settings, "responseMimeType": "application/json", "responseJsonSchema": request.schema}
        body: Json = {"contents": [*map(_content, turns)]}
        if system:
            body["systemInstruction"] = {"parts": [{"text": text} for text in system]}
        if settings:
            body["generationConfig"] = settings
        model = quote(request.model.removeprefix("models/"), safe="")
        method = "streamGenerateContent?alt=sse" if request.stream else "generateContent"
        return f"/{self.version}/models/{model}:{method}", body

    def _parse_answer(self, body: Json) -> Answer:
        decoder = GeminiDecoder(strict=True)
        delta = decoder._response(body)
        if delta is None or not decoder.done:
            raise FrameFaultError("it has no finishReason")
        return Answer.of([delta])


@dataclass(frozen=True, slots=True)
class GeminiArray(Gemini):
    """The server's side of a stream without `alt=sse`: a JSON array, whose objects arrive one after another.

    Clients that read it are rare, such as https://github.com/simonw/llm-gemini. Its errors are arrays too.
    """

    media_type: ClassVar[str] = "application/json"
    _encoder: ClassVar[type[FrameEncoder]] = GeminiArrayEncoder

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request for a stream without `alt=sse`. Return None for any other path."""
        found = _PATH.fullmatch(path)
        return ParsedRequest(unquote(found[1]), body=body) if found and _is_array(path, found) else None

    def encode_error(self, kind: str, message: str, code: str | None = None) -> bytes:
        """Return the body of a response that reports an error, an array of one object."""
        return b"[" + Gemini.encode_error(self, kind, message, code) + b"]"


def _is_array(path: str, found: re.Match[str]) -> bool:
    return found[2] == _STREAMED and parse_qs(path.partition("?")[2]).get("alt") != ["sse"]


def _candidate(body: dict[str, object]) -> dict[str, object]:
    """Return the candidate with index 0, or an empty one if there is none."""
    candidates = body.get("candidates")
    for value in [] if candidates is None else expect(candidates, list, "candidates"):
        candidate = expect(value, dict, "candidates[]")
        if not optional(candidate.get("index"), int, "candidates[].index"):
            return candidate
    return {}


def _known(reason: str | None) -> str | None:
    return None if reason in _UNSPECIFIED else reason


def _refusal(candidate: Json, body: Json) -> str:
    """Return the words about a refused prompt or output."""
    feedback = body.get("promptFeedback")
    words = feedback.get("blockReasonMessage") if isinstance(feedback, dict) else None
    if words is None and candidate.get("finishReason") in REFUSED:
        words = candidate.get("finishMessage")
    return words if isinstance(words, str) else ""


def _content(turn: dict[str, object]) -> Json:
    """Return a message in Gemini's format. Its content can already be a list of parts."""
    role, content = _ROLES.get(str(turn["role"])), turn.get("content")
    if role is None:
        raise InvalidArgumentError("messages", excerpt(turn), "The role must be user, assistant, model or system.")
    if isinstance(content, list):
        return {"role": role, "parts": content}
    return {"role": role, "parts": [{"text": text_content(turn)}]}
