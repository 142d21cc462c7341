"""`TranscriptSnapshotExtension`: the extension of syrupy that keeps each transcript in a readable file of its own."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from syrupy.data import SnapshotCollections
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode
from syrupy.location import PyTestLocation
from syrupy.session import ItemStatus
from syrupy.terminal import context_style, received_style, snapshot_style

from pytest_streamval.errors import harmless
from pytest_streamval.files.writing import write_file
from pytest_streamval.plugin.file_names import file_name_of_test, safe_name
from pytest_streamval.plugin.snapshot_text import Filters, text_of
from pytest_streamval.plugin.variant_ids import scripted_id, scripted_name
from pytest_streamval.transcripts.line_groups import LineGroups, LineSubset

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from syrupy.data import SnapshotCollection
    from syrupy.session import SnapshotSession
    from syrupy.types import PropertyFilter, PropertyMatcher, SerializedData, SnapshotIndex

WIDTH = 120
"""The characters shown of a line that differs, without -vv."""

_INDEX_BYTES = 70  # the bytes of a snapshot's name in its file name
_INDEX = re.compile(
    r"(?:\.\d++|@.*)\Z", re.DOTALL
)  # the end of a file name that distinguishes several snapshots of one test
_STYLES = {"-": snapshot_style, "+": received_style, " ": context_style}


class TranscriptSnapshotExtension(SingleFileSnapshotExtension):
    """The extension that keeps each transcript in a file: `__snapshots__/test_module/test_name.transcript`."""

    _write_mode = WriteMode.TEXT
    file_extension = "transcript"

    registered = False
    """Whether syrupy has discovered the existing snapshots before, which it does for the first snapshot of a test."""
    width: int | None = WIDTH
    """The characters shown of a line that differs, None for all of them."""
    subset = False
    """Whether other lines may lie between those of the snapshot."""
    in_any_order: PropertyFilter | None = None
    """The filter of events whose neighbours may change places with them."""

    def serialize(
        self,
        data: Any,  # noqa: ANN401  # as in syrupy
        *,
        exclude: PropertyFilter | None = None,
        include: PropertyFilter | None = None,
        matcher: PropertyMatcher | None = None,
    ) -> str:
        """Return the text of a transcript, or of another object that has one obvious text.

        `exclude` and `include` are called with the name of the class of each event or answer. `matcher` is called with
        the event or the answer. It returns one, or the line to show instead.
        """
        return text_of(data, Filters(exclude, include, matcher, self.in_any_order))

    def matches(self, *, serialized_data: SerializedData, snapshot_data: SerializedData) -> bool:
        """Return whether the snapshot has the received lines. Editors may change the end of the last one."""
        expected, found = str(snapshot_data).rstrip("\n"), str(serialized_data).rstrip("\n")
        if self.subset:
            return LineSubset.parse(expected).match(LineGroups.parse(found).lines)
        return expected == found or LineGroups.parse(expected).match(LineGroups.parse(found).lines)

    def diff_lines(self, serialized_data: SerializedData, snapshot_data: SerializedData) -> Iterator[str]:
        """Yield the lines around the first difference, and the number of other lines that differ."""
        expected, found = str(snapshot_data), LineGroups.parse(str(serialized_data)).lines
        if self.subset:
            lines = LineSubset.parse(expected).difference(found)
        else:
            lines = LineGroups.parse(expected).difference(found, width=self.width)
        for line in lines:
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
        if not self._is_at_end(test_location):
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

    def _is_at_end(self, test_location: PyTestLocation) -> bool:
        """Return whether the test has run: syrupy discovers the snapshots for its first snapshot, and at the end."""
        statuses = getattr(session_of(test_location.item.config), "_selected_items", {})
        return self.registered or statuses.get(test_location.nodeid, ItemStatus.NOT_RUN) is not ItemStatus.NOT_RUN

    @classmethod
    def _passed(cls, test_location: PyTestLocation) -> dict[Path, dict[str, bool]]:
        """Return whether the tests in a test's folder have passed, by the folder and the name of their snapshots."""
        session = session_of(test_location.item.config)
        passed: dict[Path, dict[str, bool]] = {}
        statuses = getattr(session, "_selected_items", {})
        for nodeid, item in getattr(session, "_collected_items", {}).items():
            if item.path.parent == Path(test_location.filepath).parent:
                location = PyTestLocation(item)
                tests = passed.setdefault(Path(cls.dirname(test_location=location)), {})
                name = cls.get_snapshot_name(test_location=location)
                tests[name] = tests.get(name, False) or statuses.get(nodeid) is ItemStatus.PASSED
        return passed


def session_of(config: pytest.Config) -> SnapshotSession:
    """Return syrupy's session. Syrupy's fixture has it, but would also discover snapshots of its own extension."""
    session: SnapshotSession = config._syrupy  # type: ignore[attr-defined]
    return session


def _has_collected_all(module: Path, config: pytest.Config) -> bool:
    """Return whether all tests of a module were collected: neither ids on the command line nor --lf selected some."""
    words = (word.partition("::") for word in config.option.file_or_dir)
    chosen = (config.invocation_params.dir / path for path, _, node in words if node)
    return module not in chosen and not getattr(session_of(config), "_lf_filtered", False)


def _test_of(path: Path) -> str:
    """Return the name of the test to which a snapshot file belongs."""
    return _INDEX.sub("", path.name.removesuffix(f".{TranscriptSnapshotExtension.file_extension}"))
