"""Print what the guard against leaks costs a test: python -m benchmarks.leaks [ROUNDS].

Two runs of pytest in turn over the same 1,000 tests: in one the fixture is the plugin's own, in the other a conftest
puts in its place one that asks for no guard. What counts is the processor time of the whole process.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = 1_000
ROUNDS = 5
LIMIT = 0.3  # milliseconds a test

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n"
HEAD = "import asyncio\nimport pytest\nfrom pytest_streamval import SimpleContext, stream_with_chunking\n\n"
SHAPES = {
    "that does nothing": "def test_{}(streaming_mock_backend):\n    pass\n",
    "of one run": (
        "async def test_{}(streaming_mock_backend):\n"
        "    backend = streaming_mock_backend('One. Two. Three. Four.')\n"
        "    async with await stream_with_chunking('go', backend, SimpleContext()) as result:\n"
        "        await result.acomplete()\n"
    ),
    "of one run, by asyncio.run": (
        "def test_{}(streaming_mock_backend):\n"
        "    async def main():\n"
        "        backend = streaming_mock_backend('One. Two. Three. Four.')\n"
        "        async with await stream_with_chunking('go', backend, SimpleContext()) as result:\n"
        "            await result.acomplete()\n"
        "    asyncio.run(main())\n"
    ),
}
UNGUARDED = """
import pytest
from pytest_streamval import StreamingMockBackend

@pytest.fixture
def streaming_mock_backend(request):
    return StreamingMockBackend
"""


def seconds(folder: Path, *, guarded: bool) -> float:
    """Return the processor time of a run of pytest."""
    (folder / "conftest.py").write_text("" if guarded else UNGUARDED)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # each run alone, and the same: no other plugin's settings, no order by chance
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": ""}, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def cost(shape: str, rounds: int) -> tuple[float, float, float]:
    """Return the median, the lowest and the highest of what the guard costs a test, in milliseconds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "pytest.ini").write_text(INI)
        (folder / "test_it.py").write_text(HEAD + "\n".join(shape.format(number) for number in range(TESTS)))
        pairs = [(seconds(folder, guarded=False), seconds(folder, guarded=True)) for _ in range(rounds + 1)][1:]
    found = [(ours - theirs) * 1e3 / TESTS for theirs, ours in pairs]
    return statistics.median(found), min(found), max(found)


def main() -> None:
    """Measure each shape of test, and say whether it keeps the limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for name, shape in SHAPES.items():
        median, low, high = cost(shape, rounds)
        verdict = "within" if median <= LIMIT else "ABOVE"
        print(f"a test {name:27} {median:6.3f} ms ({low:.3f} to {high:.3f}), {verdict} {LIMIT} ms")


if __name__ == "__main__":
    main()
