"""`Lifespan`: the start and the shutdown of an application, in a task of its own, as a server runs them."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from pytest_streamval.engine.tasks import settle, start_task
from pytest_streamval.errors import LifespanError

if TYPE_CHECKING:
    from pytest_streamval.app.asgi_requests import App, Message

logger = logging.getLogger("pytest_streamval")


class Lifespan:
    """The lifespan of an application in one event loop.

    An application without a lifespan raises an error at once, or ignores it. As with uvicorn, that is no failure.
    """

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        """The state that the application sets for its requests."""
        self._app = app
        self._inbox: asyncio.Queue[Message] = asyncio.Queue()
        self._answer: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None
        self._is_unanswered = False  # the application has received a message, and has not answered it
        self._has_started = False

    async def start(self) -> None:
        """Start the application, and wait until it is ready.

        Raises:
            LifespanError: A `RuntimeError`. If the application reports a failure.
        """
        self._task = start_task(self._run(), "streamval app: lifespan")
        try:
            answer = await self._ask("startup")
        except BaseException:
            await settle([self._task])
            raise
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await settle([self._task])
            raise LifespanError("startup", answer.get("message", ""))
        self._has_started = answer is not None

    async def stop(self) -> None:
        """Shut the application down, and wait until its task has ended.

        Raises:
            LifespanError: A `RuntimeError`. If the application reports a failure.
        """
        if self._task is None:
            return
        answer: Message | None = None
        try:
            if self._has_started and not self._task.done():
                answer = await self._ask("shutdown")
        finally:
            await settle([self._task])
        if answer is not None and answer["type"] == "lifespan.shutdown.failed":
            raise LifespanError("shutdown", answer.get("message", ""))

    async def _ask(self, phase: str) -> Message | None:
        """Send a message, and return the application's answer, or None if its task ends without one."""
        self._answer = asyncio.get_running_loop().create_future()
        self._inbox.put_nowait({"type": f"lifespan.{phase}"})
        return await self._answer

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  # an application without a lifespan raises any error
            logger.debug("The lifespan of the application raised an error, as one without a lifespan does: %r", error)
        finally:
            self._resolve(None)

    async def _receive(self) -> Message:
        if self._is_unanswered:
            msg = "The application has no lifespan: it did not answer lifespan.startup before its next receive()."
            raise RuntimeError(msg)
        message = await self._inbox.get()
        self._is_unanswered = True
        return message

    async def _send(self, message: Message) -> None:
        if not message["type"].startswith("lifespan."):
            msg = f"Expected an ASGI message of the lifespan, but got {message['type']!r}."
            raise RuntimeError(msg)
        self._is_unanswered = False
        self._resolve(message)

    def _resolve(self, message: Message | None) -> None:
        if not self._answer.done():
            self._answer.set_result(message)
