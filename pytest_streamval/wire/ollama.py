"""Ollama's chat, and its older endpoint for a single prompt.

Source: https://docs.ollama.com/api/streaming. A stream is NDJSON. Every line has a piece of the output, and the last
line has `done`, with token counts and durations. A response that is not streamed is a single such object. `/api/chat`
has its text in `message`, `/api/generate` in `response`, and both are read. Tool calls come complete. An error is a
line with `error`.

`done_reason` can be missing or null on older servers. Then the finish reason is unknown. Durations are not read,
because a delta has no fields for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Literal

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.wire.adapter import Adapter, model_in, split_system, text_content
from pytest_streamval.wire.encoding import CompleteCallEncoder, FrameEncoder, arguments_of, finish_reasons
from pytest_streamval.wire.error_reports import provider_report
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.json_values import expect, optional
from pytest_streamval.wire.logprobs import token_logprobs
from pytest_streamval.wire.ndjson import NDJSONDecoder, ndjson_line
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest
from pytest_streamval.wire.tool_turns import ollama_turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.adapter import ChatRequest
    from pytest_streamval.wire.encoding import Json

_PATHS = MappingProxyType({"chat": "/api/chat", "generate": "/api/generate"})
_INPUT = "prompt_eval_count"
_OUTPUT = "eval_count"
_MILLISECOND = 1_000_000  # in nanoseconds, the unit of durations


class OllamaDecoder(FrameDecoder):
    """Decode the body of a streamed response of either endpoint."""

    protocol: ClassVar[str] = "ollama"
    terminal: ClassVar[str] = "the line with done"
    reads_after_end: ClassVar[bool] = True
    framing: ClassVar[type[NDJSONDecoder]] = NDJSONDecoder

    def __init__(self, *, strict: bool = False) -> None:
        super().__init__(strict=strict)
        self._next_call = 0

    def _read(self, data: str, event: str) -> Delta | None:  # noqa: ARG002  # lines have no event name
        body = self._object(data)
        error = body.get("error")
        if error:
            raise provider_report(error, data)
        return self._line(body)

    def _line(self, body: dict[str, object]) -> Delta | None:
        message = body.get("message")
        if message is None:
            source, text = body, optional(body.get("response"), str, "response") or ""
        else:
            source = expect(message, dict, "message")
            text = optional(source.get("content"), str, "message.content") or ""
        thinking = optional(source.get("thinking"), str, "thinking") or ""
        calls = source.get("tool_calls")
        tool_calls = () if calls is None else self._tool_calls(calls)
        usage = reason = None
        if optional(body.get("done"), bool, "done"):
            usage = self._read_usage(body, (_INPUT,), (_OUTPUT,), "")
            reason = self._reason(body.get("done_reason"), "done_reason")
            self.done = True
        if text or thinking or tool_calls or usage or reason:
            return Delta(text, thinking, tool_calls, usage, reason)
        return None

    def _tool_calls(self, calls: object) -> tuple[ToolCallDelta, ...]:
        return tuple(map(self._tool_call, expect(calls, list, "message.tool_calls")))

    def _tool_call(self, value: object) -> ToolCallDelta:
        path = "message.tool_calls[]"
        call = expect(value, dict, path)
        function = expect(call.get("function"), dict, f"{path}.function")
        index, self._next_call = self._next_call, self._next_call + 1
        ident = optional(call.get("id"), str, f"{path}.id") or None
        name = expect(function.get("name"), str, f"{path}.function.name")
        arguments = self._arguments(function.get("arguments"), f"{path}.function.arguments", dict)
        return ToolCallDelta(index, ident, name, arguments)


class OllamaEncoder(CompleteCallEncoder):
    """Encode a response in Ollama's format.

    A signature is left out, because there is no field for it.

    The finish reason, the token counts and the durations are in the last line. The durations are in proportion to the
    counts, a millisecond per token, because an encoder has no clock.
    """

    protocol: ClassVar[str] = "ollama"
    reasons: ClassVar[Mapping[str, str]] = finish_reasons(stop="stop", length="length", tool_calls="stop")
    usual_reasons: ClassVar[tuple[str, str]] = ("stop", "stop")

    @staticmethod
    def error(kind: str, message: str, code: str | None = None) -> Json:  # noqa: ARG004  # the protocol has no field for a kind or a code
        """Return the JSON of an error, for a stream and for a response that is not streamed."""
        return {"error": message}

    def _frames(self, delta: Delta) -> Iterable[Json]:
        self._check_refusal(delta.refusal)
        if delta.text or delta.thinking:
            yield from self._calls_line(self._partial_calls())
        calls = self._complete_calls(delta)
        if delta.text or delta.thinking or calls:
            yield self._line(delta.text, delta.thinking, calls)

    def _calls_line(self, calls: list[ToolCall]) -> Iterable[Json]:
        if calls:
            yield self._line("", "", calls)

    def _ending(self) -> Iterable[Json]:
        yield from self._calls_line(self._partial_calls())
        yield {**self._line("", "", []), **self._done(self._final_reason(), self._usage)}

    def _check_refusal(self, refusal: str) -> None:
        if refusal:
            raise self._unencodable(f"the refusal {excerpt(refusal)}", "there is no field for it. Send it as text.")

    def _answer_body(self, answer: Answer) -> Json:
        self._check_refusal(answer.refusal)
        line = self._line(answer.text, answer.thinking, list(answer.tool_calls))
        return {**line, **self._done(answer.finish_reason, answer.usage)}

    def _line(self, text: str, thinking: str, calls: list[ToolCall]) -> Json:
        line: Json = {"model": self._request.model, "created_at": _date(self._created)}
        thinking_field = {"thinking": thinking} if thinking else {}
        if text and self._request.body.get("logprobs") is True:
            line["logprobs"] = token_logprobs(text, self._request.body)
        if self._request.endpoint == "generate":
            if calls:
                raise self._unencodable(calls[0], f"{_PATHS['generate']} has no tool calls, but {_PATHS['chat']} has.")
            return {**line, "response": text, **thinking_field, "done": False}
        calls_field = {"tool_calls": [self._call(call) for call in calls]} if calls else {}
        return {
            **line,
            "message": {"role": "assistant", "content": text, **thinking_field, **calls_field},
            "done": False,
        }

    def _call(self, call: ToolCall) -> Json:
        ident = {} if call.id is None else {"id": call.id}
        return {**ident, "function": {"name": call.name, "arguments": arguments_of(self.protocol, call)}}

    def _done(self, reason: str | None, usage: Usage | None) -> Json:
        counted = usage or Usage()
        fields = {_INPUT: counted.input_tokens, _OUTPUT: counted.output_tokens}
        prompt, output = ((count or 1) * _MILLISECOND for count in fields.values())
        return {
            "done": True,
            "done_reason": reason,
            "total_duration": prompt + output + _MILLISECOND,
            "load_duration": _MILLISECOND,
            "prompt_eval_duration": prompt,
            "eval_duration": output,
            **{field: count for field, count in fields.items() if count is not None},
        }

    def _write(self, frame: Json) -> bytes:
        return ndjson_line(frame)


@dataclass(frozen=True, slots=True)
class Ollama(Adapter):
    """The adapter for Ollama's chat. Some servers need an API key, in `Authorization: Bearer`."""

    protocol: ClassVar[str] = "ollama"
    media_type: ClassVar[str] = "application/x-ndjson"
    signs: ClassVar[bool] = False
    _decoder: ClassVar[type[FrameDecoder]] = OllamaDecoder
    _encoder: ClassVar[type[FrameEncoder]] = OllamaEncoder

    endpoint: Literal["chat", "generate"] = "chat"
    """The endpoint of requests: "chat", or "generate" for a single prompt."""

    def __post_init__(self) -> None:
        if self.endpoint not in _PATHS:
            raise InvalidArgumentError("endpoint", excerpt(self.endpoint), "It must be 'chat' or 'generate'.")

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol.

        Ollama streams by default.
        """
        for endpoint, own in _PATHS.items():
            if path.partition("?")[0] == own:
                return ParsedRequest(
                    model_in(body), stream=body.get("stream") is not False, endpoint=endpoint, body=body
                )
        return None

    def _option_names(self) -> Mapping[str, str]:
        return {"temperature": "temperature", "max_new_tokens": "num_predict", "seed": "seed", "stop": "stop"}

    def _build(self, request: ChatRequest) -> tuple[str, Json]:
        body: Json = {"model": request.model, **self._prompt_fields(request.turns), "stream": request.stream}
        if request.schema is not None:
            body["format"] = request.schema
        if request.settings:
            body["options"] = request.settings
        return _PATHS[self.endpoint], body

    def _prompt_fields(self, turns: list[dict[str, object]]) -> Json:
        if self.endpoint == "chat":
            return {"messages": ollama_turns(turns)}
        system, others = split_system(turns)
        if [turn["role"] for turn in others] != ["user"]:
            rule = f"{_PATHS['generate']} takes a single user message. Use {_PATHS['chat']} for a conversation."
            raise InvalidArgumentError("messages", excerpt(turns), rule)
        return {"prompt": text_content(others[0]), **({"system": "\n\n".join(system)} if system else {})}

    def _parse_answer(self, body: Json) -> Answer:
        delta = OllamaDecoder(strict=True)._line(body)
        return Answer.of([] if delta is None else [delta])


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
