"""A script file names exceptions. It imports nothing, and ends no run."""

from __future__ import annotations

import asyncio
import builtins
import json
import subprocess
import sys
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import ProviderStatusError, Raise, Script
from pytest_streamval.errors import InvalidArgumentError, InvalidFileError, UnmatchedRequestError
from pytest_streamval.scripting import named_exceptions

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

LOOP_SCOPE = ("-o", "asyncio_default_fixture_loop_scope=function")
PLANTED = "from pathlib import Path\nPath(__file__).with_name('executed').touch()\nclass PlantedError(Exception): ...\n"


@pytest.fixture
def planted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a package whose modules leave a trace when they are imported on the path, and return its folder."""
    package = tmp_path / "planted"
    package.mkdir()
    for name in ("__init__", "inner"):
        (package / f"{name}.py").write_text(PLANTED)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield package
    for name in ("planted", "planted.inner"):
        sys.modules.pop(name, None)


def script_with(path: Path, name: object, **more: object) -> Path:
    path.write_text(json.dumps({"raise": {"type": name, **more}}))
    return path


def load(path: Path, name: object, **options: object) -> type[BaseException]:
    (step,) = Script.load(script_with(path, name), **options).steps
    return step.exc


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "script.jsonl"


@pytest.mark.parametrize("name", ["planted:PlantedError", "planted.inner:PlantedError"])
def test_a_script_file_imports_no_module(path: Path, planted: Path, name: str) -> None:
    with pytest.raises(InvalidFileError, match="modules that are imported already"):
        load(path, name)
    assert not (planted / "executed").exists()
    assert not any(module.startswith("planted") for module in sys.modules)


@pytest.mark.parametrize("name", ["antigravity:x", "this:c", "idlelib.idle:x", "pytest_streamval.__main__:x"])
def test_a_script_file_runs_no_module_of_the_standard_library_and_of_this_package(path: Path, name: str) -> None:
    with pytest.raises(InvalidFileError):
        load(path, name)
    assert name.partition(":")[0] not in sys.modules


@pytest.mark.parametrize("imports", [["planted"], ["planted.inner"], ["other", "planted.inner"]])
def test_a_script_file_imports_the_modules_that_its_caller_allows(path: Path, planted: Path, imports: list) -> None:
    assert load(path, "planted.inner:PlantedError", imports=imports).__name__ == "PlantedError"
    assert (planted / "executed").exists()
    with pytest.raises(InvalidFileError, match=r"planted\.gone:E cannot be imported: .*"):
        load(path, "planted.gone:E", imports=imports)


def test_an_allowed_name_does_not_allow_another_module_that_begins_with_it(path: Path, planted: Path) -> None:
    with pytest.raises(InvalidFileError, match="imported already"):
        load(path, "planted:PlantedError", imports=["plant", "planted.inner"])
    with pytest.raises(InvalidArgumentError, match=r"It must be a list of names: \['planted'\]"):
        load(path, "planted:PlantedError", imports="planted")


def test_the_ini_value_allows_modules_and_ends_with_its_run(pytester: pytest.Pytester, path: Path) -> None:
    pytester.makepyfile(planted="class PlantedError(Exception): ...\n")
    script_with(pytester.path / "script.jsonl", "planted:PlantedError")
    pytester.makepyfile(
        test_it="""
        from pytest_streamval import Script

        def test_it():
            (step,) = Script.load("script.jsonl").steps
            assert step.exc.__name__ == "PlantedError"
        """
    )
    options = ("-p", "no:cacheprovider", "-o", "pythonpath=.", *LOOP_SCOPE)
    pytester.runpytest_inprocess(*options).assert_outcomes(failed=1)
    pytester.runpytest_inprocess(*options, "-o", "streamval_script_imports=planted").assert_outcomes(passed=1)
    assert named_exceptions.allowed_modules == []


class HomeError(Exception):
    """An error of this module, which is imported."""

    class InnerError(Exception):
        """A class in a class."""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("TimeoutError", TimeoutError),
        ("builtins:TimeoutError", TimeoutError),
        ("asyncio:CancelledError", asyncio.CancelledError),
        ("pytest_streamval:ProviderStatusError", ProviderStatusError),
        ("pytest_streamval.errors:UnmatchedRequestError", UnmatchedRequestError),
        (f"{__name__}:HomeError", HomeError),
        (f"{__name__}:HomeError.InnerError", HomeError.InnerError),
        ("json:JSONDecodeError", json.JSONDecodeError),
    ],
)
def test_a_script_file_names_exceptions_that_are_there(name: str, kind: type[BaseException]) -> None:
    assert named_exceptions.exception_named(name) is kind


ENDING = [
    *(
        name
        for name, kind in vars(builtins).items()
        if isinstance(kind, type) and issubclass(kind, BaseException) and not issubclass(kind, Exception)
    ),
    "builtins:SystemExit",
    "_pytest.outcomes:Exit",
    "_pytest.outcomes:Skipped",
    "_pytest.outcomes:Failed",
    "_pytest.outcomes:XFailed",
    "pytest:UsageError",
    "_pytest.main:Session.Interrupted",
    "hypothesis.errors:UnsatisfiedAssumption",
    "unittest:SkipTest",
    "unittest.case:SkipTest",
]


@pytest.mark.parametrize("name", ENDING)
def test_a_script_file_cannot_name_an_exception_that_ends_a_run(path: Path, name: str) -> None:
    with pytest.raises(InvalidFileError, match="ends a run or a test"):
        load(path, name, imports=["_pytest", "pytest", "unittest", "hypothesis"])


def test_dump_rejects_an_exception_that_ends_a_run(path: Path) -> None:
    for exc in (KeyboardInterrupt(), SystemExit, pytest.exit.Exception("x")):
        with pytest.raises(InvalidArgumentError, match="ends a run or a test"):
            Script.of(Raise(exc)).dump(path)
    assert not path.exists()


class OddError(Exception):
    """An error whose constructor makes another one."""

    def __new__(cls, *args: object) -> BaseException:
        return SystemExit(0)


def test_a_script_file_makes_only_exceptions_of_the_class_that_it_names(path: Path) -> None:
    with pytest.raises(InvalidFileError, match="OddError makes a value of another class, SystemExit"):
        load(path, f"{__name__}:OddError")


def test_a_module_that_imports_others_on_demand_is_not_asked(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    requested: list[str] = []
    lazy = type(sys)("lazy")
    lazy.__getattr__ = requested.append
    monkeypatch.setitem(sys.modules, "lazy", lazy)
    monkeypatch.setitem(sys.modules, "blocked", None)
    for name in ("lazy:E", "lazy:E.F", "blocked:E", "sys:path.E"):
        with pytest.raises(InvalidFileError, match="cannot be imported: AttributeError"):
            load(path, name)
    assert not {"E", "F"}.intersection(requested)


def test_the_command_line_imports_nothing(path: Path, planted: Path) -> None:
    script_with(path, "planted:PlantedError")
    code = f"import sys; sys.path.insert(0, {str(planted.parent)!r}); from pytest_streamval.cli import main; main()"
    found = subprocess.run(
        [sys.executable, "-c", code, "serve", str(path), "--port", "0"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "planted:PlantedError cannot be imported" in found.stderr
    assert not (planted / "executed").exists()


def test_a_hostile_script_does_not_hide_a_failing_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        dedent(
            """
            import pytest
            from pytest_streamval import Script

            @pytest.mark.parametrize("name", ["_pytest.outcomes:Exit", "SystemExit", "KeyboardInterrupt"])
            def test_it(name, tmp_path):
                path = tmp_path / "script.jsonl"
                path.write_text('{"raise": {"type": "%s", "args": ["", 0]}}' % name)
                list(Script.load(path).play_sync())

            def test_after_it():
                assert False
            """
        )
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider", *LOOP_SCOPE).assert_outcomes(failed=4)


@pytest.mark.parametrize("name", ["x" * 10_000, "a\x1b[31m:b", "\ud800:x", "q\n:x", ":" * 300])
def test_the_message_for_an_odd_name_is_short_and_harmless(path: Path, name: str) -> None:
    with pytest.raises(InvalidFileError) as caught:
        load(path, name)
    shown = caught.value.fault
    assert shown.isprintable()
    assert len(shown) < 700
