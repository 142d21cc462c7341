"""`event_snapshot`: transcripts beside the tests that made them, one readable file each, kept by syrupy."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.assertion import DiffMode, SnapshotAssertion
from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.session import ItemStatus
from syrupy.terminal import context_style, received_style, snapshot_style

from pytest_streamval.engine.events import StreamEvent
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.errors import InvalidArgumentError, MissingPluginError, UnfinishedRunError, excerpt
from pytest_streamval.plugin.file_names import file_name_of_test, safe_name
from pytest_streamval.plugin.variants import without_cut
from pytest_streamval.transcripts.differences import difference
from pytest_streamval.transcripts.transcript import Transcript, escaped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.session import SnapshotSession
    from syrupy.types import PropertyFilter, PropertyMatcher, SerializedData, SnapshotIndex

_INDEX_BYTES = 70  # of the name given to a snapshot, in that of its file
_PLACE = re.compile(r"(?:\.\d+|@.*)$")  # what tells several snapshots of one test apart
_WIDTH = 120  # characters shown of a line that differs, unless pytest is asked for everything
_WRITTEN = pytest.StashKey[set[str]]()  # the snapshots that tests as scripted have asserted in this process
_STYLES = {"-": snapshot_style, "+": received_style, " ": context_style}


class TranscriptSnapshotExtension(SingleFileSnapshotExtension):
    """Keeps each transcript in a file of its own: `__snapshots__/test_module/test_name.transcript`."""

    _write_mode = WriteMode.TEXT
    file_extension = "transcript"

    registered = False
    """Whether the snapshots there are have been looked up before, which syrupy does when a test asks for its first."""
    width: int | None = _WIDTH
    """Characters shown of a line that differs, None for all of every line."""

    def serialize(
        self,
        data: Any,  # noqa: ANN401  # as in syrupy
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,
    ) -> str:
        """Return a transcript's text; several of them, in a mapping, each under its name.

        `exclude` and `include` are asked with the name of each event's class, `matcher` with each event: it returns
        the event, another one, or the line to show.
        """
        data = _readable(data)
        if isinstance(data, str):
            return escaped(data)
        if isinstance(data, dict):
            parts = [
                f"[{quoted(str(name))[1:-1]}]\n"
                + self.serialize(part, exclude=exclude, include=include, matcher=matcher)
                for name, part in data.items()
            ]
            return "\n".join(sorted(parts))  # equal mappings need not have one order
        kept = [_is_kept(event, exclude, include) for event in data.events]
        shown = [
            matcher(data=event, path=_path(event)) if matcher is not None and keep else event
            for event, keep in zip(data.events, kept, strict=True)
        ]
        # all events, as what a chunk's line says depends on the others
        told = Transcript(new if isinstance(new, StreamEvent) else old for new, old in zip(shown, data, strict=True))
        lines = zip(told.lines, shown, kept, strict=True)
        return "".join(f"{line if isinstance(new, StreamEvent) else new}\n" for line, new, keep in lines if keep)

    def matches(self, *, serialized_data: SerializedData, snapshot_data: SerializedData) -> bool:
        """Return whether two texts have the same lines; editors and hooks like to see to the end of the last one."""
        return str(serialized_data).rstrip("\n") == str(snapshot_data).rstrip("\n")

    def diff_lines(self, serialized_data: SerializedData, snapshot_data: SerializedData) -> Iterator[str]:
        """Yield the lines around the first difference, and how many more lines differ."""
        expected, found = str(snapshot_data).split("\n"), str(serialized_data).split("\n")
        for line in difference(expected, found, width=self.width):
            yield _STYLES[line[0]](line)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """Return a name of its own for every test and index, on case-insensitive file systems too."""
        name = file_name_of_test(test_location.nodeid, test_location.testname)
        if isinstance(index, str):
            return f"{name}@{safe_name(index, index, _INDEX_BYTES)}"
        return f"{name}.{index}" if index else name

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Return whether a file is among the snapshots of a test's module; discovery knows which are of which test."""
        return Path(snapshot_location).parent == Path(cls.dirname(test_location=test_location))

    @classmethod
    def write_snapshot(cls, **snapshot: Any) -> None:  # noqa: ANN401  # as in syrupy
        """Write a snapshot, without a warning that a shortened name does not tell the test's name."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\s*Can not relate snapshot (name|location)", UserWarning)
            super().write_snapshot(**snapshot)

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """Return the snapshots there are; at the end of a run without those of tests that have not passed in it.

        What is found then and was compared with nothing, syrupy takes for unused. A test that failed, or was skipped,
        deselected or not reached, has not shown that it needs its snapshots no more; only syrupy's sessions know.
        """
        others = [extension for extension in ignore_extensions or () if extension != self.file_extension]
        found = super().discover_snapshots(test_location=test_location, ignore_extensions=others)
        if not self.registered:
            return found
        passed = self._passed(test_location)
        over = SnapshotCollections()
        for collection in found:
            path = Path(collection.location)
            module = Path(test_location.filepath).with_name(f"{path.parent.name}.py")
            if path.parent in passed:
                test_is_gone = _is_collected_whole(module, test_location.item.config)
                is_over = passed[path.parent].get(_test_of(path), test_is_gone)
            else:  # no test of the module was collected, for instance as it skips itself
                is_over = not module.exists()
            if is_over:
                over.add(collection)
        return over

    @classmethod
    def _passed(cls, test_location: PyTestLocation) -> dict[Path, dict[str, bool]]:
        """Return whether the tests beside a test have passed, by the folder and the name of their snapshots."""
        session = _session_of(test_location.item.config)
        passed: dict[Path, dict[str, bool]] = {}
        statuses = getattr(session, "_selected_items", {})
        for nodeid, item in getattr(session, "_collected_items", {}).items():
            if item.path.parent == Path(test_location.filepath).parent:
                location = PyTestLocation(item)
                tests = passed.setdefault(Path(cls.dirname(test_location=location)), {})
                name = cls.get_snapshot_name(test_location=location)
                tests[name] = tests.get(name, False) or statuses.get(nodeid) is ItemStatus.PASSED
        return passed


class EventSnapshot(SnapshotAssertion):
    """What `event_snapshot` is: equal to a run, a transcript or events that happened as they did before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.extension, TranscriptSnapshotExtension):
            self.extension.registered = True
            config = self.session.pytest_session.config
            self.extension.width = None if config.get_verbosity(config.VERBOSITY_ASSERTIONS) > 1 else _WIDTH

    def __eq__(self, other: object) -> bool:
        """Compare with the snapshot, and write it where syrupy was told to.

        A variant that cuts the stream elsewhere is compared with the snapshot of the test as scripted.
        """
        try:
            other = _readable(other)
        except Exception:
            self._post_assert()  # a name given for this comparison is not the next one's
            raise
        location = self.extension.get_location(test_location=self.test_location, index=self.index)
        written = self.session.pytest_session.stash.setdefault(_WRITTEN, set())
        if not is_variant(self.test_location):
            written.add(location)
        elif location not in written and self.session.update_snapshots:
            pytest.skip("the snapshot is being updated by the test as scripted; run again without --snapshot-update")
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # what equals several things has no hash

    def __repr__(self) -> str:
        return f"<event_snapshot of {self.test_location.snapshot_name}>"

    def get_assert_diff(self, *, diff_mode: DiffMode = DiffMode.DETAILED) -> list[str]:
        """Return what pytest shows behind a comparison that failed."""
        lines = super().get_assert_diff(diff_mode=diff_mode)
        last = self.executions[self.num_executions - 1]
        if last.recalled_data is None and last.exception is None:
            lines[0] += " Run pytest with --snapshot-update to write it."
        return lines


def is_variant(test_location: PyTestLocation) -> bool:
    """Return whether a test is a variant that cuts its streams elsewhere."""
    return without_cut(test_location.snapshot_name) != test_location.snapshot_name


def event_snapshot_of(request: pytest.FixtureRequest) -> EventSnapshot:
    """Return the snapshot of the test that asks, which a variant never writes."""
    config = request.config
    if not config.pluginmanager.hasplugin("syrupy"):
        raise MissingPluginError("event_snapshot", "syrupy", "'syrupy>=7'")
    session = _session_of(config)
    location = PyTestLocation(request.node)
    scripted = not is_variant(location)
    return EventSnapshot(
        session=session,
        extension_class=TranscriptSnapshotExtension,
        test_location=location,
        update_snapshots=config.option.update_snapshots and scripted,
        update_new_snapshots_only=config.option.update_new_snapshots_only and scripted,
    )


def _session_of(config: pytest.Config) -> SnapshotSession:
    """Return what syrupy's fixture takes; the fixture itself would make an extension look for snapshots of its own."""
    session: SnapshotSession = config._syrupy  # type: ignore[attr-defined]
    return session


def _is_collected_whole(module: Path, config: pytest.Config) -> bool:
    """Return whether a test of a module that was not collected is none: neither node ids nor --lf chose among them."""
    words = (word.partition("::") for word in config.option.file_or_dir)
    chosen = (config.invocation_params.dir / path for path, _, node in words if node)
    return module not in chosen and not getattr(_session_of(config), "_lf_filtered", False)


def _readable(data: object) -> str | Transcript | dict[object, Any]:
    """Return what a snapshot shows of what was compared with it."""
    if isinstance(data, str):
        return data
    if isinstance(data, Transcript):
        return _fixed(data)
    if isinstance(data, StreamChunkingResult):
        if not data.finished:
            raise UnfinishedRunError
        return Transcript.of(data)
    if isinstance(data, Mapping):
        return {name: _readable(part) for name, part in data.items()}
    if isinstance(data, Iterable):
        return _fixed(Transcript(data))
    rule = "A snapshot takes a result, a transcript, events, a transcript's text, or a mapping of names to such."
    raise InvalidArgumentError("event_snapshot", excerpt(data), rule)


def _fixed(transcript: Transcript) -> Transcript:
    """Return a transcript in the order that is the same in every run."""
    if len({type(event) for event in transcript.events}) != 1:
        return transcript
    return Transcript(transcript.events[0].in_fixed_order(transcript.events))


def _path(event: StreamEvent) -> tuple[tuple[str, type], ...]:
    return ((type(event).__name__, type(event)),)


def _is_kept(event: StreamEvent, exclude: PropertyFilter | None, include: PropertyFilter | None) -> bool:
    name = type(event).__name__
    if exclude is not None and exclude(prop=name, path=()):
        return False
    return include is None or include(prop=name, path=())


def _test_of(path: Path) -> str:
    """Return the name of the test of which a file is a snapshot."""
    return _PLACE.sub("", path.name.removesuffix(f".{TranscriptSnapshotExtension.file_extension}"))
