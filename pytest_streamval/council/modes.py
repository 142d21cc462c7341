"""The modes in which members see each other's answers: `debate` and `adversarial`, both buffered."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pytest_streamval.council import prompts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_streamval.council.run import Sitting


def debate(rounds: int) -> Callable[[Sitting], Awaitable[None]]:
    """Return the mode: members answer, see what their peers said without knowing who, and answer again."""
    return partial(_debate, rounds=rounds)


async def _debate(sitting: Sitting, rounds: int) -> None:
    asked = [(member, sitting.prompt) for member in sitting.members]
    for _ in range(rounds):
        answers = await sitting.hear(asked)
        sitting.rounds.append(answers)
        left = [(member, answer) for (member, _), answer in zip(asked, answers, strict=True) if answer.usable]
        if len(left) < 2:  # noqa: PLR2004  # nobody to debate with
            break
        peers = {member.name: [other for _, other in left if other is not answer] for member, answer in left}
        asked = [(member, prompts.revision(sitting.prompt, own, peers[member.name])) for member, own in left]
    if usable := [answer for answer in sitting.rounds[-1] if answer.usable]:
        await sitting.conclude(prompts.synthesis(sitting.prompt, usable))


async def adversarial(sitting: Sitting) -> None:
    """Have the first member propose an answer, the others refute it, and the synthesizer judge between them."""
    proposer, *others = sitting.members
    (proposal,) = await sitting.hear([(proposer, sitting.prompt)])
    sitting.rounds.append((proposal,))
    if not proposal.usable:
        return
    if others:
        request = prompts.refutation(sitting.prompt, proposal)
        sitting.rounds.append(await sitting.hear((member, request) for member in others))
    refutations = [answer for answer in sitting.rounds[-1] if answer.usable and answer is not proposal]
    await sitting.conclude(prompts.verdict(sitting.prompt, proposal, refutations))
