"""Backends for the tests of sessions."""

from __future__ import annotations

from abc import abstractmethod

from pytest_streamval import Backend, ModelOutputThunk


class ProducerBackend(Backend):
    """Starts `produce` for each generation."""

    @abstractmethod
    async def produce(self, thunk: ModelOutputThunk, action) -> None:
        """Put the deltas of an output."""

    async def generate_from_context(self, action, ctx, *, model_options=None):
        thunk = ModelOutputThunk(action=action)
        thunk.start(lambda thunk: self.produce(thunk, action))
        return thunk, ctx.add(action).add(thunk)
