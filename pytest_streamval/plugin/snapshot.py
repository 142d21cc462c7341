"""The fixture `event_snapshot`: a snapshot of syrupy that keeps each transcript in a readable file of its own."""

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

from pytest_streamval.app.page import Page
from pytest_streamval.engine.events import StreamEvent
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.errors import (
    InvalidArgumentError,
    excerpt,
    harmless,
    missing_plugin_error,
    unfinished_run_error,
)
from pytest_streamval.files.writing import write_file
from pytest_streamval.plugin.file_names import file_name_of_test, safe_name
from pytest_streamval.plugin.variant_ids import is_variant, scripted_id, scripted_name
from pytest_streamval.transcripts.differences import difference
from pytest_streamval.transcripts.transcript import Transcript, escaped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.data import SnapshotCollection
    from syrupy.session import SnapshotSession
    from syrupy.types import PropertyFilter, PropertyMatcher, SerializedData, SnapshotIndex

_INDEX_BYTES = 70  # the bytes of a snapshot's name in its file name
_INDEX = re.compile(
    r"(?:\.\d++|@.*)\Z", re.DOTALL
)  # the end of a file name that distinguishes several snapshots of one test
_WIDTH = 120  # the characters shown of a line that differs, without -vv
_WRITTEN = pytest.StashKey[set[str]]()  # the snapshots that tests as scripted have compared in this process
_STYLES = {"-": snapshot_style, "+": received_style, " ": context_style}


class TranscriptSnapshotExtension(SingleFileSnapshotExtension):
    """The extension that keeps each transcript in a file: `__snapshots__/test_module/test_name.transcript`."""

    _write_mode = WriteMode.TEXT
    file_extension = "transcript"

    registered = False
    """Whether syrupy has discovered the existing snapshots before, which it does for the first snapshot of a test."""
    width: int | None = _WIDTH
    """The characters shown of a line that differs, None for all of them."""

    def serialize(
        self,
        data: Any,  # noqa: ANN401  # as in syrupy
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,
    ) -> str:
        """Return the text of a transcript, or of each transcript of a mapping below its name.

        `exclude` and `include` are called with the name of each event's class. `matcher` is called with each event. It
        returns an event, or the line to show instead.
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
            return "\n".join(sorted(parts))  # equal mappings may differ in their order
        kept = [_is_kept(event, exclude, include) for event in data.events]
        shown = [
            matcher(data=event, path=_path(event)) if matcher is not None and keep else event
            for event, keep in zip(data.events, kept, strict=True)
        ]
        # The transcript has all events, because the line of a chunk depends on the others.
        replaced = (new if isinstance(new, StreamEvent) else old for new, old in zip(shown, data, strict=True))
        lines = zip(Transcript(replaced).lines, shown, kept, strict=True)
        return "".join(f"{line if isinstance(new, StreamEvent) else new}\n" for line, new, keep in lines if keep)

    def matches(self, *, serialized_data: SerializedData, snapshot_data: SerializedData) -> bool:
        """Return whether two texts have the same lines. Editors may change the end of the last one."""
        return str(serialized_data).rstrip("\n") == str(snapshot_data).rstrip("\n")

    def diff_lines(self, serialized_data: SerializedData, snapshot_data: SerializedData) -> Iterator[str]:
        """Yield the lines around the first difference, and the number of other lines that differ."""
        expected, found = str(snapshot_data).split("\n"), str(serialized_data).split("\n")
        for line in difference(expected, found, width=self.width):
            yield _STYLES[line[0]](harmless(line))

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """Return a name that is unique for the test and the index, on case-insensitive file systems too."""
        name = file_name_of_test(scripted_id(test_location.item), scripted_name(test_location.item))
        if isinstance(index, str):
            return f"{name}@{safe_name(index, index, _INDEX_BYTES)}"
        return f"{name}.{index}" if index else name

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Return whether a file is a snapshot of the test's module. Discovery finds out which test it belongs to."""
        return Path(snapshot_location).parent == Path(cls.dirname(test_location=test_location))

    @classmethod
    def write_snapshot(cls, **snapshot: Any) -> None:  # noqa: ANN401  # as in syrupy
        """Write a snapshot, without the warning about a shortened name."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"\s*Can not relate snapshot (name|location)", UserWarning)
            super().write_snapshot(**snapshot)

    @classmethod
    def write_snapshot_collection(
        cls, *, snapshot_collection: SnapshotCollection, name_order: dict[str, int] | None = None
    ) -> None:
        """Write the only snapshot of a file completely or, after an error, not at all."""
        del name_order
        (snapshot,) = snapshot_collection
        write_file(snapshot_collection.location, str(snapshot.data).encode())

    def read_snapshot_data_from_location(
        self, *, snapshot_location: str, snapshot_name: str, session_id: str
    ) -> str | None:
        """Return the text of a file, None if there is none. Bytes that are not UTF-8 are shown as the difference."""
        del snapshot_name, session_id
        try:
            return Path(snapshot_location).read_text(encoding="utf-8-sig", errors="backslashreplace")
        except FileNotFoundError:
            return None

    def discover_snapshots(
        self, *, test_location: PyTestLocation, ignore_extensions: list[str] | None = None
    ) -> SnapshotCollections:
        """Return the existing snapshots, at the end of a run only those of tests that passed or no longer exist.

        At the end of a run, syrupy reports each of them as unused that was not compared. A test that failed, was
        skipped or was not selected may still need its snapshots.
        """
        others = [extension for extension in ignore_extensions or () if extension != self.file_extension]
        found = super().discover_snapshots(test_location=test_location, ignore_extensions=others)
        if not self.registered:
            return found
        passed = self._passed(test_location)
        candidates = SnapshotCollections()
        for collection in found:
            path = Path(collection.location)
            module = Path(test_location.filepath).with_name(f"{path.parent.name}.py")
            if path.parent in passed:
                all_collected = _has_collected_all(module, test_location.item.config)
                may_be_unused = passed[path.parent].get(_test_of(path), all_collected)
            else:  # no test of the module was collected, for example because the module skips itself
                may_be_unused = not module.exists()
            if may_be_unused:
                candidates.add(collection)
        return candidates

    @classmethod
    def _passed(cls, test_location: PyTestLocation) -> dict[Path, dict[str, bool]]:
        """Return whether the tests in a test's folder have passed, by the folder and the name of their snapshots."""
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
    """The type of the fixture `event_snapshot`. It equals a run, events or a page that have not changed."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.extension, TranscriptSnapshotExtension):
            self.extension.registered = True
            config = self.session.pytest_session.config
            self.extension.width = None if config.get_verbosity(config.VERBOSITY_ASSERTIONS) > 1 else _WIDTH

    def __eq__(self, other: object) -> bool:
        """Compare with the snapshot, and write it if an option of syrupy requests that.

        A variant is compared with the snapshot of the test as scripted.
        """
        try:
            other = _readable(other)
        except Exception:
            self._post_assert()  # resets the name that was given for this comparison
            raise
        location = self.extension.get_location(test_location=self.test_location, index=self.index)
        written = self.session.pytest_session.stash.setdefault(_WRITTEN, set())
        if not is_variant(self.test_location.item):
            written.add(location)
        elif location not in written and self.session.update_snapshots:
            pytest.skip("the test as scripted updates the snapshot; run again without --snapshot-update")
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # equal objects of other types have other hashes

    def __repr__(self) -> str:
        return f"<event_snapshot of {self.test_location.snapshot_name}>"

    def get_assert_diff(self, *, diff_mode: DiffMode = DiffMode.DETAILED) -> list[str]:
        """Return the lines that pytest shows below a comparison that failed."""
        lines = super().get_assert_diff(diff_mode=diff_mode)
        last = self.executions[self.num_executions - 1]
        if last.recalled_data is None and last.exception is None:
            lines[0] += " Run pytest with --snapshot-update to write it."
        return lines


def event_snapshot_of(request: pytest.FixtureRequest) -> EventSnapshot:
    """Return the snapshot of a test. A variant never writes it."""
    config = request.config
    if not config.pluginmanager.hasplugin("syrupy"):
        raise missing_plugin_error("event_snapshot", "syrupy", "'syrupy>=7'")
    session = _session_of(config)
    location = PyTestLocation(request.node)
    scripted = not is_variant(request.node)
    return EventSnapshot(
        session=session,
        extension_class=TranscriptSnapshotExtension,
        test_location=location,
        update_snapshots=config.option.update_snapshots and scripted,
        update_new_snapshots_only=config.option.update_new_snapshots_only and scripted,
    )


def _session_of(config: pytest.Config) -> SnapshotSession:
    """Return syrupy's session. Syrupy's fixture has it, but would also discover snapshots of its own extension."""
    session: SnapshotSession = config._syrupy  # type: ignore[attr-defined]
    return session


def _has_collected_all(module: Path, config: pytest.Config) -> bool:
    """Return whether all tests of a module were collected: neither ids on the command line nor --lf selected some."""
    words = (word.partition("::") for word in config.option.file_or_dir)
    chosen = (config.invocation_params.dir / path for path, _, node in words if node)
    return module not in chosen and not getattr(_session_of(config), "_lf_filtered", False)


def _readable(data: object) -> str | Transcript | dict[object, Any]:
    """Return the text or the transcripts of a compared object.

    Raises:
        UnfinishedError: If it is the result of a run that is not finished.
        InvalidArgumentError: If it is of another type.
    """
    if isinstance(data, str | Page):
        return data if isinstance(data, str) else data.snapshot()
    if isinstance(data, Transcript):
        return _in_fixed_order(data)
    if isinstance(data, StreamChunkingResult):
        if not data.finished:
            raise unfinished_run_error()
        return Transcript.of(data)
    if isinstance(data, Mapping):
        return {name: _readable(part) for name, part in data.items()}
    if isinstance(data, Iterable):
        return _readable_items(list(data))
    rule = "It must be a result, a transcript, its text, events, a page, texts, or a mapping from names to these."
    raise InvalidArgumentError("event_snapshot", excerpt(data), rule)


def _readable_items(items: list[Any]) -> str | Transcript:
    """Return texts with a line for each, or the transcript of events."""
    if items and all(isinstance(item, str) for item in items):
        return "".join(f"{quoted(item)}\n" for item in items)
    return _in_fixed_order(Transcript(items))


def _in_fixed_order(transcript: Transcript) -> Transcript:
    """Return a transcript whose order is the same in every run."""
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
    """Return the name of the test to which a snapshot file belongs."""
    return _INDEX.sub("", path.name.removesuffix(f".{TranscriptSnapshotExtension.file_extension}"))
