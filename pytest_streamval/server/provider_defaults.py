"""Defaults: the values that a provider always sends, for scripts that do not state them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_streamval.model import Delta, Usage
from pytest_streamval.scripting.steps import text_of_step
from pytest_streamval.wire.prompts import estimated_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.scripting.steps import Step


def with_usage(given: Sequence[Step], prompt: int) -> Sequence[Step]:
    """Return the steps of a script with usage: the script's own, or an estimate from the number of characters.

    Args:
        given: The steps.
        prompt: The number of tokens in the prompt.
    """
    steps = list(given)
    places = [at for at, step in enumerate(steps) if isinstance(step, (str, Delta))]
    if states_usage(steps):
        return steps
    if not places:
        return [*steps, Delta(usage=Usage(prompt, 0))]
    output = estimated_tokens(sum(map(_count_characters, steps)))
    # like providers, which know the prompt at the beginning and the complete output at the end
    for at, usage in ((places[0], Usage(prompt, 1)), (places[-1], Usage(prompt, output))):
        steps[at] = replace(_as_delta(steps[at]), usage=usage)
    return steps


def states_usage(steps: Sequence[Step]) -> bool:
    """Return whether a script states its usage."""
    return any(isinstance(step, Delta) and step.usage for step in steps)


def with_signatures(given: Sequence[Step]) -> Sequence[Step]:
    """Return the steps of a script whose thoughts are signed: with the script's own signature, or a made-up one.

    A thought is the thinking before the next text or tool call. Its made-up signature is opaque, and the same for the
    same thought.
    """
    steps = list(given)
    for place, thought in _unsigned_thoughts(steps):
        steps[place] = replace(_as_delta(steps[place]), signature=made_up_signature(thought))
    return steps


def made_up_signature(thought: str) -> str:
    """Return a signature of a thought that looks like those of providers, in Base64."""
    digest = hashlib.sha512(thought.encode(errors="surrogatepass")).digest()
    return base64.b64encode(b"\x12\x40" + digest).decode()


def _unsigned_thoughts(steps: Sequence[Step]) -> Iterator[tuple[int, str]]:
    """Yield the place of the last thinking of each thought without a signature, and the thought."""
    thought: list[str] = []
    place, is_signed, has_ended = -1, False, False
    for at, step in enumerate(steps):
        if not isinstance(step, Delta):
            has_ended = has_ended or bool(text_of_step(step))
            continue
        if step.thinking:
            if not thought or has_ended or is_signed:
                if thought and not is_signed:
                    yield place, "".join(thought)
                thought, is_signed = [], False
            thought.append(step.thinking)
            place, has_ended = at, False
        is_signed = is_signed or bool(step.signature)
        has_ended = has_ended or bool(step.text or step.tool_calls or step.refusal or step.redacted)
    if thought and not is_signed:
        yield place, "".join(thought)


def _as_delta(step: Step) -> Delta:
    return step if isinstance(step, Delta) else Delta(text_of_step(step))


def _count_characters(step: Step) -> int:
    if isinstance(step, str):
        return len(step)
    if not isinstance(step, Delta):
        return 0
    texts = (step.text, step.thinking, step.refusal, *(call.arguments for call in step.tool_calls))
    return sum(map(len, texts))
