"""`SessionLifecycle`: closing, dropping and forking a session."""

from __future__ import annotations

import asyncio
import logging
import os
import warnings
from typing import TYPE_CHECKING, NoReturn, Self

from pytest_streamval.engine.owners import dropped, opened
from pytest_streamval.engine.tasks import start_task
from pytest_streamval.engine.weak_objects import WeakObjects
from pytest_streamval.session.background import BackgroundLoop
from pytest_streamval.session.open_generations import OpenGenerations, wait_until_done

if TYPE_CHECKING:
    from types import TracebackType

logger = logging.getLogger("pytest_streamval")


class SessionLifecycle:
    """The owner of a session's running generations and of its event loop for synchronous calls."""

    _closed = True  # until __init__ has finished

    def __init__(self) -> None:
        self._open = OpenGenerations()
        self._background = BackgroundLoop()
        self._closed = False
        _sessions.add(self)
        opened(self)

    @property
    def closed(self) -> bool:
        """Whether the session is closed."""
        return self._closed

    @property
    def at_work(self) -> bool:
        """Whether the session has a running generation or event loop."""
        return not self._closed and (self._background.running or len(self._open) > 0)

    def close(self) -> None:
        """Stop every generation and the session's own event loop. A second call has no effect.

        A generation in an event loop that is running stops in the next turns of that loop.
        """
        self._closed = True
        self._open.stop()
        self._background.close()

    async def aclose(self) -> None:
        """Close the session as `close` does, and wait until every generation in this event loop has stopped.

        Raises:
            Exception: If the clean-up of a generation failed.
        """
        self._closed = True
        try:
            await self._open.aclose()
        finally:
            await self._close_backend()
            self._background.stop()
            if self._background.started and not self._background.is_current:
                await wait_until_done(
                    [start_task(asyncio.to_thread(self._background.close), "streamval close session")]
                )

    async def _close_backend(self) -> None:
        """Close the connections of the session."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except Exception:
            if exc is None:
                raise
            logger.exception("The clean-up of a session failed after an error. The first error is raised.")

    def __del__(self) -> None:
        """Close a dropped session, and warn if it was at work."""
        if self._closed:
            return
        loop, count = self._background.running, len(self._open)
        self._background.stop()  # without waiting: the garbage collector may hold a lock that the loop needs
        if loop or count:
            dropped(self)
            left = [f"{count} of its generations running"] * (count > 0) + ["its event loop running"] * loop
            warnings.warn(
                f"{self!r} was dropped with {' and '.join(left)}. Use 'with start_session(...)' or 'async with', or "
                "call close() or aclose().",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __reduce__(self) -> NoReturn:
        msg = (
            f"{self!r} cannot be copied or pickled, because it owns an event loop and running generations. Start "
            "another session in the same context: start_session(session.backend, ctx=session.ctx)."
        )
        raise TypeError(msg)

    def _after_fork(self) -> None:
        """Forget the generations and threads of the parent process, none of which run in the child."""
        self._open = OpenGenerations()
        self._background.forked()


_sessions: WeakObjects[SessionLifecycle] = WeakObjects()


def _after_fork() -> None:
    for session in _sessions:
        session._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
