"""The prompts of a council for later rounds and for the synthesizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pytest_streamval.council.results import ModelAnswer

VERSION = 1
"""The version of the prompts below. Cached results of another version are ignored."""


def synthesis(prompt: str, answers: Sequence[ModelAnswer]) -> str:
    """Return the prompt for the synthesizer."""
    return (
        "Several models have answered the same question, each on its own. Write the one answer that serves the person "
        "who asked best: keep what they agree on, settle what they disagree on by the better reasons, name what stays "
        "open, and leave out what is wrong. Do not speak of the models.\n\n"
        f"The question:\n{prompt}\n\n{_sections_of((f'Answer of {answer.name}', answer.text) for answer in answers)}"
    )


def revision(prompt: str, own: ModelAnswer, peers: Sequence[ModelAnswer]) -> str:
    """Return the prompt for a member in a later round of a debate, with its peers' answers by number."""
    others = _sections_of((f"Answer {number}", peer.text) for number, peer in enumerate(peers, start=1))
    return (
        "You have answered a question, and so have others. Compare: take over what they have right, correct what you "
        "have wrong, and stand by what you know to be true. Then give your whole answer again, complete in itself.\n\n"
        f"The question:\n{prompt}\n\n{_sections_of([('Your answer', own.text)])}\n\n{others}"
    )


def refutation(prompt: str, proposal: ModelAnswer) -> str:
    """Return the prompt for the members that refute a proposal."""
    return (
        "Refute this answer: find what in it is false, missing or not supported, the gravest first, each with the "
        "reason. Where it holds, say so; do not invent faults.\n\n"
        f"The question:\n{prompt}\n\n{_sections_of([('The proposed answer', proposal.text)])}"
    )


def verdict(prompt: str, proposal: ModelAnswer, refutations: Sequence[ModelAnswer]) -> str:
    """Return the prompt for the judge of a proposal and its refutations."""
    objections = _sections_of((f"Objections of {answer.name}", answer.text) for answer in refutations)
    return (
        "An answer was proposed, and others tried to refute it. Judge which objections hold and which do not, then "
        "give the answer that stands after that.\n\n"
        f"The question:\n{prompt}\n\n{_sections_of([('The proposed answer', proposal.text)])}\n\n{objections}"
    )


def _sections_of(parts: Iterable[tuple[str, str]]) -> str:
    return "\n\n".join(f"## {heading}\n\n{text}" for heading, text in parts)
