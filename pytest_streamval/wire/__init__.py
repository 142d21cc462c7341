"""Bytes and deltas: what goes between a client and a provider. Sans-IO: no socket, no clock, no task."""

from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.anthropic import AnthropicMessages, AnthropicMessagesDecoder
from pytest_streamval.wire.encoding import FrameEncoder
from pytest_streamval.wire.exchange import Answer, Asked, WireRequest
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.gemini import Gemini, GeminiDecoder
from pytest_streamval.wire.ndjson import NDJSONDecoder, NDJSONLine, ndjson_line
from pytest_streamval.wire.ollama import Ollama, OllamaDecoder
from pytest_streamval.wire.openai import OpenAIChat, OpenAIChatDecoder
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.responses import OpenAIResponses, OpenAIResponsesDecoder
from pytest_streamval.wire.sse import ServerSentEvent, SSEDecoder, SSEEncoder

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Answer",
    "AnthropicMessages",
    "AnthropicMessagesDecoder",
    "Asked",
    "FrameDecoder",
    "FrameEncoder",
    "Gemini",
    "GeminiDecoder",
    "NDJSONDecoder",
    "NDJSONLine",
    "Ollama",
    "OllamaDecoder",
    "OpenAIChat",
    "OpenAIChatDecoder",
    "OpenAIResponses",
    "OpenAIResponsesDecoder",
    "SSEDecoder",
    "SSEEncoder",
    "ServerSentEvent",
    "WireRequest",
    "ndjson_line",
]
