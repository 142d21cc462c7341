"""The clients for Node, which run in one process of Node."""

from __future__ import annotations

import asyncio
import json
import subprocess
from itertools import count
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from tests.frameworks.driver import Call, Driver
from tests.frameworks.page import WAITS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sdks.received import Outcome

_FOLDER = Path(__file__).parents[1] / "javascript"
_PATIENCE = 15.0
"""The seconds without output after which a client that waits for one second counts as hanging."""


class JavaScriptError(Exception):
    """An error of a client for Node."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name


class Node:
    """A process of Node with the clients."""

    def __init__(self) -> None:
        """Start the process."""
        command = ["node", "--no-warnings", "main.mjs"]
        self._process = subprocess.Popen(
            command, cwd=_FOLDER, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._numbers = count()
        self._queues: dict[int, Queue[dict[str, Any]]] = {}
        Thread(target=self._read, daemon=True).start()

    def call(self, options: dict[str, Any]) -> Queue[dict[str, Any]]:
        """Begin a call, and return the queue of its output."""
        number = next(self._numbers)
        queue = self._queues[number] = Queue()
        self._process.stdin.write(json.dumps({"id": number, **options}) + "\n")
        self._process.stdin.flush()
        return queue

    def _read(self) -> None:
        for line in self._process.stdout:
            message = json.loads(line)
            self._queues[message["id"]].put(message)
        for queue in self._queues.values():
            queue.put({"error": {"name": "ended", "message": "The process of Node has ended."}})

    def close(self) -> None:
        """End the process, and wait for its end."""
        self._process.stdin.close()
        self._process.wait()


class JavaScript(Driver):
    """A client for Node. All share one process of Node."""

    language = "javascript"
    _node: ClassVar[Node | None] = None

    def __init__(self, framework: str, name: str, protocol: str, **options: Any) -> None:
        super().__init__(name, protocol, **options)
        self.framework = framework  # type: ignore[misc]  # all clients have one class

    @property
    def version(self) -> str:
        package = _FOLDER / "node_modules" / self.framework / "package.json"
        return str(json.loads(package.read_text(encoding="utf-8"))["version"])

    def start(self) -> None:
        JavaScript._node = JavaScript._node or Node()

    def close(self) -> None:
        if JavaScript._node is not None:
            JavaScript._node.close()
            JavaScript._node = None

    def raised(self, outcome: Outcome) -> str:
        return getattr(outcome.error, "name", "") or super().raised(outcome)

    async def _messages(self, call: Call, form: str, *, leaves: bool = False) -> AsyncIterator[dict[str, Any]]:
        options = {"url": call.url, "model": call.model, "seconds": call.seconds}
        queue = self._node.call(
            {
                "driver": f"{self.framework} {self.name}",
                "form": form,
                "tools": call.tools,
                "thinks": call.thinks,
                "leaves": leaves,
                **options,
            }
        )
        while True:
            try:
                message = await asyncio.to_thread(queue.get, timeout=_PATIENCE + call.seconds)
            except Empty:
                raise JavaScriptError(WAITS, "The client waits for more bytes.") from None
            if "error" in message:
                raise JavaScriptError(**message["error"])
            if "thought" in message:
                call.received.thoughts.append(message["thought"])
            if "usage" in message:
                call.count(*message["usage"])
            if "end" in message:
                return
            yield message

    async def stream(self, call: Call) -> AsyncIterator[str]:
        async for message in self._messages(call, "stream", leaves=call.leaves):
            if "text" in message:
                yield message["text"]

    async def _result(self, call: Call, form: str) -> Any:
        result = None
        async for message in self._messages(call, form):
            result = message.get(form, result)
        return result

    async def whole(self, call: Call) -> str:
        return str(await self._result(call, "whole") or "")

    async def structured(self, call: Call) -> tuple[str, int]:
        city = await self._result(call, "structured")
        return city["name"], city["population"]


DRIVERS = [
    JavaScript("openai", "chat.completions", "openai"),
    JavaScript("openai", "responses", "openai-responses"),
    JavaScript("@anthropic-ai/sdk", "messages", "anthropic"),
    JavaScript("@google/genai", "models", "gemini"),
    JavaScript("ollama", "chat", "ollama"),
    JavaScript(
        "ai", "openai.chat", "openai", lacks={"thinking": "it drops `reasoning_content`, which OpenAI does not send"}
    ),
    JavaScript("ai", "openai.responses", "openai-responses"),
    JavaScript("ai", "anthropic", "anthropic"),
    JavaScript("ai", "google", "gemini"),
]
