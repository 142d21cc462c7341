"""The fixture `stream_cassette`: the recordings of a test, beside it, played or made as `--streamval-record` says."""

from __future__ import annotations

import asyncio
import re
import shlex
from dataclasses import replace
from inspect import unwrap
from itertools import count
from math import inf
from types import CodeType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_streamval.errors import (
    HiddenRequestError,
    InvalidArgumentError,
    MissingCassetteError,
    StreamvalError,
    UnmatchedRequestError,
    UnusedCassetteError,
    excerpt,
    plural,
)
from pytest_streamval.fuzzing.cuts import show_cuts
from pytest_streamval.fuzzing.recutting import recut_cassette
from pytest_streamval.live.backend import LiveBackend
from pytest_streamval.live.recording_transport import RecordingTransport, transport_of, with_transport
from pytest_streamval.live.replay_transport import ReplayTransport
from pytest_streamval.plugin.file_names import file_name_of_test
from pytest_streamval.plugin.variants import recut_for, without_cut
from pytest_streamval.recordings.cassette import FOLDER, Cassette
from pytest_streamval.recordings.matching import CassetteMatcher, request_summary
from pytest_streamval.recordings.modes import RecordMode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

    from pytest_streamval.fuzzing.cuts import Cut

_SHOWN = 400  # characters of a cut that a failure shows


class StreamCassette:
    """The recordings of one test.

    Called with a `LiveBackend`, it returns one that asks these recordings, or the provider in order to make them.
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
        """Look up what is recorded.

        Args:
            path: of the first recording; see `RecordingTransport`.
            mode: the name of a `RecordMode`, as `--streamval-record` has it.
            test: the id of the test, for commands that errors name.
            root: what errors show paths relative to.
            speed: times as fast as recorded.
            cut: where to cut the recorded bytes instead.

        Raises:
            InvalidCassetteError: a `ValueError`; a recording cannot be read, in a mode that needs it.
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
        self._stale = list(existing.values()) if self._mode.replaces else []
        self._numbers = count(max(existing, default=0) + 1 if self._replays else 1)
        self._recorders: list[RecordingTransport] = []
        self.matcher = CassetteMatcher(
            [self._loaded(each) for each in existing.values()] if self._replays else (),
            way_out=f"To record what is asked now: {self._command('all')}",
        )
        """What is recorded and may be played."""

    def __call__(self, backend: LiveBackend, *, speed: float | None = None) -> LiveBackend:
        """Return a backend that asks as the given one does, but these recordings, or the provider to make them.

        Args:
            backend: as it would ask the provider.
            speed: times as fast as recorded, `math.inf` without pauses, which is what a test gets that does not use
                `virtual_clock`; one that does gets the recorded times.

        Raises:
            MissingCassetteError: a `LookupError`; nothing is recorded, and nothing may be.
            InvalidArgumentError: a `TypeError` and `ValueError`; that is no `LiveBackend`.
        """
        __tracebackhide__ = True
        given: object = backend
        if not isinstance(given, LiveBackend):
            raise InvalidArgumentError("backend", excerpt(given), "It must be a LiveBackend.")
        recorder = self._recorder(backend) if self._records else None
        if recorder is not None and not self._replays:
            return with_transport(backend, recorder)
        if recorder is None and not self.matcher.cassettes:
            raise MissingCassetteError(self._shown(self.path), self._command("once"))
        speed = self._speed if speed is None else speed
        return with_transport(backend, ReplayTransport(self.matcher, speed=speed, cut=self._cut, otherwise=recorder))

    @property
    def written(self) -> list[Path]:
        """What was recorded so far."""
        return [path for recorder in self._recorders for path in recorder.written]

    def faults(self) -> Iterator[StreamvalError]:
        """Yield what shows that a test did something else than what is recorded."""
        for refusal in self.matcher.refused:
            yield HiddenRequestError(str(refusal))
        if unplayed := self.matcher.unplayed:
            yield UnusedCassetteError(
                [(cassette.path, request_summary(cassette)) for cassette in unplayed], self._command("all")
            )

    def cuts(self) -> Iterator[str]:
        """Yield how the bytes that were played were cut, where that is not as they were recorded."""
        if self._cut is not None:
            for cassette in self.matcher.played:
                pieces = [read.data.decode("latin-1") for read in recut_cassette(cassette, self._cut).reads]
                shown = show_cuts(pieces, _SHOWN)
                yield f"The bytes of {cassette.path} came in {plural(len(pieces), 'read')}:\n  {shown}"

    def close(self) -> None:
        """Remove the recordings that were replaced by fewer."""
        written = self.written
        if written:
            for path in {*self._stale}.difference(written):
                path.unlink(missing_ok=True)

    def _loaded(self, path: Path) -> Cassette:
        return replace(Cassette.load(path), path=self._shown(path))

    def _shown(self, path: Path) -> str:
        return str(path.relative_to(self._root) if self._root is not None and self._root in path.parents else path)

    def _recorder(self, backend: LiveBackend) -> RecordingTransport:
        recorder = RecordingTransport(transport_of(backend), self.path, numbers=self._numbers, clock=_real_time)
        self._recorders.append(recorder)
        return recorder

    def _command(self, mode: str) -> str:
        return f"pytest {self._test} --streamval-record {mode}"

    def __repr__(self) -> str:
        return f"<StreamCassette {self.path}, --streamval-record {self._mode.value}>"


def recorded_at(path: Path) -> dict[int, Path]:
    """Return the recordings that are there, by their numbers, in order."""
    pattern = re.compile(rf"{re.escape(path.stem)}(?:\.(\d+))?{re.escape(path.suffix)}")
    names = [pattern.fullmatch(found.name) for found in path.parent.iterdir()] if path.parent.is_dir() else []
    return dict(sorted((int(name[1] or 1), path.with_name(name[0])) for name in names if name is not None))


def _real_time() -> float:
    """Return the time of the event loop as it would be without a virtual clock: a provider knows no other."""
    loop = asyncio.get_running_loop()
    return type(loop).time(loop)


# The part of the plugin


def stream_cassette_of(request: pytest.FixtureRequest, cut: Cut | None = None) -> Iterator[StreamCassette]:
    """Yield the recordings of the test that asks, and look behind it whether it used them."""
    item = request.node
    mode: str = request.config.getoption("--streamval-record")
    path = item.path.parent / FOLDER / item.path.stem / f"{file_name_of_test(item.nodeid, item.name)}.jsonl"
    if cut is not None:
        recut_for(item, cut)  # which tells --streamval-fuzz that this is a variant
    if cut is not None and mode != "none":
        if mode == "all" or not recorded_at(path):
            pytest.skip("the cassette is being recorded by the test as scripted; run again without --streamval-record")
        mode = "none"
    speed = 1.0 if "virtual_clock" in request.fixturenames else inf
    test, root = without_cut(item.nodeid), request.config.invocation_params.dir
    cassette = StreamCassette(path, mode, test=test, root=root, speed=speed, cut=cut)
    item.stash[_CASSETTE] = cassette
    manager = request.config.pluginmanager
    if not manager.hasplugin(_NAME):
        manager.register(_Checks(), _NAME)
    yield cassette
    cassette.close()


_CASSETTE = pytest.StashKey[StreamCassette]()
_NAME = "streamval-cassettes"


class _Checks:
    """Fails a test that passed although it did something else than what is recorded."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None]:
        """Look as soon as the test is over."""
        try:
            yield
        finally:
            cassette = item.stash.get(_CASSETTE, None)
            for cut in cassette.cuts() if cassette is not None else ():
                item.add_report_section("call", "recording, as cut", cut)
        if cassette is not None and _is_checked(item):
            expects = UnmatchedRequestError.__name__ in _names(getattr(item, "function", None))
            found = [fault for fault in cassette.faults() if not (expects and isinstance(fault, HiddenRequestError))]
            if found:
                pytest.fail("\n\n".join(map(str, found)), pytrace=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        """Hand on, to whoever sums up a run, which cassettes were played and which recorded."""
        report: pytest.TestReport = yield
        cassette = item.stash.get(_CASSETTE, None)
        if call.when == "teardown" and cassette is not None:
            played = [each.path for each in cassette.matcher.played]
            report.__dict__["streamval_cassettes"] = [played, [str(path) for path in cassette.written]]
        return report


def unused_recordings(items: Iterable[pytest.Item], root: Path) -> set[str]:
    """Return the recordings beside some test files that none of their tests has.

    Args:
        items: all tests of each of these files.
        root: what paths are shown relative to.
    """
    owned: dict[Path, set[str]] = {}
    for item in items:
        names = owned.setdefault(item.path.parent / FOLDER / item.path.stem, set())
        names.add(file_name_of_test(item.nodeid, item.name))
    return {
        str(path.relative_to(root) if root in path.parents else path)
        for folder, names in owned.items()
        for path in (folder.glob("*.jsonl") if folder.is_dir() else ())
        if re.sub(r"\.\d+$", "", path.stem) not in names and path.stem not in names
    }


def _is_checked(item: pytest.Item) -> bool:
    """Return whether a test is guarded against what it leaves unplayed, which scripts and recordings share."""
    value = item.config.getoption("streamval_unplayed") or item.config.getini("streamval_unplayed")
    return value == "on" and item.get_closest_marker("streamval_allow_unplayed") is None


def _names(test: Any) -> set[str]:  # noqa: ANN401  # whatever pytest collects as a test
    """Return the names that a test uses, with those in the functions inside it."""
    code = getattr(unwrap(test), "__code__", None) if callable(test) else None
    names: set[str] = set()
    left = [code]
    while left:
        code = left.pop()
        if isinstance(code, CodeType):
            names.update(code.co_names)
            left.extend(const for const in code.co_consts if isinstance(const, CodeType))
    return names
