"""Print the costs of variants: python -m benchmarks.variants [COUNT ...], by default 1,000.

A run of pytest with COUNT passing variants of one test of 200 tokens is compared with one of COUNT copies of the test,
parametrised by hand, whose stream is an async generator. Then all of COUNT variants but a few fail, which is compared
with as many that pass. The figures are processor times of both runs in turn, without the start of pytest.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 3
INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\nasyncio_mode = auto\n"
CONFTEST = """
import time
from pathlib import Path

def pytest_collection():
    seen["collecting"] = time.process_time()

def pytest_sessionfinish():
    Path("seconds.txt").write_text(str(time.process_time() - seen["collecting"]))

seen = {}
"""
TOKENS = 'TOKENS = [f"word{number} " for number in range(200)]\n'
VARIANTS = f"""
from pytest_streamval import Script

{TOKENS}
async def test_it(stream_script):
    pieces = [piece async for piece in stream_script(Script.of(*TOKENS)).play()]
    assert "".join(pieces) == "".join(TOKENS)
    assert len(pieces) > LEAST
"""
COPIES = f"""
import pytest

{TOKENS}
async def stream():
    for token in TOKENS:
        yield token

@pytest.mark.parametrize("number", range(COUNT))
async def test_it(number):
    pieces = [piece async for piece in stream()]
    assert "".join(pieces) == "".join(TOKENS)
"""


def seconds(source: str, *options: str) -> float:
    """Return the processor time of a run of pytest, in seconds."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, text in {"pytest.ini": INI, "conftest.py": CONFTEST, "test_it.py": source}.items():
            (folder / name).write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider", "-n", "0"]
        subprocess.run(
            [*command, *options],
            cwd=folder,
            env={**os.environ, "PYTEST_ADDOPTS": "", "PYTHONDONTWRITEBYTECODE": ""},
            check=False,
            capture_output=True,
        )
        return float((folder / "seconds.txt").read_text(encoding="utf-8"))


def main() -> None:
    """Measure and print the ratios."""
    print(f"Python {platform.python_version()}, the median of {ROUNDS} rounds")
    for count in [int(word.replace(",", "")) for word in sys.argv[1:]] or [1_000]:
        fuzz = f"--streamval-fuzz={count - 1}"
        passing, failing, copies = [], [], []
        for _ in range(ROUNDS):
            copies.append(seconds(COPIES.replace("COUNT", str(count))))
            passing.append(seconds(VARIANTS.replace("LEAST", "0"), fuzz))
            failing.append(seconds(VARIANTS.replace("LEAST", "199"), fuzz))
        against = statistics.median(a / b for a, b in zip(passing, copies, strict=True))
        against_passing = statistics.median(a / b for a, b in zip(failing, passing, strict=True))
        each = statistics.median(passing) / count * 1e3
        print(f"{count:6,} variants: {against:.2f} of copies by hand, {each:.2f} ms each")
        print(f"{count:6,} variants that mostly fail: {against_passing:.2f} of passing ones", flush=True)


if __name__ == "__main__":
    main()
