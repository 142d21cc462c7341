"""Backends and requirements for the tests of councils."""

from __future__ import annotations

from pytest_streamval import Backend, PartialValidationResult, Requirement, ValidationResult


class FunctionBackend(Backend):
    """Calls a function with the context for its answer."""

    def __init__(self, answer) -> None:
        self.answer = answer

    async def generate_from_context(self, action, ctx, **options):
        return await self.answer(ctx.add(action))


class Never(Requirement):
    """Fails a chunk that contains a word."""

    def __init__(self, word: str) -> None:
        super().__init__(f"never say {word}")
        self.word = word

    async def stream_validate(self, chunk, *, backend, ctx):
        if self.word in chunk:
            return PartialValidationResult("fail", reason=f"it says {chunk}")
        return PartialValidationResult("pass")

    async def validate(self, backend, ctx, **options):
        return ValidationResult(True)
