"""The fixture `provider_server`: servers for a test, which are closed behind it."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from pytest_streamval.guards.tracking import untracked
from pytest_streamval.plugin.file_names import file_name_of_test
from pytest_streamval.plugin.variants import recut_for
from pytest_streamval.recordings.cassette import FOLDER
from pytest_streamval.server.provider import ProviderServer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.guards import Guard
    from pytest_streamval.server.script_queue import Playable, Rule


class ProviderServerFactory(Protocol):
    """What the fixture `provider_server` is: opens as many servers as a test wants."""

    def __call__(self, *scripts: Playable | Rule, **options: Any) -> ProviderServer:  # noqa: ANN401  # as ProviderServer
        """Open a server; the arguments are those of `ProviderServer`."""


def provider_servers(request: pytest.FixtureRequest, guard: Guard, cut: Cut | None) -> Iterator[ProviderServerFactory]:
    """Yield what opens servers for a test.

    Args:
        request: of the fixture.
        guard: asks the servers, at the end of the test, for what was to happen and did not.
        cut: how the streams are cut, None as scripted.
    """
    numbers = count(1)
    with ExitStack() as servers:

        def serve(*scripts: Playable | Rule, **options: Any) -> ProviderServer:  # noqa: ANN401  # as above
            __tracebackhide__ = True
            if cut is not None:
                options.setdefault("cut", recut_for(request.node, cut))
            if options.get("upstream") is not None and "cassettes" not in options:
                options.update(_recorded(request, next(numbers), cut))
            server = ProviderServer(*scripts, **options)
            with untracked():  # this fixture closes it
                servers.enter_context(server)
            guard.final_checks.append(server.unmet)
            return server

        yield serve


def _recorded(request: pytest.FixtureRequest, number: int, cut: Cut | None) -> dict[str, Any]:
    """Return where the recordings of a server in front of a provider are, and what is done with them.

    As `--streamval-record` says: they are made, or, by default, replayed where there are any; where nothing is recorded
    and nothing is to be, requests are passed on, to the provider that the test names.
    """
    item = request.node
    name = f"{file_name_of_test(item.nodeid, item.name)}.server{number if number > 1 else ''}"
    folder = item.path.parent / FOLDER / item.path.stem / name
    mode = request.config.getoption("--streamval-record")
    if mode == "none" and not folder.is_dir():
        return {}
    if cut is not None and mode != "none":
        if mode == "all" or not folder.is_dir():
            pytest.skip("what is asked is being recorded by the test as scripted; run again without --streamval-record")
        mode = "none"
    return {"cassettes": folder, "record": mode}
