"""The part that both versions of mellea share: a backend's double, made as in mellea's own tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from mellea.core.backend import Backend
from mellea.core.base import GenerateType, ModelOutputThunk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from benchmarks.peers.adapters.source import Source

    Send = Callable[[ModelOutputThunk, AsyncIterator[str]], Coroutine[Any, Any, None]]

FOUR = 3
"""The `chunk_size` of a real backend: how many tokens beyond the first a read waits for. Its tests say 0."""


class Feeding(Backend):
    """Puts the tokens of a source directly into the queue of the output."""

    def __init__(self, source: Source, send: Send | None = None) -> None:
        """Make a backend.

        Args:
            source: The tokens to send.
            send: The function that sends the deltas of a provider in mellea's real backends. Without it they are put
                into the queue, as in its tests, which costs least.
        """
        self.source = source
        self.send = send
        self._model_id = self._provider = "peer"

    async def _generate_from_context(self, action: Any, ctx: Any, **options: Any) -> Any:  # noqa: ANN401
        mot: ModelOutputThunk = ModelOutputThunk(value=None)
        mot._call.action = action
        mot._gen.generate_type = GenerateType.ASYNC
        mot._gen.process = _process
        mot._gen.post_process = _post_process
        if self.send is None:
            mot._gen.chunk_size = 0
            produced = self._produce(mot._gen.queue)
        else:
            mot._gen.chunk_size = FOUR
            mot._call.model_options = options["model_options"]
            produced = self.send(mot, self.source.stream())
        mot._gen.generate = asyncio.create_task(produced)
        return mot, ctx.add(action).add(mot)

    async def _produce(self, queue: asyncio.Queue[str | None]) -> None:
        await self.source.feed(queue.put)
        await queue.put(None)

    async def _generate_from_raw(self, actions: Any, ctx: Any, **options: Any) -> Any:  # noqa: ANN401
        raise NotImplementedError


async def _process(mot: ModelOutputThunk, chunk: str) -> None:
    if mot._underlying_value is None:
        mot._underlying_value = ""
    mot._underlying_value += chunk


async def _post_process(mot: ModelOutputThunk) -> None:
    pass
