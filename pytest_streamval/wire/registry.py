"""The adapters of all protocols."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_streamval.wire.anthropic import AnthropicMessages
from pytest_streamval.wire.gemini import Gemini
from pytest_streamval.wire.ollama import Ollama
from pytest_streamval.wire.openai import OpenAIChat
from pytest_streamval.wire.openai_responses import OpenAIResponses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval.wire.adapter import Adapter

ADAPTERS: Mapping[str, Adapter] = MappingProxyType(
    {
        adapter.protocol: adapter
        for adapter in (AnthropicMessages(), Gemini(), Ollama(), OpenAIChat(), OpenAIResponses())
    }
)
"""The adapter of each protocol, by its name."""
