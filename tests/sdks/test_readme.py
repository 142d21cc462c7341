"""The examples of README and of the page about the clients, with an official client."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

PAGE = Path(__file__).parents[2] / "docs" / "sdks.md"
README = Path(__file__).parents[2] / "README.md"


def test_the_example_of_the_page_about_the_clients_notices_what_its_client_does_not(pytester: pytest.Pytester) -> None:
    (code,) = re.findall(r"^```py\n(.*?)^```\n", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
    pytester.makepyfile(test_with_check=code, test_without=code.replace("finish_reason is None", "finish_reason == ''"))
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*! empty_body * silent *", "*! truncate * silent *"])


@pytest.mark.parametrize("options", [(), ("--streamval-fuzz", "20")], ids=["as printed", "under other cuts"])
def test_the_example_of_readme_with_an_sdk_passes(options: tuple[str, ...], pytester: pytest.Pytester) -> None:
    (code,) = re.findall(r"^```py\n(import openai\n.*?)^```\n", README.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    pytester.makeini("[pytest]\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n")
    pytester.makepyfile(code)
    result = pytester.runpytest_subprocess(*options)
    assert result.ret == pytest.ExitCode.OK
    assert set(result.parseoutcomes()) == {"passed"}
    assert result.parseoutcomes()["passed"] >= 2 * (20 if options else 1)
