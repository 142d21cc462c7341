"""The script `dev.py`: the checks of the interpreter, the environment, and the choice of pip."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
import venv as builder
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "dev.py"


@pytest.fixture
def dev():
    spec = spec_from_file_location("dev", SCRIPT)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def home(tmp_path):
    """Return the folder of an environment."""
    folder = tmp_path / ".venv"
    (folder / "bin").mkdir(parents=True)
    return folder


@pytest.fixture
def no_pip_runs(dev, monkeypatch):
    """Create empty environments."""
    monkeypatch.setattr(builder, "create", lambda folder, **_: Path(folder).mkdir())
    monkeypatch.setattr(dev, "install", lambda _: None)


def stamped(dev, folder, **changes):
    names = ["version", "prefix", "place", "tox"]
    lines = dict(zip(names, dev.stamp_for(folder), strict=True)) | changes
    (folder / dev.STAMP).write_text("\n".join(lines.values()), encoding="utf-8")


# The interpreter


@pytest.mark.parametrize("version", [(3, 6, 15), (3, 8, 18), (3, 10, 13)], ids=str)
def test_why_unsuitable_names_the_version_that_is_needed(dev, version):
    reason = dev.why_unsuitable(version, "/usr/bin/python3")
    assert "Python 3.11 or newer" in reason
    assert "/usr/bin/python3 is Python " + ".".join(map(str, version)) in reason
    assert len(reason.splitlines()) == 1


@pytest.mark.parametrize("version", [(3, 11, 0), (3, 13, 1), (4, 0, 0)], ids=str)
def test_why_unsuitable_accepts_a_new_python(dev, version):
    assert not dev.why_unsuitable(version, "python3")


def test_the_oldest_python_is_that_of_the_package(dev):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=" + ".".join(map(str, dev.OLDEST))


def test_the_script_has_the_syntax_of_python_3_6():
    source = SCRIPT.read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 6))
    source.encode("ascii")


def test_no_annotation_of_the_script_is_evaluated():
    for node in ast.walk(ast.parse(SCRIPT.read_text(encoding="utf-8"))):
        annotation = getattr(node, "annotation", None) or getattr(node, "returns", None)
        assert annotation is None or isinstance(annotation, ast.Constant | ast.Name)


def test_python_2_stops_at_a_line_that_names_the_python_needed(dev):
    source = SCRIPT.read_text(encoding="utf-8")
    new_syntax = (ast.AnnAssign, ast.AsyncFunctionDef, ast.FunctionDef, ast.JoinedStr)
    first = min(node.lineno for node in ast.walk(ast.parse(source)) if isinstance(node, new_syntax))
    assert "Python {}.{} or newer".format(*dev.OLDEST) in source.splitlines()[first - 1]


# The list of environments


def test_environments_and_their_descriptions_come_from_tox_ini(dev, tmp_path):
    config = tmp_path / "tox.ini"
    config.write_text(
        "[tox]\nenv_list = a\n[testenv]\ndescription = the usual\n"
        "[testenv:a]\n[testenv:b{1,2}]\ndescription = both % signs\n[testenv:c]\ncommands = x {posargs}\n",
        encoding="utf-8",
    )
    assert dev.environments(config) == {"a": "the usual", "b1": "both % signs", "b2": "both % signs", "c": "the usual"}


def test_the_documented_environments_exist(dev):
    promised = {"test", "py311", "py312", "py313", "lint", "types", "demo", "bench", "wheel"}
    known = dev.environments(ROOT / "tox.ini")
    assert promised <= known.keys()
    assert all(known.values())


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]], ids=str)
def test_the_script_without_a_name_lists_the_environments(dev, capsys, arguments):
    assert dev.main(arguments) == 0
    assert "\n  demo " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["tset", "test,tset", "", "--tset"], ids=repr)
def test_an_unknown_name_is_reported_with_the_known_ones(dev, capsys, monkeypatch, name):
    monkeypatch.setattr(dev, "ensure", lambda _: pytest.fail("an environment was created for a misspelt name"))
    assert dev.main([name]) == 2
    message = capsys.readouterr().err
    assert repr(name.split(",")[-1]) in message
    assert "\n  demo " in message


# Fresh or stale


def test_an_environment_with_its_stamp_and_a_working_tox_is_fresh(dev, home, monkeypatch):
    monkeypatch.setattr(dev, "succeeds", lambda _: True)
    stamped(dev, home)
    assert dev.is_fresh(home)


@pytest.mark.parametrize(
    "changes",
    [{"version": "3.11.0"}, {"prefix": "/gone"}, {"place": "/moved/.venv"}, {"tox": "tox<4"}],
    ids=str,
)
def test_an_environment_for_another_purpose_is_stale(dev, home, monkeypatch, changes):
    monkeypatch.setattr(dev, "succeeds", lambda _: True)
    stamped(dev, home, **changes)
    assert not dev.is_fresh(home)


def test_an_incomplete_environment_is_stale(dev, home, monkeypatch):
    monkeypatch.setattr(dev, "succeeds", lambda _: True)
    assert not dev.is_fresh(home)


def test_an_unreadable_stamp_is_stale(dev, home, monkeypatch):
    monkeypatch.setattr(dev, "succeeds", lambda _: True)
    (home / dev.STAMP).write_bytes(b"\xff")
    assert not dev.is_fresh(home)


def test_an_environment_whose_interpreter_is_gone_is_stale(dev, home):
    stamped(dev, home)
    dev.python_of(home).symlink_to(home / "nowhere")
    assert not dev.is_fresh(home)


def test_an_environment_whose_tox_is_broken_is_stale(dev, home, monkeypatch):
    commands = []
    monkeypatch.setattr(dev, "succeeds", lambda command: bool(commands.append(command)))
    stamped(dev, home)
    assert not dev.is_fresh(home)
    assert commands == [[str(dev.python_of(home)), "-c", "import tox.run, tox_uv"]]


def test_success_is_the_exit_code(dev):
    assert dev.succeeds([sys.executable, "-S", "-c", ""])
    assert not dev.succeeds([sys.executable, "-S", "-c", "raise SystemExit(1)"])
    assert not dev.succeeds(["/nowhere/python"])


def test_a_fresh_environment_is_not_created_again(dev, home, monkeypatch, capsys):
    monkeypatch.setattr(dev, "is_fresh", lambda _: True)
    monkeypatch.setattr(dev, "make", lambda _: pytest.fail("it was made again"))
    assert dev.ensure(home) == dev.python_of(home)
    assert not capsys.readouterr().err


# Making


@pytest.mark.usefixtures("no_pip_runs")
def test_a_stale_environment_is_replaced_and_stamped(dev, home, capsys):
    (home / "leftover").touch()
    dev.ensure(home)
    assert not (home / "leftover").exists()
    assert dev.read_stamp(home) == dev.stamp_for(home)
    assert "Renewing .venv" in capsys.readouterr().err


@pytest.mark.usefixtures("no_pip_runs")
def test_an_environment_whose_installation_failed_has_no_stamp(dev, tmp_path, monkeypatch):
    def fail(_):
        raise dev.DevError

    monkeypatch.setattr(dev, "install", fail)
    with pytest.raises(dev.DevError):
        dev.make(tmp_path / ".venv")
    assert not dev.read_stamp(tmp_path / ".venv")


def test_a_python_that_cannot_make_an_environment_is_named(dev, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(builder, "create", fail)
    with pytest.raises(dev.DevError, match=r"cannot create a virtual environment.*No space left"):
        dev.make(tmp_path / ".venv")


@pytest.mark.parametrize(("place", "kept"), [("/moved/.venv", False), (None, True)])
def test_the_environments_of_tox_are_removed_after_a_move_only(dev, home, place, kept):
    stamped(dev, home, version="3.0", **({"place": place} if place else {}))
    (home.parent / ".tox").mkdir()
    dev.clear(home)
    assert not home.exists()
    assert (home.parent / ".tox").exists() is kept


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("nowhere")], ids=["file", "link"])
def test_a_file_or_link_in_the_place_of_the_environment_is_removed(dev, tmp_path, make):
    make(tmp_path / ".venv")
    dev.clear(tmp_path / ".venv")
    assert not os.path.lexists(tmp_path / ".venv")


@pytest.mark.parametrize(
    ("there", "command"),
    [
        ({"pip", "ensurepip"}, [sys.executable, "-m", "pip", "--python", "{inside}"]),
        ({"pip"}, [sys.executable, "-m", "pip", "--python", "{inside}"]),
        ({"ensurepip"}, ["{inside}", "-m", "pip"]),
    ],
    ids=["both", "no ensurepip", "no pip"],
)
def test_pip_for_chooses_an_existing_pip(dev, home, monkeypatch, there, command):
    monkeypatch.setattr(dev, "find_spec", lambda name: name in there)
    assert dev.pip_for(home) == [word.format(inside=dev.python_of(home)) for word in command]


def test_a_python_without_pip_and_ensurepip_is_reported(dev, home, monkeypatch):
    monkeypatch.setattr(dev, "find_spec", lambda _: None)
    with pytest.raises(dev.DevError, match=r"neither pip nor ensurepip: install pip .*python3-pip"):
        dev.make(home)
    assert home.exists()


def test_pip_for_does_not_choose_the_pip_of_an_environment_that_is_removed(dev, home, monkeypatch):
    monkeypatch.setattr(dev, "find_spec", lambda _: True)
    monkeypatch.setattr(sys, "prefix", str(home))
    assert dev.pip_for(home) == [str(dev.python_of(home)), "-m", "pip"]


@pytest.fixture
def ran(dev, monkeypatch):
    """Record the commands, and return the result that is set here."""
    record = SimpleNamespace(commands=[], options=[], returncode=0, stdout=b"")

    def run(command, **options):
        record.commands.append(command)
        record.options.append(options)
        return subprocess.CompletedProcess(command, record.returncode, record.stdout)

    monkeypatch.setattr(dev.subprocess, "run", run)
    return record


def test_tox_is_installed_silently(dev, ran, capsys):
    ran.stdout = b"WARNING: something"
    dev.install(["pip"])
    assert ran.commands == [["pip", "--disable-pip-version-check", "install", "--quiet", *dev.TOX]]
    assert ran.options[0]["env"]["PIP_USER"] == "0"
    assert capsys.readouterr() == ("", "")


def test_a_failed_installation_shows_the_output_of_pip(dev, ran, capsys):
    ran.returncode, ran.stdout = 1, b"ERROR: no route to the index \xff"
    with pytest.raises(dev.DevError, match="tox could not be installed"):
        dev.install(["pip"])
    assert "ERROR: no route to the index" in capsys.readouterr().err


# Running tox


@pytest.mark.skipif(os.name != "posix", reason="elsewhere tox runs as a child")
@pytest.mark.parametrize(
    ("arguments", "tail"),
    [([], []), (["--fast"], ["--", "--fast"]), (["-k", "a b"], ["--", "-k", "a b"])],
    ids=str,
)
def test_the_script_replaces_itself_by_tox(dev, monkeypatch, arguments, tail):
    calls = []
    monkeypatch.setattr(dev.os, "execv", lambda *call: calls.append(call))
    monkeypatch.setattr(dev.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    dev.run_tox(Path("/v/bin/python"), "demo", arguments)
    command = ["/v/bin/python", "-m", "tox", "run", "-q", "-c", str(ROOT / "tox.ini"), "-e", "demo", *tail]
    assert calls == [("/v/bin/python", command)]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere tox runs as a child")
def test_several_environments_run_two_at_a_time(dev, monkeypatch):
    calls = []
    monkeypatch.setattr(dev.os, "execv", lambda *call: calls.append(call))
    monkeypatch.setattr(dev.subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=0))
    dev.run_tox(Path("/v/bin/python"), "lint,types", [])
    how = ["run-parallel", "--parallel", "2", "--parallel-no-spinner"]
    command = ["/v/bin/python", "-m", "tox", *how, "-c", str(ROOT / "tox.ini"), "-e", "lint,types"]
    assert calls == [("/v/bin/python", command)]


def test_several_environments_go_to_tox_together(dev, monkeypatch):
    calls = []
    monkeypatch.setattr(dev, "ensure", lambda _: Path("python"))
    monkeypatch.setattr(dev, "run_tox", lambda *call: calls.append(call) or 0)
    assert dev.main(["py312,py313", "-x"]) == 0
    assert calls == [(Path("python"), "py312,py313", ["-x"])]


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [("DevError", 1, "dev.py: no pip\n"), ("KeyboardInterrupt", 130, "")],
    ids=["cause", "Ctrl-C"],
)
def test_an_error_or_an_interrupt_prints_no_traceback(dev, monkeypatch, capsys, error, code, says):
    def fail(_):
        raise dev.DevError("no pip") if error == "DevError" else KeyboardInterrupt

    monkeypatch.setattr(dev, "ensure", fail)
    assert dev.main(["demo"]) == code
    assert capsys.readouterr().err == says
