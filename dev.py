#!/usr/bin/env python3
"""Run an environment of this project on a bare machine: `python3 dev.py NAME [arguments]`.

This script creates `.venv` if it is missing or stale, installs tox and uv into it, and runs the environment NAME of
tox.ini. It needs only Python and pip. An old Python has to get far enough to report which version is needed: the syntax
is that of Python 3.6, and Python 2 stops at the line of `OLDEST` and shows it.
"""

import configparser
import itertools
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

OLDEST: "tuple[int, int]" = (3, 11)  # This project needs Python 3.11 or newer: try "python3.11 dev.py"

TOX = ("tox>=4.25,<5", "tox-uv>=1.29")  # uv installs an environment in a tenth of the time that pip takes
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = "dev-stamp"  # Written into .venv last: an environment without it is incomplete.
FAILED, MISUSED, INTERRUPTED = 1, 2, 130  # Exit codes, as a shell knows them.


class DevError(Exception):
    """The reason why tox could not be run, in one sentence."""


def why_unsuitable(version: "tuple[int, ...]", executable: str) -> str:
    """Return the reason why a Python of this version cannot be used. It is empty if there is none."""
    if version[:2] >= OLDEST:
        return ""
    found, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
    return f"This project needs Python {wanted} or newer, but {executable} is Python {found}: try python{wanted} dev.py"


def environments(config: Path) -> "dict[str, str]":
    """Return the environments of a tox.ini with their descriptions, in the order of the file."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(config, encoding="utf-8")
    default = parser.get("testenv", "description", fallback="")
    sections = [section for section in parser.sections() if section.startswith("testenv:")]
    return {
        name: parser.get(section, "description", fallback=default)
        for section in sections
        for name in expand(section[len("testenv:") :])
    }


def expand(names: str) -> "list[str]":
    """Return the names that braces stand for: `py{311,312}` is py311 and py312."""
    parts = [part.split(",") for part in re.split("[{}]", names)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def usage(known: "dict[str, str]") -> str:
    """Return the usage, with the list of environments."""
    width = max(map(len, known), default=0)
    rows = [f"  {name:{width}}  {does}" for name, does in known.items()]
    return "\n".join(["Usage: python3 dev.py NAME[,NAME] [arguments]", "", *rows])


def python_of(venv: Path) -> Path:
    """Return the interpreter of an environment."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_for(venv: Path) -> "list[str]":
    """Return the stamp of an environment: the interpreter, the place and the tool that it depends on."""
    return [sys.version.split()[0], sys.base_prefix, str(venv), " ".join(TOX)]


def read_stamp(venv: Path) -> "list[str]":
    """Return the stamp that an environment has. It is empty if the environment is missing or incomplete."""
    try:
        return (venv / STAMP).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def is_fresh(venv: Path) -> bool:
    """Return whether an environment is complete, and made for this interpreter, this place and this tox."""
    return read_stamp(venv) == stamp_for(venv) and succeeds([str(python_of(venv)), "-c", "import tox.run, tox_uv"])


def succeeds(command: "list[str]") -> bool:
    """Run a command silently, and return whether it succeeded."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def ensure(venv: Path) -> Path:
    """Create the environment unless it is fresh, and return its interpreter."""
    if not is_fresh(venv):
        say(f"{'Renewing' if venv.exists() else 'Creating'} {venv.name} (once, takes some seconds) ...")
        make(venv)
    return python_of(venv)


def make(venv: Path) -> None:
    """Create the environment, and install tox."""
    pip = pip_for(venv)
    clear(venv)
    try:
        import venv as builder

        builder.create(venv, symlinks=os.name != "nt", with_pip="--python" not in pip)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        raise DevError(f"{sys.executable} cannot create a virtual environment: {error}") from error
    say(f"Installing tox into {venv.name} ...")
    install(pip)
    (venv / STAMP).write_text("\n".join(stamp_for(venv)), encoding="utf-8")


def clear(venv: Path) -> None:
    """Remove an older environment."""
    made_for = read_stamp(venv)
    if made_for and str(venv) not in made_for:
        # The project's folder was moved, so the paths in the environments of tox are wrong.
        shutil.rmtree(venv.parent / ".tox", ignore_errors=True)
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)


def pip_for(venv: Path) -> "list[str]":
    """Return the command of the pip that installs into the environment.

    The interpreter's own pip is the first choice. It works without `ensurepip`, and in an externally managed Python.
    """
    python = str(python_of(venv))
    is_outside = Path(sys.prefix) != venv  # an interpreter inside is about to be removed
    if is_outside and find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    if find_spec("ensurepip"):
        return [python, "-m", "pip"]
    hint = "(on Debian and Ubuntu: apt-get install python3-pip)"
    raise DevError(f"{sys.executable} has neither pip nor ensurepip: install pip for it {hint}.")


def install(pip: "list[str]") -> None:
    """Install tox. Show the output of pip only if it fails."""
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "install", "--quiet", *TOX],
        # A setting to install into the home directory would contradict the environment.
        env={**os.environ, "PIP_USER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        say(done.stdout.decode(errors="replace").rstrip())
        raise DevError("tox could not be installed: see the output of pip above. Check its settings and the network.")


def run_tox(python: Path, name: str, arguments: "list[str]") -> int:
    """Replace this process by tox, so that its signals and its exit code are those of this command.

    Several environments run two at a time. Of these, tox shows the output of those that fail.
    """
    run = ["run-parallel", "--parallel", "2", "--parallel-no-spinner"] if "," in name else ["run", "-q"]
    command = [str(python), "-m", "tox", *run, "-c", str(ROOT / "tox.ini"), "-e", name]
    if arguments:
        command += ["--", *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def say(text: str) -> None:
    """Print a line of progress, in order with the output of other commands."""
    print(text, file=sys.stderr, flush=True)


def main(arguments: "list[str]") -> int:
    """Run the command line, and return the exit code."""
    known = environments(ROOT / "tox.ini")
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(usage(known))
        return 0
    name, *rest = arguments
    unknown = [part for part in name.split(",") if part not in known]
    if unknown:
        say(f"Unknown environment {unknown[0]!r}. Choose from those of tox.ini.\n\n{usage(known)}")
        return MISUSED
    try:
        return run_tox(ensure(VENV), name, rest)
    except DevError as error:
        say(f"dev.py: {error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(why_unsuitable(sys.version_info[:3], sys.executable) or main(sys.argv[1:]))
