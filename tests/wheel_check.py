"""Run the README's first example as a new user would: with the installed wheel, in an empty folder.

The environment `wheel` of tox.ini runs this with only the wheel and its dependencies installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest_streamval

ROOT = Path(__file__).resolve().parents[1]


def first_example(readme: str) -> str:
    """The first Python block of a README, which has to be a whole test file."""
    block = re.search(r"^```python\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    if block is None:
        sys.exit("README.md has no ```python block: its first one has to be a whole test file.")
    return block[1]


def passed_tests(report: str) -> int:
    """How many tests passed, by pytest's last line."""
    counts = re.findall(r"\b(\d+) passed\b", report)
    return int(counts[-1]) if counts else 0


def main() -> None:
    """Run the example, and exit with a message if it fails."""
    package = Path(pytest_streamval.__file__).resolve().parent
    if package.is_relative_to(ROOT / "pytest_streamval"):
        sys.exit(f"{package} is the checkout, not the wheel: run this by `python3 dev.py wheel`.")
    if not (package / "py.typed").is_file():
        sys.exit(f"{package} has no py.typed: the wheel hides its types.")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_readme.py").write_text(first_example((ROOT / "README.md").read_text("utf-8")), "utf-8")
        command = [sys.executable, "-m", "pytest", "-ra"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)
    print(done.stdout, done.stderr, sep="\n", flush=True)
    if done.returncode or not passed_tests(done.stdout):
        sys.exit("The README's first example does not pass with the wheel installed alone.")


if __name__ == "__main__":
    main()
