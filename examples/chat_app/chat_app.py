"""A small chat back end: it streams the sentences that passed its moderation, calls a tool, and keeps conversations."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from pytest_streamval import (
    ChatContext,
    Message,
    PartialValidationResult,
    Requirement,
    StreamvalError,
    stream_with_chunking,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from pytest_streamval import Backend, Context, ToolCall

MOST_TOOL_CALLS = 3
"""The rounds of tool calls that one question may take."""


class Moderation(Requirement):
    """Fails a sentence with a word that must not leave the back end."""

    def __init__(self, words: Collection[str]) -> None:
        super().__init__("no confidential words")
        self.words = tuple(words)

    async def stream_validate(self, chunk: str, *, backend: Backend, ctx: Context) -> PartialValidationResult:
        """Look for the words in a sentence."""
        found = [word for word in self.words if word in chunk.lower()]
        return PartialValidationResult("fail" if found else "pass", reason=", ".join(found) or None)


class Store:
    """The conversations, by name. A real one is a database."""

    def __init__(self) -> None:
        self.messages: defaultdict[str, list[Message]] = defaultdict(list)
        self.outcomes: dict[str, str] = {}
        """How the last answer of each conversation ended."""

    def context(self, conversation: str) -> ChatContext:
        """Return a conversation as a context."""
        context: Any = ChatContext()
        for message in self.messages[conversation]:
            context = context.add(message)
        return context

    def add(self, conversation: str, question: str, answer: str, outcome: str) -> None:
        """Add a question, and the part of its answer that left the back end."""
        self.messages[conversation] += [Message("user", question), Message("assistant", answer)]
        self.outcomes[conversation] = outcome


class Question(BaseModel):
    """The body of a request."""

    conversation: str
    message: str


def create_app(backend: Backend, store: Store, confidential: Collection[str] = ()) -> FastAPI:
    """Return the application.

    Args:
        backend: The model.
        store: The conversations.
        confidential: Words that must not leave, in lower case.
    """
    app = FastAPI()

    @app.post("/chat")
    async def chat(question: Question) -> StreamingResponse:
        return StreamingResponse(answer(question), media_type="text/event-stream")

    @app.get("/conversations/{name}")
    async def conversation(name: str) -> list[dict[str, str]]:
        return [{"role": message.role, "content": message.content} for message in store.messages[name]]

    async def answer(question: Question) -> AsyncIterator[str]:
        context: Any = store.context(question.conversation)
        prompt = question.message
        for _ in range(MOST_TOOL_CALLS + 1):
            released, outcome, calls = "", "left", ()
            run = await stream_with_chunking(
                Message("user", prompt), backend, context, chunking="sentence", requirements=[Moderation(confidential)]
            )
            try:
                async with run:
                    async for sentence in run.astream():
                        released = f"{released} {sentence}".lstrip()
                        yield event("sentence", text=sentence)
                outcome = run.outcome or "left"
                calls = run.as_thunk.tool_calls if run.completed else ()
            except StreamvalError as error:
                outcome = "failed"
                yield event("error", error=type(error).__name__)
            finally:
                store.add(question.conversation, prompt, released, outcome)
            if not calls:
                break
            context = store.context(question.conversation)
            prompt = "\n".join(f"{call.name} returned {use_tool(call)}" for call in calls)
            yield event("tool", name=calls[0].name)
        yield event("end", outcome=outcome)

    return app


def event(kind: str, **data: object) -> str:
    """Return a server-sent event."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


def use_tool(call: ToolCall) -> str:
    """Call a tool."""
    arguments = json.loads(call.arguments)
    return f"12 degrees in {arguments['city']}" if call.name == "weather" else "no such tool"
