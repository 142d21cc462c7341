"""Print the cost of the guard against leaks for a test: python -m benchmarks.leaks [ROUNDS].

Two runs of pytest are measured in turn over the same 1,000 tests: in one the fixture is the plugin's own, in the other
a conftest replaces it by one without a guard. The figure of a run is the median processor time of a test, with its
setup and its teardown. The figure of a side is the lowest of its runs, because other programs can only add to it.
"""

from __future__ import annotations

import os
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
MEASURED = """
import statistics
import time
from pathlib import Path

import pytest

found = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol():
    began = time.process_time()
    result = yield
    found.append(time.process_time() - began)
    return result

def pytest_sessionfinish():
    Path("median.txt").write_text(str(statistics.median(found)))
"""
UNGUARDED = """
from pytest_streamval import StreamingMockBackend, plugin

plugin._GUARDED.clear()

@pytest.fixture
def streaming_mock_backend(request, _streamval_cut):
    return StreamingMockBackend
"""


def milliseconds(folder: Path, *, guarded: bool) -> float:
    """Return the median processor time of a test."""
    (folder / "conftest.py").write_text(MEASURED + ("" if guarded else UNGUARDED))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    subprocess.run(command, cwd=folder, env={**os.environ, "PYTEST_ADDOPTS": ""}, check=True, capture_output=True)
    return float((folder / "median.txt").read_text()) * 1e3


def main() -> None:
    """Measure each shape of test, and say whether it keeps the limit."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    for name, shape in SHAPES.items():
        with tempfile.TemporaryDirectory() as path:
            folder = Path(path)
            (folder / "pytest.ini").write_text(INI)
            (folder / "test_it.py").write_text(HEAD + "\n".join(shape.format(number) for number in range(TESTS)))
            pairs = [(milliseconds(folder, guarded=False), milliseconds(folder, guarded=True)) for _ in range(rounds)]
        without, with_it = (min(side) for side in zip(*pairs, strict=True))
        verdict = "within" if with_it - without <= LIMIT else "ABOVE"
        cost = f"{with_it - without:.3f} ms more, {verdict} {LIMIT} ms"
        print(f"a test {name:27} {without:.3f} ms without, {with_it:.3f} ms with the guard: {cost}")


if __name__ == "__main__":
    main()
