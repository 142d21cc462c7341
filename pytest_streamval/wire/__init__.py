"""The provider protocols: decoding and encoding of streams, requests and responses. No module here does any I/O."""

from pytest_streamval.wire.adapter import Adapter
from pytest_streamval.wire.anthropic import AnthropicMessages, AnthropicMessagesDecoder
from pytest_streamval.wire.encoding import FrameEncoder
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.gemini import Gemini, GeminiDecoder
from pytest_streamval.wire.ndjson import NDJSONDecoder, NDJSONLine, ndjson_line
from pytest_streamval.wire.ollama import Ollama, OllamaDecoder
from pytest_streamval.wire.openai import OpenAIChat, OpenAIChatDecoder
from pytest_streamval.wire.openai_responses import OpenAIResponses, OpenAIResponsesDecoder
from pytest_streamval.wire.reading import StreamReading, read_stream
from pytest_streamval.wire.registry import ADAPTERS
from pytest_streamval.wire.request_and_answer import Answer, ParsedRequest, WireRequest
from pytest_streamval.wire.sse import ServerSentEvent, SSEDecoder, SSEEncoder

__all__ = [
    "ADAPTERS",
    "Adapter",
    "Answer",
    "AnthropicMessages",
    "AnthropicMessagesDecoder",
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
    "ParsedRequest",
    "SSEDecoder",
    "SSEEncoder",
    "ServerSentEvent",
    "StreamReading",
    "WireRequest",
    "ndjson_line",
    "read_stream",
]
