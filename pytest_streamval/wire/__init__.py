"""Bytes and deltas: what providers send, decoded. Sans-IO: no socket, no clock, no task."""

from pytest_streamval.wire.anthropic import AnthropicMessagesDecoder
from pytest_streamval.wire.frames import FrameDecoder
from pytest_streamval.wire.openai import OpenAIChatDecoder
from pytest_streamval.wire.sse import ServerSentEvent, SSEDecoder

__all__ = ["AnthropicMessagesDecoder", "FrameDecoder", "OpenAIChatDecoder", "SSEDecoder", "ServerSentEvent"]
