"""The fixture `stream_cassette`: the recordings of a test. `--streamval-record` decides if they are made or played."""

from __future__ import annotations

import asyncio
import re
import shlex
from dataclasses import replace
from functools import partial
from inspect import unwrap
from itertools import count
from math import inf
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import (
    CheckFailedError,
    InvalidArgumentError,
    MissingCassetteError,
    StreamvalError,
    UnmatchedRequestError,
    excerpt,
    hidden_request_error,
    unused_cassette_error,
)
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.recording_transport import RecordingTransport, transport_of, with_transport
from pytest_streamval.live.replay_transport import ReplayTransport
from pytest_streamval.plugin.file_names import file_name_of_test
from pytest_streamval.plugin.given_tests import before_each_example
from pytest_streamval.plugin.outcome import watched
from pytest_streamval.plugin.stream_summary import CASSETTES
from pytest_streamval.plugin.variant_ids import is_variant, scripted_id, scripted_name
from pytest_streamval.plugin.variants import recutter_of
from pytest_streamval.recordings.cassette import FOLDER, Cassette
from pytest_streamval.recordings.matching import CassetteMatcher, request_summary
from pytest_streamval.recordings.record_modes import RecordMode
from pytest_streamval.recordings.replacement import NewRecordings

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.guards import Guard

_KEPT = (
    "The old recordings of this test stay, because it failed. To record the answers of a test that fails, delete them "
    "and use --streamval-record once."
)


class StreamCassette:
    """The recordings of one test.

    Called with a `LiveBackend`, it returns a backend that plays these recordings, or that makes them.
    """

    def __init__(
        self,
        path: Path,
        mode: str = "none",
        *,
        test: str = "",
        root: Path | None = None,
        speed: float = inf,
        cut: Cut | None = None,
    ) -> None:
        """Load the recordings.

        Args:
            path: The path of the first recording. See `RecordingTransport`.
            mode: The name of a `RecordMode`, as in `--streamval-record`.
            test: The id of the test, for the commands in error messages.
            root: The folder to which paths in error messages are relative.
            speed: The factor of the recorded speed.
            cut: The cut of the recorded bytes, None as recorded.

        Raises:
            InvalidFileError: A `ValueError`. If a recording cannot be read, in a mode that needs it.
        """
        self.path = path
        self._test = shlex.quote(test)
        self._root = root
        self._speed = speed
        self._cut = cut
        existing = recorded_at(path)
        self._mode = RecordMode.named(mode, "mode")
        self._replays = self._mode.replays(recorded=bool(existing))
        self._records = self._mode.records(recorded=bool(existing))
        self._new = NewRecordings(existing.values() if self._mode.replaces else ())
        self._numbers = count(max(existing, default=0) + 1 if self._replays else 1)
        self.matcher = CassetteMatcher(
            [self._loaded(each) for each in existing.values()] if self._replays else (),
            way_out=f"To record these requests: {self._command('all')}",
        )
        """The matcher of the recordings that may be played."""

    def __call__(self, backend: LiveBackend, *, speed: float | None = None) -> LiveBackend:
        """Return a backend that sends the same requests, to these recordings or through a recorder to the provider.

        Args:
            backend: The backend for the provider.
            speed: The factor of the recorded speed, `math.inf` for no pauses. By default, a test that uses
                `virtual_clock` has the recorded times, any other test no pauses.

        Raises:
            MissingCassetteError: A `LookupError`. If there is no recording, and none may be made.
            InvalidArgumentError: A `TypeError` and `ValueError`. If the backend is no `LiveBackend`.
        """
        __tracebackhide__ = True
        given: object = backend
        if not isinstance(given, LiveBackend):
            raise InvalidArgumentError("backend", excerpt(given), "It must be a LiveBackend.")
        recorder = self._recorder(backend) if self._records else None
        if recorder is not None and not self._replays:
            return with_transport(backend, recorder)
        if recorder is None and not self.matcher.cassettes:
            raise MissingCassetteError(self._relative(self.path), self._command("once"))
        speed = self._speed if speed is None else speed
        return with_transport(backend, ReplayTransport(self.matcher, speed=speed, cut=self._cut, otherwise=recorder))

    @property
    def replaces(self) -> bool:
        """Whether it has made recordings that replace older ones if the test passes."""
        return self._new.replaces

    @property
    def written(self) -> list[Path]:
        """The paths of the recordings that were made so far."""
        return list(self._new.written)

    def errors(self) -> Iterator[StreamvalError]:
        """Yield an error for each hidden request, and one for the recordings that were not played."""
        for refusal in self.matcher.refused:
            yield hidden_request_error(str(refusal))
        if unplayed := self.matcher.unplayed:
            yield unused_cassette_error(
                [(cassette.path, request_summary(cassette)) for cassette in unplayed], self._command("all")
            )

    def add_bodies(self, recutter: ScriptRecutter) -> None:
        """Add the recordings that were played in other reads to the record of a variant."""
        if self._cut is not None:
            for cassette in self.matcher.played:
                recutter.new_body().add(cassette.body, self._cut.of_bytes(cassette.body))

    def close(self, *, failed: bool = False) -> None:
        """Replace the old recordings in the mode `all`. If the test has failed or recorded nothing, they stay."""
        self._new.close(failed=failed)

    def _loaded(self, path: Path) -> Cassette:
        return replace(Cassette.load(path), path=self._relative(path))

    def _relative(self, path: Path) -> str:
        return str(path.relative_to(self._root) if self._root is not None and self._root in path.parents else path)

    def _recorder(self, backend: LiveBackend) -> RecordingTransport:
        return RecordingTransport(
            transport_of(backend), self.path, numbers=self._numbers, recordings=self._new, clock=_real_time
        )

    def _command(self, mode: str) -> str:
        return f"pytest {self._test} --streamval-record {mode}"

    def __repr__(self) -> str:
        return f"<StreamCassette {self.path}, --streamval-record {self._mode.value}>"


def recorded_at(path: Path) -> dict[int, Path]:
    """Return the existing recordings by their numbers, in order."""
    pattern = re.compile(rf"{re.escape(path.stem)}(?:\.(\d+))?{re.escape(path.suffix)}")
    names = [pattern.fullmatch(found.name) for found in path.parent.iterdir()] if path.parent.is_dir() else []
    return dict(sorted((int(name[1] or 1), path.with_name(name[0])) for name in names if name is not None))


def _real_time() -> float:
    """Return the time of the event loop without a virtual clock, because a provider answers in real time."""
    loop = asyncio.get_running_loop()
    return type(loop).time(loop)


# The plugin


def stream_cassette_of(request: pytest.FixtureRequest, guard: Guard, cut: Cut | None) -> Iterator[StreamCassette]:
    """Yield the recordings of a test. A test that passes has to play all of them."""
    item = request.node
    mode: str = request.config.getoption("--streamval-record")
    path = (
        item.path.parent
        / FOLDER
        / item.path.stem
        / f"{file_name_of_test(scripted_id(item), scripted_name(item))}.jsonl"
    )
    if is_variant(item) and mode != "none":
        if mode == "all" or not recorded_at(path):
            pytest.skip("the test as scripted makes the recordings; run again without --streamval-record")
        mode = "none"
    speed = 1.0 if "virtual_clock" in request.fixturenames else inf
    test, root = scripted_id(item), request.config.invocation_params.dir
    cassette = StreamCassette(path, mode, test=test, root=root, speed=speed, cut=cut)
    guard.final_checks.append(partial(_errors, cassette, getattr(item, "function", None)))
    item.stash[_CASSETTE] = cassette
    manager = request.config.pluginmanager
    if not manager.hasplugin(_NAME):
        manager.register(_CassetteReports(), _NAME)
    has_failed = watched(item)
    before_each_example(item, cassette.matcher.rewind)
    yield cassette
    cassette.close(failed=has_failed())


_CASSETTE = pytest.StashKey[StreamCassette]()
_NAME = "streamval-cassettes"


def _errors(cassette: StreamCassette, test: object) -> list[StreamvalError]:
    """Return the errors of a test's requests, without those that the test expects."""
    is_expected = UnmatchedRequestError.__name__ in _names_used(test)
    return [error for error in cassette.errors() if not (is_expected and isinstance(error, CheckFailedError))]


class _CassetteReports:
    """The plugin that adds facts about recordings to the reports of a test."""

    @pytest.hookimpl(wrapper=True, trylast=True)  # before --streamval-fuzz reads the record of the variant
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Note the cuts of a variant, and attach the played and the recorded cassettes to the last report."""
        report: pytest.TestReport = yield
        cassette, recutter = item.stash.get(_CASSETTE, None), recutter_of(item)
        if cassette is not None and call.when == "call":
            if recutter is not None:
                cassette.add_bodies(recutter)
            if report.failed and cassette.replaces:
                report.sections.append(("streamval: recordings", _KEPT))
        if cassette is not None and call.when == "teardown":
            played = [each.path for each in cassette.matcher.played]
            report.__dict__[CASSETTES] = [played, [str(path) for path in cassette.written]]
        return report


def unused_recordings(items: Iterable[pytest.Item], root: Path) -> set[str]:
    """Return the recordings of test files that belong to none of their tests.

    Args:
        items: All tests of these files.
        root: The folder to which the paths are relative.
    """
    owned: dict[Path, set[str]] = {}
    for item in items:
        names = owned.setdefault(item.path.parent / FOLDER / item.path.stem, set())
        names.add(file_name_of_test(scripted_id(item), scripted_name(item)))
    return {
        str(path.relative_to(root) if root in path.parents else path)
        for folder, names in owned.items()
        for path in (folder.glob("*.jsonl") if folder.is_dir() else ())
        if re.sub(r"\.\d+$", "", path.stem) not in names and path.stem not in names
    }


def _names_used(test: Any) -> set[str]:  # noqa: ANN401  # pytest collects tests of several kinds
    """Return the names that the code of a test uses, including the functions in it."""
    code = getattr(unwrap(test), "__code__", None) if callable(test) else None
    return set() if code is None else set(_names_in(code))


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)
