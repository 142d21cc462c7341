"""OpenAI's older completions, `/v1/completions`, whose output is text alone, from the side of the server.

Source: https://platform.openai.com/docs/api-reference/completions. The decoder of chat completions reads the responses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

from pytest_streamval.wire.json_values import expect
from pytest_streamval.wire.openai import OpenAIChat
from pytest_streamval.wire.openai_encoder import OpenAIChatEncoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pytest_streamval.wire.encoding import FrameEncoder, Json
    from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest

_PATH = "/v1/completions"


class OpenAICompletionsEncoder(OpenAIChatEncoder):
    """Encode a completion in OpenAI's older format. It has no thinking, no tool calls and no refusals."""

    def _opening(self) -> Iterable[Json]:
        return ()

    def _chunk(self, fields: Json, reason: str | None = None) -> Json:
        return {**super()._chunk({}, reason), "choices": [self._choice(fields, reason)]}

    def _answer_body(self, answer: Answer) -> Json:
        body = super()._answer_body(answer)
        choice = expect(expect(body["choices"], list, "choices")[0], dict, "choices[0]")
        return {**body, "choices": [self._choice(choice["message"], answer.finish_reason)]}

    def _choice(self, message: Json, reason: str | None) -> Json:
        """Return the choice with the content of a message or of a delta."""
        other = [name for name, value in message.items() if value and name not in {"role", "content"}]
        if other:
            rule = f"{_PATH} has no {other[0]}, but /v1/chat/completions has."
            raise self._unencodable(f"an output with {other[0]}", rule)
        return {"text": message.get("content") or "", "index": 0, "logprobs": None, "finish_reason": reason}

    def _head(self, kind: str) -> Json:
        del kind
        return {**super()._head("text_completion"), "id": f"cmpl-{self._ident}"}


@dataclass(frozen=True, slots=True)
class OpenAICompletions(OpenAIChat):
    """The adapter for the requests to the older completions, which a server answers. Clients here send none."""

    _paths: ClassVar[tuple[str, ...]] = (_PATH,)
    _encoder: ClassVar[type[FrameEncoder]] = OpenAICompletionsEncoder

    def parse_request(self, path: str, body: Mapping[str, object]) -> ParsedRequest | None:
        """Parse a request. Return None if its path does not belong to this protocol."""
        request = OpenAIChat.parse_request(self, path, body)  # super() fails in a dataclass with slots
        return None if request is None else replace(request, endpoint="completions")
