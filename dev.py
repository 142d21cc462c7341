#!/usr/bin/env python3
"""The door to this project on a bare machine: `python3 dev.py NAME [arguments]`.

It makes `.venv` where that is missing or stale, puts tox into it, and hands over to the environment NAME of tox.ini.
It needs Python and pip, nothing else. An old Python has to get as far as saying which one is needed: the syntax is
that of Python 3.6, and Python 2 stops at the line of `OLDEST` and shows it.
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

TOX = "tox>=4.25,<5"
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = "dev-stamp"  # Inside .venv, written last: without it the environment is half made.
FAILED, MISUSED, INTERRUPTED = 1, 2, 130  # Exit codes, as a shell knows them.


class DevError(Exception):
    """What stopped the way to tox, in one sentence."""


def why_unsuitable(version: "tuple[int, ...]", executable: str) -> str:
    """Say why a Python of this version cannot be used; empty when it can."""
    if version[:2] >= OLDEST:
        return ""
    found, wanted = (".".join(map(str, numbers)) for numbers in (version, OLDEST))
    return f"This project needs Python {wanted} or newer, but {executable} is Python {found}: try python{wanted} dev.py"


def environments(config: Path) -> "dict[str, str]":
    """Read the environments of a tox.ini and what each one does, in the order of the file."""
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
    """Write out the braces of a section's name: `py{311,312}` is py311 and py312."""
    parts = [part.split(",") for part in re.split("[{}]", names)]
    return ["".join(choice) for choice in itertools.product(*parts)]


def usage(known: "dict[str, str]") -> str:
    """List what can be run."""
    width = max(map(len, known), default=0)
    rows = [f"  {name:{width}}  {does}" for name, does in known.items()]
    return "\n".join(["Usage: python3 dev.py NAME[,NAME] [arguments]", "", *rows])


def python_of(venv: Path) -> Path:
    """Where an environment keeps its interpreter."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def stamp_for(venv: Path) -> "list[str]":
    """What an environment depends on: the interpreter, the place, the tool."""
    return [sys.version.split()[0], sys.base_prefix, str(venv), TOX]


def read_stamp(venv: Path) -> "list[str]":
    """What an environment was made for; empty when it is missing or half made."""
    try:
        return (venv / STAMP).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def is_fresh(venv: Path) -> bool:
    """Tell whether an environment is whole, and made for this interpreter, this place and this tox."""
    return read_stamp(venv) == stamp_for(venv) and succeeds([str(python_of(venv)), "-c", "import tox.run"])


def succeeds(command: "list[str]") -> bool:
    """Run a command silently."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError:
        return False
    return done.returncode == 0


def ensure(venv: Path) -> Path:
    """Make the environment unless it is fresh, and return its interpreter."""
    if not is_fresh(venv):
        say(f"{'Renewing' if venv.exists() else 'Making'} {venv.name} (once, takes some seconds) ...")
        make(venv)
    return python_of(venv)


def make(venv: Path) -> None:
    """Build the environment from nothing."""
    pip = pip_for(venv)
    clear(venv)
    try:
        import venv as builder

        builder.create(venv, symlinks=os.name != "nt", with_pip="--python" not in pip)
    except (ImportError, OSError, subprocess.SubprocessError) as error:
        raise DevError(f"{sys.executable} cannot make a virtual environment: {error}") from error
    say(f"Installing tox into {venv.name} ...")
    install(pip)
    (venv / STAMP).write_text("\n".join(stamp_for(venv)), encoding="utf-8")


def clear(venv: Path) -> None:
    """Remove what was there before."""
    made_for = read_stamp(venv)
    if made_for and str(venv) not in made_for:
        # The project's folder has moved, and the environments that tox made hold paths into the old one.
        shutil.rmtree(venv.parent / ".tox", ignore_errors=True)
    if venv.is_symlink() or venv.is_file():
        venv.unlink()
    elif venv.exists():
        shutil.rmtree(venv)


def pip_for(venv: Path) -> "list[str]":
    """Choose the pip that fills the environment.

    The interpreter's own pip is the first choice: an environment without pip is made at once, even where `ensurepip`
    is missing, and an externally managed Python lets its pip work on another interpreter.
    """
    python = str(python_of(venv))
    is_outside = Path(sys.prefix) != venv  # or this very interpreter is about to be removed
    if is_outside and find_spec("pip"):
        return [sys.executable, "-m", "pip", "--python", python]
    if find_spec("ensurepip"):
        return [python, "-m", "pip"]
    hint = "(on Debian and Ubuntu: apt-get install python3-pip)"
    raise DevError(f"{sys.executable} has neither pip nor ensurepip: install pip for it {hint}.")


def install(pip: "list[str]") -> None:
    """Install tox, silently unless that fails."""
    done = subprocess.run(
        [*pip, "--disable-pip-version-check", "install", "--quiet", TOX],
        # A setting to install into the home directory would contradict the environment.
        env={**os.environ, "PIP_USER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if done.returncode:
        say(done.stdout.decode(errors="replace").rstrip())
        raise DevError("tox could not be installed: pip says why above, and its settings and the network decide.")


def hand_over(python: Path, name: str, arguments: "list[str]") -> int:
    """Become tox, so that its signals and its exit code are this command's own."""
    command = [str(python), "-m", "tox", "run", "-q", "-c", str(ROOT / "tox.ini"), "-e", name]
    if arguments:
        command += ["--", *arguments]
    if os.name == "posix":
        os.execv(command[0], command)
    return subprocess.run(command, check=False).returncode


def say(text: str) -> None:
    """Print a line of progress, in order with what the commands in between print."""
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
        say(f"Unknown environment {unknown[0]!r}, it is none of tox.ini. Choose from these.\n\n{usage(known)}")
        return MISUSED
    try:
        return hand_over(ensure(VENV), name, rest)
    except DevError as error:
        say(f"dev.py: {error}")
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(why_unsuitable(sys.version_info[:3], sys.executable) or main(sys.argv[1:]))
