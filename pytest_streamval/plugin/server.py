"""The fixture `provider_server`: servers that are closed after the test."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_streamval.guards.tracking import untracked
from pytest_streamval.plugin.async_tests import SERVERS, closed_at_end, is_async_test
from pytest_streamval.plugin.file_names import file_name_of_test
from pytest_streamval.plugin.given_tests import before_each_example
from pytest_streamval.plugin.outcome import watched
from pytest_streamval.plugin.page_and_server_streams import exchanges_of
from pytest_streamval.plugin.variant_ids import scripted_id, scripted_name
from pytest_streamval.recordings.cassette import FOLDER
from pytest_streamval.server.provider import ProviderServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.guards import Guard
    from pytest_streamval.server.script_queue import Playable, Rule


class ProviderServerFactory(Protocol):
    """The type of the fixture `provider_server`, which starts any number of servers."""

    def __call__(self, *scripts: Playable | Rule, **options: Any) -> ProviderServer:  # noqa: ANN401  # as ProviderServer
        """Start a server. The arguments are those of `ProviderServer`."""


def provider_servers(
    request: pytest.FixtureRequest, guard: Guard, recutter: ScriptRecutter | None
) -> Iterator[ProviderServerFactory]:
    """Yield the factory of a test's servers.

    Args:
        request: The request of the fixture.
        guard: The guard of the test. At its end, it checks that nothing is left unplayed.
        recutter: The recutter of the streams, None as scripted.
    """
    numbers = count(1)
    opened: list[ProviderServer] = []
    item = request.node
    seen = exchanges_of(item)
    has_failed = watched(item)
    is_on_clock = "virtual_clock" in item.fixturenames and is_async_test(item)

    async def close(loop: asyncio.AbstractEventLoop) -> None:
        for server in opened:
            if server.is_in(loop):
                await server.aclose()

    with closed_at_end(item, SERVERS, close), ExitStack() as servers:

        def serve(*scripts: Playable | Rule, **options: Any) -> ProviderServer:  # noqa: ANN401  # as above
            __tracebackhide__ = True
            if recutter is not None:
                options.setdefault("cut", recutter)
            if options.get("upstream") is not None and "cassettes" not in options:
                options.update(_recording_options(request, next(numbers), recutter))
            options.setdefault("strict", request.config.getini("streamval_strict"))
            server = ProviderServer(*scripts, **options)
            if seen is not None:
                server.keep_texts()
                seen.servers.append(server)
            with untracked():  # this fixture closes it
                servers.callback(lambda: server.close(failed=has_failed()))
                if is_on_clock:
                    server.start_on_clock()
                else:
                    server.start()
            opened.append(server)
            guard.final_checks.append(server.unmet)
            return server

        def close_all() -> None:
            servers.close()
            opened.clear()

        before_each_example(item, close_all)
        yield serve


def _recording_options(request: pytest.FixtureRequest, number: int, recutter: ScriptRecutter | None) -> dict[str, Any]:
    """Return the folder and the record mode of a server in front of a provider.

    Both are left out if there are no recordings and none are to be made. The server then passes requests on.
    """
    item = request.node
    name = f"{file_name_of_test(scripted_id(item), scripted_name(item))}.server{number if number > 1 else ''}"
    folder = item.path.parent / FOLDER / item.path.stem / name
    mode = request.config.getoption("--streamval-record")
    if mode == "none" and not folder.is_dir():
        return {}
    if recutter is not None and mode != "none":
        if mode == "all" or not folder.is_dir():
            pytest.skip("the test as scripted makes the recordings; run again without --streamval-record")
        mode = "none"
    return {"cassettes": folder, "record": mode}
