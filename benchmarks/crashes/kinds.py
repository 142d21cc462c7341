"""The kinds of files that this package writes, each with an old and a new version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, TypeAlias

from hypothesis.database import DirectoryBasedExampleDatabase
from syrupy.data import Snapshot, SnapshotCollection

from pytest_streamval import Cassette, CouncilCache, CouncilResult, Read, Script
from pytest_streamval.fuzzing.failing_cut_database import FailingCut, FailingCuts, fetched
from pytest_streamval.plugin.snapshot import TranscriptSnapshotExtension
from pytest_streamval.recordings.replacement import NewRecordings
from pytest_streamval.report.cassette_document import report_of
from pytest_streamval.report.write import write_report

if TYPE_CHECKING:
    from collections.abc import Callable

Version: TypeAlias = Literal["old", "new"]
VERSIONS: tuple[Version, ...] = ("old", "new")
_WORDS = {"old": 1_500, "new": 2_500}  # several blocks of a disk, of different sizes


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of file."""

    write: Callable[[Path, Version], object]
    """Writes a version into a folder, over the other one."""
    find: Callable[[Path], set[str]]
    """Returns the versions that are in a folder. Anything else than `old` and `new` is damage."""
    raises: bool = True
    """Whether an error of the disk is raised. A cache and a database of failing cuts go on without it."""


def _cassette(path: Path, version: Version) -> Cassette:
    frame = f'data: {{"choices": [{{"delta": {{"content": "{version} "}}}}]}}\n\n'.encode()
    reads = (Read(number / 10, frame) for number in range(_WORDS[version] // 10))
    return Cassette(str(path), {"protocol": "openai"}, tuple(reads))


def _write_cassette(path: Path, version: Version) -> None:
    _cassette(path, version).dump()


def _write_script(path: Path, version: Version) -> None:
    Script.from_text(f"{version} " * _WORDS[version], 8).dump(path)


def _write_report(path: Path, version: Version) -> None:
    write_report(report_of(_cassette(Path("it"), version)), path)


def _write_snapshot(path: Path, version: Version) -> None:
    collection = SnapshotCollection(str(path))
    collection.add(Snapshot("it", data=f"{version}\n" * _WORDS[version]))
    TranscriptSnapshotExtension.write_snapshot_collection(snapshot_collection=collection)


def _write_recordings(folder: Path, version: Version) -> None:
    paths = [folder / "it.jsonl", folder / "it.2.jsonl"]
    new = NewRecordings([path for path in paths if path.exists()])
    try:
        for path in paths:
            new.add(_cassette(path, version))
    finally:
        new.close()


def _file(write: Callable[[Path, Version], None], name: str) -> Kind:
    return Kind(lambda folder, version: write(folder / name, version), partial(_find, write, (name,)))


def _find(write: Callable[[Path, Version], None], names: tuple[str, ...], folder: Path) -> set[str]:
    """Return the versions of files with these names."""
    known = _contents(write, names)
    found = [(folder / name).read_bytes() if (folder / name).exists() else b"" for name in names]
    return {known.get((name, data), "damage") for name, data in zip(names, found, strict=True)}


@cache
def _contents(write: Callable[[Path, Version], None], names: tuple[str, ...]) -> dict[tuple[str, bytes], str]:
    """Return the versions of the contents of files."""
    known: dict[tuple[str, bytes], str] = {}
    for version in VERSIONS:
        with TemporaryDirectory() as folder:
            write(Path(folder) if len(names) > 1 else Path(folder, names[0]), version)
            known |= {(name, Path(folder, name).read_bytes()): version for name in names}
    return known


_CUTS: dict[str, FailingCut] = {version: FailingCut(f"test_{version}", "chars") for version in VERSIONS}


def _keep_cut(folder: Path, version: Version) -> None:
    try:
        cuts = FailingCuts.load("cuts", root=folder, base=folder)
    except OSError:  # it is raised to the user when a run begins
        return
    cuts.keep(_CUTS[version])


def _find_cuts(folder: Path) -> set[str]:
    """Return `old`, which must stay, and `new` if that is known too."""
    known = fetched(DirectoryBasedExampleDatabase(folder / "cuts"))
    return {version for version in VERSIONS if _CUTS[version] in known} if _CUTS["old"] in known else {"damage"}


def _result(version: Version) -> CouncilResult:
    return CouncilResult(f"{version} " * _WORDS[version], "raw", ())


def _store(folder: Path, version: Version) -> None:
    CouncilCache(folder / "council.sqlite3").store("k", _result(version))


def _find_result(folder: Path) -> set[str]:
    found = CouncilCache(folder / "council.sqlite3").load("k")
    return {version for version in VERSIONS if found == _result(version)} or {"damage"}


KINDS = {
    "script": _file(_write_script, "it.jsonl"),
    "cassette": _file(_write_cassette, "it.jsonl"),
    "page": _file(_write_report, "it.html"),
    "report part": _file(_write_report, "it.json"),
    "snapshot": _file(_write_snapshot, "it.transcript"),
    "recordings": Kind(_write_recordings, partial(_find, _write_recordings, ("it.jsonl", "it.2.jsonl"))),
    "failing cut": Kind(_keep_cut, _find_cuts, raises=False),
    "cache": Kind(_store, _find_result, raises=False),
}
"""The kinds by their names."""
