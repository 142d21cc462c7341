# pytest: e2e, integration
"""Sessions: a script that calls a model many times at once, and checks it while it writes.

Without an argument it calls the model in `STREAMVAL_BACKEND` at the address in `STREAMVAL_URL`, or Ollama on this
machine. With one it plays possible answers of a model: python examples/sessions.py --mock
"""

from __future__ import annotations

import asyncio
import sys

from requirements import MaxSentences

from pytest_streamval import ModelOption, Requirement, Session, ValidationResult, start_session, wait_for_all_mots
from pytest_streamval.errors import NoAcceptedAttemptError

SAYS = [
    "Hello, I am a model.",
    "You said hello.",
    "A mountain is patient.",
    "A river is not.",
    "Water rises. It falls as rain. It runs to the sea. And so on.",
    "Grey.",
    "Grey is the sky, and the rain comes by.",
]
OPTIONS = {ModelOption.TEMPERATURE: 0, ModelOption.SEED: 1, ModelOption.MAX_NEW_TOKENS: 60}


def talk(session: Session) -> None:
    """Have a conversation, without a coroutine."""
    print("chat:", session.chat("Hello. Who are you?"))
    print("chat:", session.chat("What did I say?"))


async def write(session: Session) -> None:
    """Write two lines at the same time."""
    thunks = [await session.ainstruct("A line about a {{what}}.", user_variables={"what": what}) for what in THINGS]
    await wait_for_all_mots(thunks)
    for what, thunk in zip(THINGS, thunks, strict=True):
        print(f"{what}:", thunk.value)


async def stop_early(session: Session) -> None:
    """Stop the model as soon as it has said enough."""
    async with await session.stream("Explain the water cycle.", requirements=[MaxSentences(3)]) as result:
        async for sentence in result.astream():
            print("stream:", sentence)
    print("stopped early:", not result.completed)


async def insist(session: Session) -> None:
    """Ask again, with the reasons of the failure, until the answer is accepted."""
    rain = Requirement("mentions rain", lambda ctx: ValidationResult("rain" in str(ctx.last_output()).lower()))
    thunk = await session.ainstruct("Describe the weather.", requirements=[rain], max_attempts=3)
    try:
        print("accepted:", await thunk.avalue())
    except NoAcceptedAttemptError as error:
        print(error)


THINGS = ("mountain", "river")


async def main(session: Session) -> None:
    """Ask in a coroutine."""
    await write(session)
    await stop_early(session)
    await insist(session)


if __name__ == "__main__":
    said = SAYS if "--mock" in sys.argv[1:] else None
    with start_session(said, model_options=OPTIONS) as opened:
        talk(opened)
        asyncio.run(main(opened))
