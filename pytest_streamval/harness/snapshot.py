"""`event_snapshot`: transcripts beside the tests that made them, one readable file each, kept by syrupy."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.assertion import DiffMode, SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.terminal import context_style, received_style, snapshot_style

from pytest_streamval.engine.events import StreamEvent
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.errors import InvalidArgumentError, MissingPluginError, UnfinishedRunError, excerpt
from pytest_streamval.harness.transcript import Transcript, difference
from pytest_streamval.harness.variants import without_cut

if TYPE_CHECKING:
    from collections.abc import Iterator

    from syrupy.types import PropertyFilter, PropertyMatcher, SnapshotIndex

_NAME_BYTES = 120  # of a test in a file name: readable, and within the 255 that file systems allow
_UNSAFE = re.compile(r"[^\w\-.,=+()\[\] ]")
_PLACE = re.compile(r"(?:\.\d+|@.*)$")  # what tells several snapshots of one test apart
_WRITTEN = pytest.StashKey[set[str]]()  # the snapshots that tests as scripted have asserted in this process
_STYLES = {"-": snapshot_style, "+": received_style, " ": context_style}


class TranscriptSnapshotExtension(SingleFileSnapshotExtension):
    """Keeps each transcript in a file of its own: `__snapshots__/test_module/test_name.transcript`."""

    _write_mode = WriteMode.TEXT
    file_extension = "transcript"

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
            return data
        if isinstance(data, dict):
            parts = {
                name: self.serialize(part, exclude=exclude, include=include, matcher=matcher)
                for name, part in data.items()
            }
            return "\n".join(f"[{name}]\n{text}" for name, text in parts.items())
        kept = [event for event in data.events if _is_kept(event, exclude, include)]
        shown = [event if matcher is None else matcher(data=event, path=_path(event)) for event in kept]
        events = [new if isinstance(new, StreamEvent) else old for old, new in zip(kept, shown, strict=True)]
        lines = zip(shown, Transcript(events).lines, strict=True)
        return "".join(f"{line if isinstance(new, StreamEvent) else new}\n" for new, line in lines)

    @classmethod
    def get_snapshot_name(cls, *, test_location: PyTestLocation, index: SnapshotIndex = 0) -> str:
        """Return a name of its own for every test and index, on case-insensitive file systems too."""
        name = without_cut(test_location.snapshot_name)
        name = _safe(name, name.removeprefix(f"{test_location.classname}."))
        if isinstance(index, str):
            return f"{name}@{_safe(index, index)}"
        return f"{name}.{index}" if index else name

    @classmethod
    def matches_test_location(cls, *, test_location: PyTestLocation, snapshot_location: str) -> bool:
        """Return whether a file is a snapshot of a test."""
        path = Path(snapshot_location)
        if path.parent.name != test_location.basename or not test_location.matches_snapshot_site(snapshot_location):
            return False
        name = path.name.removesuffix(f".{cls.file_extension}")
        return _PLACE.sub("", name) == cls.get_snapshot_name(test_location=test_location)

    def diff_lines(self, serialized_data: str | bytes, snapshot_data: str | bytes) -> Iterator[str]:
        """Yield the lines around the first difference, and how many more lines differ."""
        for line in difference(str(snapshot_data).splitlines(), str(serialized_data).splitlines()):
            yield _STYLES[line[0]](line)


class EventSnapshot(SnapshotAssertion):
    """What `event_snapshot` is: equal to a run, a transcript or events that happened as they did before."""

    def __eq__(self, other: object) -> bool:
        """Compare with the snapshot, and write it where syrupy was told to.

        A variant that cuts the stream elsewhere is compared with the snapshot of the test as scripted.
        """
        other = _readable(other)
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
    if not request.config.pluginmanager.hasplugin("syrupy"):
        raise MissingPluginError("event_snapshot", "syrupy", "'syrupy>=7'")
    snapshot: SnapshotAssertion = request.getfixturevalue("snapshot")
    location = PyTestLocation(request.node)
    scripted = not is_variant(location)
    return EventSnapshot(
        session=snapshot.session,
        extension_class=TranscriptSnapshotExtension,
        test_location=location,
        update_snapshots=snapshot.update_snapshots and scripted,
        update_new_snapshots_only=snapshot.update_new_snapshots_only and scripted,
    )


def _readable(data: object) -> str | Transcript | dict[str, Any]:
    """Return what a snapshot shows of what was compared with it."""
    if isinstance(data, str | Transcript):
        return data
    if isinstance(data, StreamChunkingResult):
        if not data.finished:
            raise UnfinishedRunError
        return Transcript.of(data)
    if isinstance(data, Mapping):
        return {str(name): _readable(part) for name, part in data.items()}
    if isinstance(data, Iterable):
        return Transcript(data)
    rule = "a snapshot takes a result, a transcript, events, a transcript's text, or a mapping of names to such."
    raise InvalidArgumentError("event_snapshot", excerpt(data), rule)


def _path(event: StreamEvent) -> tuple[tuple[str, type], ...]:
    return ((type(event).__name__, type(event)),)


def _is_kept(event: StreamEvent, exclude: PropertyFilter | None, include: PropertyFilter | None) -> bool:
    name = type(event).__name__
    if exclude is not None and exclude(prop=name, path=()):
        return False
    return include is None or include(prop=name, path=())


def _safe(name: str, case_matters: str) -> str:
    """Return a name that every file system takes as it is, told apart by a digest where it had to be changed."""
    safe = _UNSAFE.sub("_", name)
    short = safe.encode()[:_NAME_BYTES].decode(errors="ignore").rstrip(". ")
    if short == name and case_matters == case_matters.lower():
        return name
    return f"{short}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:8]}"
