"""The trials: what is in a folder after a crash while a new version was written over the old one."""

from __future__ import annotations

import random
import signal
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.crashes.disks import can_mount, mount, protect
from benchmarks.crashes.kinds import KINDS, VERSIONS
from benchmarks.crashes.processes import (
    DONE,
    FAILED,
    REPORTED,
    count_steps,
    kill_at_any_moment,
    kill_at_step,
    limit_files,
    run,
    without_permission,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.crashes.kinds import Kind

_KILLS = {-signal.SIGKILL, -signal.SIGXFSZ}
_LONGEST = 0.05  # seconds until a process is killed at any moment
_DISK = 1_000_000  # bytes


class Outcome(NamedTuple):
    """The outcome of one trial."""

    code: int
    """The exit code of the process, or the negative number of the signal that ended it."""
    fault: str = ""
    """The damage, or an empty string."""


def trials(kind: str, times: int, seed: int) -> Iterator[tuple[str, list[Outcome]]]:
    """Try each crash, and yield its name and the outcomes, none if this system does not allow it.

    Args:
        kind: The name of a kind.
        times: The number of trials of each crash.
        seed: The seed of the moments at which processes are killed.
    """
    for name, crash in _CRASHES.items():
        is_possible = crash is not _disk or can_mount()
        yield name, [crash(KINDS[kind], number, times, seed) for number in range(times if is_possible else 0)]


def _spread(number: int, times: int, most: int) -> int:
    """Return one of `times` numbers that are spread over a range, which includes its ends."""
    return round(most * number / max(1, times - 1))


def _in_folder(trial: Callable[[Kind, Path], Outcome], kind: Kind) -> Outcome:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        kind.write(folder, "old")
        kind.find(folder)
        return trial(kind, folder)


def _verdict(kind: Kind, folder: Path, code: int) -> Outcome:
    """Return the outcome of a process that wrote the new version."""
    return Outcome(code, _fault(kind, folder, code))


def _fault(kind: Kind, folder: Path, code: int) -> str:
    found = kind.find(folder)
    if not found or not found <= set(VERSIONS):
        return f"exit code {code}: the folder has {sorted(found)}"
    if code in _KILLS:
        kind.write(folder, "old")  # the next writer removes what is left
    if left := [path.name for path in folder.rglob(".streamval-*")]:
        return f"exit code {code}: {left} are left"
    if code in _KILLS:
        return ""
    if code == DONE and kind.raises and found != {"new"}:
        return f"no error, but the folder has {sorted(found)}"
    if code == REPORTED and found != {"old"}:
        return f"an error, but the folder has {sorted(found)}"
    return "an error that does not name the file" if code == FAILED else ""


def _killed_at_step(kind: Kind, number: int, times: int, _seed: int) -> Outcome:
    with TemporaryDirectory() as name:
        kind.write(Path(name), "old")
        steps = count_steps(partial(kind.write, Path(name), "new"))
    step = _spread(number, times, steps)

    def trial(kind: Kind, folder: Path) -> Outcome:
        code = run(partial(kind.write, folder, "new"), prepare=kill_at_step(step))
        return _verdict(kind, folder, code)

    return _in_folder(trial, kind)


def _limited(kind: Kind, number: int, times: int, *, kill: bool) -> Outcome:
    def trial(kind: Kind, folder: Path) -> Outcome:
        size = max(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        begin = limit_files(_spread(number, times, 2 * size), kill=kill)
        return _verdict(kind, folder, run(partial(kind.write, folder, "new"), prepare=begin))

    return _in_folder(trial, kind)


def _killed_at_size(kind: Kind, number: int, times: int, _seed: int) -> Outcome:
    return _limited(kind, number, times, kill=True)


def _full(kind: Kind, number: int, times: int, _seed: int) -> Outcome:
    return _limited(kind, number, times, kill=False)


def _killed_at_any_moment(kind: Kind, number: int, _times: int, seed: int) -> Outcome:
    seconds = random.Random(f"{seed} {number}").uniform(0, _LONGEST)

    def trial(kind: Kind, folder: Path) -> Outcome:
        def work() -> None:
            for version in ("new", "old"):
                kind.write(folder, version)

        return _verdict(kind, folder, kill_at_any_moment(work, seconds))

    return _in_folder(trial, kind)


def _read_only(kind: Kind, _number: int, _times: int, _seed: int) -> Outcome:
    def trial(kind: Kind, folder: Path) -> Outcome:
        code = run(partial(kind.write, folder, "new"), prepare=without_permission(folder))
        folder.chmod(0o755)
        return _verdict(kind, folder, code)

    return _in_folder(trial, kind)


def _disk(kind: Kind, number: int, times: int, _seed: int) -> Outcome:
    """Fill a disk but for some bytes, and in the last trial make it read-only."""
    is_last = number == times - 1

    def write(kind: Kind, folder: Path) -> None:
        mount(folder, _DISK)
        kind.write(folder, "old")
        kind.find(folder)
        if is_last:
            protect(folder, read_only=True)
        else:
            _fill(folder, leave=_spread(number, times, 40_000))
        code = run(partial(kind.write, folder, "new"))
        if is_last:
            protect(folder, read_only=False)
        else:
            (folder / "filling").unlink()
        if fault := _verdict(kind, folder, code).fault:
            raise AssertionError(fault)

    def trial(kind: Kind, folder: Path) -> Outcome:
        code = run(partial(write, kind, folder))
        return Outcome(code, "" if code == DONE else "a fault, printed above")

    return _in_folder(trial, kind)


def _fill(folder: Path, *, leave: int) -> None:
    with (folder / "filling").open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            file.truncate(max(0, file.tell() - leave))


_CRASHES = {
    "killed at a step": _killed_at_step,
    "killed at a size": _killed_at_size,
    "killed at any moment": _killed_at_any_moment,
    "no room": _full,
    "no permission": _read_only,
    "full and read-only disks": _disk,
}
