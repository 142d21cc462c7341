"""A backend of your own in a page, for any server with OpenAI's chat completions.

`STREAMVAL_URL` is the address (default: Ollama on this machine), and `STREAMVAL_BACKEND` the model, as
`provider:model`. It needs httpx2: pip install "pytest-streamval[live]".
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import httpx2

from pytest_streamval import Backend, CBlock, Message, ModelOption, ModelOutputThunk
from pytest_streamval.wire import OpenAIChatDecoder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytest_streamval import Component, Context

NAMES = {ModelOption.TEMPERATURE: "temperature", ModelOption.MAX_NEW_TOKENS: "max_tokens", ModelOption.SEED: "seed"}


class ChatBackend(Backend):
    """Streams the answers of a chat model. A cancelled output closes its connection."""

    def __init__(self, url: str | None = None, model: str | None = None) -> None:
        self.url = url or os.environ.get("STREAMVAL_URL", "http://127.0.0.1:11434/v1")
        self.model = model or os.environ.get("STREAMVAL_BACKEND", "ollama:granite4:micro").partition(":")[2]

    async def generate_from_context(
        self,
        action: Component | CBlock,
        ctx: Context,
        *,
        format: object | None = None,  # noqa: A002  # the interface's word
        model_options: Mapping[str, object] | None = None,
    ) -> tuple[ModelOutputThunk, Context]:
        """Start a request and return its output at once."""
        options = model_options or {}
        body = {
            "model": self.model,
            "messages": [*map(turn, ctx.view_for_generation()), turn(action)],
            "stream": True,
            "stream_options": {"include_usage": True},
            **{NAMES[ModelOption(key)]: value for key, value in options.items() if key in NAMES},
        }

        async def produce(thunk: ModelOutputThunk) -> None:
            decoder = OpenAIChatDecoder()
            async with (
                httpx2.AsyncClient(timeout=60) as client,
                client.stream("POST", f"{self.url}/chat/completions", json=body) as response,
            ):
                if response.is_error:
                    await response.aread()
                    msg = f"{self.url} answered {response.status_code}: {response.text}"
                    raise RuntimeError(msg)
                async for data in response.aiter_raw():
                    for delta in decoder.feed(data):
                        await thunk.put(delta)
            decoder.close()

        thunk = ModelOutputThunk(action=action)
        thunk.generation.model, thunk.generation.provider, thunk.generation.streaming = self.model, self.url, True
        thunk.start(produce)
        return thunk, ctx.add(action).add(thunk)


def turn(entry: Component | CBlock | ModelOutputThunk) -> dict[str, str]:
    """Return an entry of a context as a message of the protocol."""
    if isinstance(entry, ModelOutputThunk):
        return {"role": "assistant", "content": str(entry)}
    if isinstance(entry, Message):
        return {"role": entry.role, "content": entry.content}
    return {"role": "user", "content": str(entry) if isinstance(entry, CBlock) else entry.format_for_llm()}
