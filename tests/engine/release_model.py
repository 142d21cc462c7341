"""Random runs with guards, and a model of the text that they may release."""

import random
from dataclasses import dataclass, field

from pytest_streamval import (
    PartialValidationResult,
    Requirement,
    Restart,
    Script,
    SimpleContext,
    StreamingMockBackend,
    ValidationResult,
    stream_with_chunking,
)
from pytest_streamval.engine.simple_chunkers import resolve_chunking

WORDS = (
    "One",
    "two.",
    "Dr.",
    "swordfish",
    "a",
    "is",
    "it!",
    "é",
    "\n",
    "\n\n",
    "  ",
    "secret.",
    "x" * 30,
    '"Yes."',
    "",
)
CHUNKINGS = ("word", "sentence", "line", "paragraph")


def random_text(rng, *, words=12):
    return "".join(rng.choice(WORDS) + rng.choice((" ", " ", "\n", "")) for _ in range(rng.randrange(words)))


def random_cut(rng, text):
    """Return a script of the text in random deltas."""
    deltas = []
    while text:
        size = rng.choice((1, 1, 2, 3, 5, 8, 40, len(text)))
        deltas.append(text[:size])
        text = text[size:]
    return Script(tuple(deltas))


def chunks_of(chunking, text):
    chunker = resolve_chunking(chunking).chunker()
    return [*chunker.feed(text), *chunker.flush()]


@dataclass
class Plan:
    """The verdicts on the chunks of one attempt: `"pass"`, `"fail"`, or `("replace", text)`, and the final one."""

    verdicts: dict = field(default_factory=dict)
    final: bool = True

    @classmethod
    def drawn(cls, rng, count, *, failing=0.1, replacing=0.1, rejecting=0.2):
        verdicts = {}
        for index in range(count):
            dice = rng.random()
            if dice < failing:
                verdicts[index] = "fail"
            elif dice < failing + replacing:
                verdicts[index] = ("replace", rng.choice(("", "[gone]", "a b. c", "***")))
        return cls(verdicts, rng.random() >= rejecting)


class Planned(Requirement):
    """Returns the verdicts of the plan of each attempt, and records the texts that it saw."""

    def __init__(self, plans, seen):
        super().__init__(name="planned")
        self.plans = plans
        self.seen = seen
        self.attempt = -1
        self.index = -1

    def __copy__(self):
        twin = Planned(self.plans, self.seen)
        twin.attempt = self.seen["attempts"]
        self.seen["attempts"] += 1
        return twin

    async def stream_validate(self, chunk, *, backend, ctx):
        self.index += 1
        self.seen["texts"].append((self.attempt, self.index, chunk, str(ctx.last_output())))
        verdict = self.plans[self.attempt].verdicts.get(self.index, "pass")
        if isinstance(verdict, tuple):
            return PartialValidationResult("fail", replacement=verdict[1])
        return PartialValidationResult(verdict, reason=f"chunk {self.index}" if verdict == "fail" else None)

    async def validate(self, backend, ctx, **options):
        self.seen["final"].append(str(ctx.last_output()))
        return ValidationResult(self.plans[self.attempt].final)


@dataclass
class Expected:
    """The text that a run may release, computed from the complete texts of its attempts."""

    received: list = field(default_factory=list)  # chunks, and None for a restart
    lossless: str = ""  # since the last restart
    accepted: bool = False
    attempts: int = 0
    texts: list = field(default_factory=list)  # (attempt, index, chunk, text so far)


def expected(texts, plans, chunking, *, holdback, on_retry="restart"):
    """Return the outcome by the rules of the guide, without any streaming."""
    result = Expected()
    for number, (text, plan) in enumerate(zip(texts, plans, strict=True)):
        result.attempts = number + 1
        if number and on_retry == "restart":
            result.received.append(None)
            result.lossless = ""
        held, end, edited, stopped = [], 0, "", False
        for index, chunk in enumerate(chunks_of(chunking, text)):
            before = edited + text[end : chunk.start]
            result.texts.append((number, index, chunk.text, before + chunk.text))
            verdict = plan.verdicts.get(index, "pass")
            if verdict == "fail":
                stopped = True
                break
            released = verdict[1] if isinstance(verdict, tuple) else chunk.text
            edited, end = before + released, chunk.end
            held.append((released, edited))
        if stopped:
            kept = 0 if on_retry == "hold" else max(0, len(held) - holdback)
        else:
            edited += text[end:]
            kept = 0 if on_retry == "hold" and not plan.final else len(held)
        result.received += [released for released, _ in held[:kept] if released]
        result.lossless = held[kept - 1][1] if kept else ""
        if not stopped and (on_retry != "hold" or plan.final):
            result.lossless = edited
        if not stopped and plan.final:
            result.accepted = True
            break
    return result


async def play(rng, texts, plans, chunking, *, lossless=False, **options):
    """Run it, and return the result, the received pieces, and the record of the requirement."""
    seen = {"attempts": 0, "texts": [], "final": []}
    backend = StreamingMockBackend(*(random_cut(rng, text) for text in texts))
    async with stream_with_chunking(
        "Go", backend, SimpleContext(), requirements=[Planned(plans, seen)], chunking=chunking, **options
    ) as run:
        received = [piece async for piece in run.astream(lossless=lossless)]
    return run, [None if isinstance(piece, Restart) else piece for piece in received], seen, backend


def rng_of(seed):
    return random.Random(seed)  # noqa: S311  # no secret
