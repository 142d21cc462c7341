"""The modes of a council: in which order members and the synthesizer receive which prompts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.council import prompts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pytest_streamval.council.run import CouncilRun


async def raw(run: CouncilRun) -> None:
    """Ask each member on its own."""
    await run.ask_members((member, run.prompt) for member in run.members)


async def synthesize(run: CouncilRun) -> None:
    """Ask each member on its own, then let the synthesizer combine the usable answers."""
    answers = await run.ask_members((member, run.prompt) for member in run.members)
    if usable := [answer for answer in answers if answer.usable]:
        await run.ask_synthesizer(prompts.synthesis(run.prompt, usable))


async def debate(run: CouncilRun) -> None:
    """Let members answer, read the answers of their peers without names, and answer again, then synthesize."""
    requests = [(member, run.prompt) for member in run.members]
    for _ in range(run.max_rounds):
        answers = await run.ask_members(requests)
        run.rounds.append(answers)
        left = [(member, answer) for (member, _), answer in zip(requests, answers, strict=True) if answer.usable]
        if len(left) < 2:  # noqa: PLR2004  # one member cannot debate
            break
        peers = {member.name: [other for _, other in left if other is not answer] for member, answer in left}
        requests = [(member, prompts.revision(run.prompt, own, peers[member.name])) for member, own in left]
    if usable := [answer for answer in run.rounds[-1] if answer.usable]:
        await run.ask_synthesizer(prompts.synthesis(run.prompt, usable))


async def adversarial(run: CouncilRun) -> None:
    """Let the first member propose an answer, the others refute it, and the synthesizer give a verdict."""
    proposer, *others = run.members
    (proposal,) = await run.ask_members([(proposer, run.prompt)])
    run.rounds.append((proposal,))
    if not proposal.usable:
        return
    if others:
        request = prompts.refutation(run.prompt, proposal)
        run.rounds.append(await run.ask_members((member, request) for member in others))
    refutations = [answer for answer in run.rounds[-1] if answer.usable and answer is not proposal]
    await run.ask_synthesizer(prompts.verdict(run.prompt, proposal, refutations))


MODES: dict[str, Callable[[CouncilRun], Awaitable[None]]] = {
    "synthesize": synthesize,
    "raw": raw,
    "debate": debate,
    "adversarial": adversarial,
}
"""All modes, by name."""
STREAMED = ("synthesize", "raw")
"""The modes that support streaming."""
