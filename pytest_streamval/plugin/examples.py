"""Example scripts as tests. A header names their markers. A script passes if its exit status is 0."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from fnmatch import fnmatch
from typing import TYPE_CHECKING

import pytest

from pytest_streamval.errors import example_failed_error
from pytest_streamval.plugin.options import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_HEADER = re.compile(r"^#[ \t]*pytest:(?P<markers>[\w, \t]*)$", re.MULTILINE)
_HEAD = 2_000  # characters of a file in which a header may be


def markers_of(path: Path) -> list[str] | None:
    """Return the markers in the header of a script, None if it has no header."""
    with path.open(encoding="utf-8", errors="replace") as file:
        found = _HEADER.search(file.read(_HEAD))
    return None if found is None else [name for name in re.split(r"[\s,]+", found["markers"]) if name]


def example_file(path: Path, parent: pytest.Collector, patterns: Sequence[str]) -> ExampleFile | None:
    """Return the collector of a script that matches the patterns and has a header, None for any other file."""
    root = parent.config.rootpath
    if not path.is_relative_to(root) or not any(fnmatch(str(path.relative_to(root)), each) for each in patterns):
        return None
    if markers_of(path) is None:
        return None
    file: ExampleFile = ExampleFile.from_parent(parent, path=path)
    return file


class ExampleFile(pytest.File):
    """A script with a header such as `# pytest: ollama, e2e`."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the only test of the file."""
        item = ExampleScript.from_parent(self, name=self.path.stem)
        for name in markers_of(self.path) or ():
            item.add_marker(getattr(pytest.mark, name))
        yield item


class ExampleScript(pytest.Item):
    """A script that runs in its own interpreter."""

    def runtest(self) -> None:
        """Run the script.

        Raises:
            CheckFailedError: If its exit status is not 0, or it does not end in time.
        """
        limit = seconds_of(self.config, "streamval_live_timeout") or None
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}  # LiveRun adds the chosen backend
        try:
            done = subprocess.run(  # noqa: S603  # the user's own configuration names the script
                [sys.executable, str(self.path)],
                cwd=self.path.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            output = error.stdout or ""
            text = output.decode(errors="replace") if isinstance(output, bytes) else output
            raise example_failed_error(str(self.path), f"did not end within {limit:g} s", text) from None
        self.add_report_section("call", "stdout", done.stdout)
        if done.returncode:
            raise example_failed_error(str(self.path), f"ended with status {done.returncode}", done.stderr)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        """Return the message of the error, which has the script's own traceback."""
        del style
        return str(excinfo.value)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the location and the name of the test."""
        return self.path, 0, f"example {self.name}"
