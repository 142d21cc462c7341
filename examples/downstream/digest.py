"""A digest of a model's answer: a dated list of its sentences, which never has an e-mail address."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pytest_streamval import PartialValidationResult, Requirement, SimpleContext, stream_with_chunking

if TYPE_CHECKING:
    from pytest_streamval import Backend, Context, Council

REFUSED = "- (The rest has an e-mail address.)"


class NoAddresses(Requirement):
    """The answer has no e-mail address."""

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Stop the answer before a sentence with an address."""
        return PartialValidationResult("fail" if "@" in chunk else "pass")


async def digest(backend: Backend, question: str) -> list[str]:
    """Return the lines of a digest. An error of the provider is raised."""
    today = dt.datetime.now(dt.UTC)
    lines = [f"{today:%d %B %Y}: {question}"]
    async with stream_with_chunking(question, backend, SimpleContext(), requirements=[NoAddresses()]) as run:
        lines += [f"- {sentence}" async for sentence in run.astream()]
    return lines if run.outcome == "done" else [*lines, REFUSED]


async def decide(council: Council, question: str) -> str:
    """Return the answer on which a council agrees, or what its members say."""
    result = await council.ask(question)
    return result.synthesis or " / ".join(answer.text for answer in result.usable_answers)
