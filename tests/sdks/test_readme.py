"""The example of README with an official client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("options", [(), ("--streamval-fuzz", "20")], ids=["as printed", "under other cuts"])
def test_the_example_of_readme_with_an_sdk_passes(options: tuple[str, ...], pytester: pytest.Pytester) -> None:
    (code,) = re.findall(r"^```py\n(import openai\n.*?)^```\n", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.OK
    assert set(result.parseoutcomes()) == {"passed"}
    assert result.parseoutcomes()["passed"] >= 2 * (20 if options else 1)
