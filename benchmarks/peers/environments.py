"""An environment of its own for each contender, kept in `.cache/peers` so that a second run is quick."""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from shutil import rmtree

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "peers"
STAMP = "peer-stamp"  # inside the environment, written last: without it the environment is half made
OWN = "pytest-streamval"
IMPORTS = 5  # of which the median counts


class NotInstalledError(Exception):
    """An environment could not be made."""

    def __init__(self, requirement: str, said: str) -> None:
        super().__init__(f"{requirement} could not be installed into an environment of its own; pip says:\n{said}")


@dataclass(frozen=True)
class Environment:
    """An environment with one distribution and its dependencies, and nothing else."""

    name: str
    """Its folder's name."""
    requirement: str
    """The requirement for pip. `OWN` is the checkout."""
    statement: str
    """The module that a user of the distribution imports first."""

    @property
    def folder(self) -> Path:
        """The path of the environment."""
        return CACHE / self.name

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @property
    def packages(self) -> Path:
        """The folder of the installed packages."""
        place = {"base": str(self.folder), "platbase": str(self.folder)}
        return Path(sysconfig.get_path("purelib", "venv", place))

    def ensure(self) -> None:
        """Make it unless it is there, whole and current."""
        stamp = json.dumps([self.requirement, sys.version, _digest() if self.requirement == OWN else ""])
        if _read(self.folder / STAMP) == stamp:
            return
        print(f"Making the environment of {self.requirement} ...", file=sys.stderr, flush=True)
        rmtree(self.folder, ignore_errors=True)
        venv.create(self.folder, symlinks=os.name != "nt")
        target = str(ROOT) if self.requirement == OWN else self.requirement
        pip = [sys.executable, "-m", "pip", "--python", str(self.python), "--disable-pip-version-check"]
        done = subprocess.run([*pip, "install", "--quiet", target], capture_output=True, text=True, check=False)
        if done.returncode:
            raise NotInstalledError(self.requirement, done.stderr)
        (self.folder / STAMP).write_text(stamp, encoding="utf-8")

    def size(self) -> tuple[float, int]:
        """Return the megabytes on disk, without the files of the first import, and the number of distributions."""
        files = [path for path in self.packages.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        return sum(path.stat().st_size for path in files) / 1e6, len(list(self.packages.glob("*.dist-info")))

    def import_seconds(self) -> float:
        """Return the processor time of the import, beyond that of an interpreter that imports nothing."""
        self._seconds(self.statement)  # warm up: compile
        return statistics.median(self._seconds(self.statement) - self._seconds("pass") for _ in range(IMPORTS))

    def _seconds(self, statement: str) -> float:
        code = f"{statement}\nimport time; print(time.process_time())"
        command = [str(self.python), "-I", "-W", "ignore", "-c", code]
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=clean())
        return float(done.stdout.split()[-1])


def clean() -> dict[str, str]:
    """Return the variables of the process without those that switch telemetry on."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("MELLEA_", "OTEL_"))}


@cache
def _digest() -> str:
    """Return a digest of the checkout, so that a change renews its environment. A run computes it once."""
    sources = [ROOT / "pyproject.toml", *sorted((ROOT / "pytest_streamval").rglob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
