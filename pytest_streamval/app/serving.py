"""`served`: an application on loopback, served by uvicorn."""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from pytest_streamval.app.client import GRACE
from pytest_streamval.errors import InvalidArgumentError, LifespanError, excerpt, missing_extra_error
from pytest_streamval.virtual_time.time_source import active

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import ForkProcess

    import uvicorn

    from pytest_streamval.app.asgi_requests import App

_HOST = "127.0.0.1"
_BACKLOG = 1_024
_WORDS_OF_THE_LOG = "The log of uvicorn has its error."


@asynccontextmanager
async def served(app: App, *, process: bool = False) -> AsyncIterator[str]:
    """Serve an application on loopback with uvicorn, and return its address as an asynchronous context manager.

    Args:
        app: The ASGI application.
        process: Whether uvicorn runs in a process of its own, for a real browser or a blocking client. The process is a
            fork, so the application is the one of the test, and needs a POSIX system. By default, uvicorn runs in the
            event loop of the test, also in virtual time.

    Raises:
        LifespanError: A `RuntimeError`. If the application failed to start.
        MissingExtraError: An `ImportError`. If uvicorn is not installed.
        InvalidArgumentError: A `TypeError`. If `app` is not callable, or the system has no forks.
    """
    given: object = app
    if not callable(given):
        raise InvalidArgumentError("app", excerpt(given), "It must be an ASGI application, a callable.")
    with socket.create_server((_HOST, 0), backlog=_BACKLOG) as listening:
        # each piece leaves at once: otherwise, the second small one waits in the kernel for a client that confirms late
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        serve = _in_process if process else _in_loop
        async with serve(app, listening):
            yield f"http://{_HOST}:{listening.getsockname()[1]}"


def _new_server(app: App) -> uvicorn.Server:
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise missing_extra_error("Served applications", "uvicorn", "app") from error
    config = uvicorn.Config(
        app, http="h11", loop="asyncio", log_config=None, access_log=False, timeout_graceful_shutdown=int(GRACE)
    )
    return uvicorn.Server(config)


@asynccontextmanager
async def _in_loop(app: App, listening: socket.socket) -> AsyncIterator[None]:
    """Serve in the running event loop, without the signals and the ticks of uvicorn's own main loop."""
    server = _new_server(app)
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    try:
        await server.startup(sockets=[listening])
    except SystemExit as error:
        raise LifespanError("startup", _WORDS_OF_THE_LOG) from error
    try:
        await server.on_tick(0)  # sets the header with the date
        yield
    finally:
        await server.shutdown()


@asynccontextmanager
async def _in_process(app: App, listening: socket.socket) -> AsyncIterator[None]:
    """Serve in a forked process."""
    if "fork" not in multiprocessing.get_all_start_methods():
        raise InvalidArgumentError("process", "True", "It must be False, as this system cannot fork a process.")
    server = _new_server(app)
    here, there = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_serve, args=(server, listening, there), daemon=True)
    with warnings.catch_warnings():  # the child touches no lock that another thread may hold
        warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
        child.start()
    there.close()
    try:
        if not await asyncio.to_thread(_is_ready, here):
            raise LifespanError("startup", _WORDS_OF_THE_LOG)
        yield
    finally:
        here.close()
        await asyncio.to_thread(_end, child)


def _is_ready(connection: Connection) -> bool:
    try:
        return bool(connection.recv())
    except EOFError:  # the process has ended
        return False


def _end(child: ForkProcess) -> None:
    child.terminate()
    child.join(2 * GRACE)
    if child.exitcode is None:
        child.kill()
        child.join()
    child.close()


def _serve(server: uvicorn.Server, listening: socket.socket, ready: Connection) -> None:
    """Run uvicorn in the forked process, in real time."""
    if (virtual := active()) is not None:
        virtual.thread = None
    startup = server.startup

    async def report_startup(sockets: Any = None) -> None:  # noqa: ANN401  # as in uvicorn
        await startup(sockets)
        ready.send(True)  # noqa: FBT003  # the only message

    server.startup = report_startup  # type: ignore[method-assign]
    server.run(sockets=[listening])
