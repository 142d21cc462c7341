"""Print how many known boundary bugs fuzzing finds: python -m benchmarks.boundary_bugs [--report N].

The bugs are those of public code, rewritten small (tests/data/boundary_bugs). Each has texts of 17 to 2,086 characters,
with which it passes as scripted, and a right consumer, which must never fail. A bug is found at N if one of the first N
cuts of its text changes the result. With --report, pytest itself runs the tests, and its report is measured.
"""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from pytest_streamval import Script
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter
from pytest_streamval.fuzzing.smallest_cut import CutRun, smallest_cut

DATA = Path(__file__).parent.parent / "tests" / "data" / "boundary_bugs"
COUNTS = (5, 10, 20, 50)


class Outcome(NamedTuple):
    """The outcome of one bug with one text."""

    name: str
    """The name of the bug, and the number of the text."""
    found: int | None
    """The number of the first cut that finds the bug."""
    accused: list[str]
    """The cuts under which the right consumer fails."""
    smallest: Cut | None
    """The smallest cut that finds the bug."""
    runs: int
    """The runs that the search for it took."""


def cases() -> list[Any]:
    """Return the bugs with their right consumers and texts."""
    sys.path.insert(0, str(DATA))
    try:
        import base  # type: ignore[import-not-found]
        import half_a  # type: ignore[import-not-found]  # noqa: F401  # adds the cases
    finally:
        sys.path.remove(str(DATA))
    return list(base.CASES["a"])


def outcomes(count: int) -> list[Outcome]:
    """Return the outcomes of all bugs and texts under the first cuts."""
    return [
        _outcome(case, f"{case.name}-{number}", text, count)
        for case in cases()
        for number, text in enumerate(case.texts)
    ]


def _outcome(case: Any, name: str, text: Any, count: int) -> Outcome:  # noqa: ANN401  # the cases are not typed
    is_text = case.kind == "text"
    script = Script.of(*(case.scripted(text) if is_text else text()))
    want = case.right([text] if is_text else script.deltas)
    runs = -1  # the first one is that of the variant

    def fails(consumer: Any, cut: Cut | None) -> CutRun:  # noqa: ANN401  # as above
        recutter = ScriptRecutter(cut)
        deltas = recutter.script(script).deltas
        pieces = [delta.text for delta in deltas] if is_text else list(deltas)
        return CutRun(_result(consumer, pieces) != want, tuple(recutter.places()), has_bodies=False)

    def trial(cut: Cut | None, *_: Cut | None) -> CutRun:
        nonlocal runs
        runs += 1
        return fails(case.bug, cut)

    cuts = Cut.first(count)
    found = next((cut for cut in cuts if fails(case.bug, cut).fails_alike), None)
    accused = [cut.name for cut in cuts if fails(case.right, cut).fails_alike]
    smallest = None if found is None else smallest_cut(found, trial(found), trial).cut
    return Outcome(name, None if found is None else int(found.name), accused, smallest, runs)


def _result(consumer: Any, pieces: list[Any]) -> object:  # noqa: ANN401  # as above
    try:
        return consumer(list(pieces))
    except Exception as error:  # noqa: BLE001  # a bug may raise anything
        return type(error)


def share(found: list[Outcome], count: int) -> float:
    """Return the share of the bugs and texts that the first `count` cuts find, in percent."""
    return 100 * sum(each.found is not None and each.found <= count for each in found) / len(found)


def main() -> None:
    """Print the shares, or the size of the report."""
    if sys.argv[1:2] == ["--report"]:
        _measure_report(int(sys.argv[2]) if len(sys.argv) > 2 else 20)
        return
    found = outcomes(COUNTS[-1])
    print(f"{len(cases())} bugs with {len(found)} texts")
    for count in COUNTS:
        print(f"N = {count:2}: {share(found, count):5.1f} % found")
    accused = [each.name for each in found if each.accused]
    print(f"N = {COUNTS[-1]}: {len(accused)} right consumers accused {' '.join(accused)}".rstrip())
    runs = [each.runs for each in found if each.found is not None]
    print(f"runs to find the smallest cut: {statistics.median(runs):.0f} in the median, {max(runs)} at most")
    late = [f"{each.name} ({each.found})" for each in found if each.found is None or each.found > COUNTS[0]]
    print(f"not among the first {COUNTS[0]}: {', '.join(late)}")


def _measure_report(count: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0"]
        command += ["test_half_a.py", "-k", "test_bug", "--streamval-fuzz", str(count), f"--streamval-fuzz-db={place}"]
        began = time.perf_counter()
        output = subprocess.run(command, cwd=DATA, check=False, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - began
    failed = re.findall(r"^FAILED \S+\[(.*)-cut-([\w.-]+)\]", output, re.MULTILINE)
    places = [0 if name == "whole" else len(re.findall(r"\d+", name)) if "at-" in name else 999 for _, name in failed]
    print(f"N = {count}: {len(output.splitlines()):,} lines in {seconds:.0f} s")
    print(f"{len(failed)} failures of {len({test for test, _ in failed})} tests")
    print(f"at most one cut in {100 * sum(number <= 1 for number in places) / len(places):.0f} % of them")
    print(f"the median of their cuts is {statistics.median(places):.0f}, the most {max(places)}")
    print(*(line for line in output.splitlines() if line.startswith("streamval: ")), sep="\n")


if __name__ == "__main__":
    main()
