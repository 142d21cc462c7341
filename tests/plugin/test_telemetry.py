"""The fixture `captured_telemetry`, as users have it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
USES_IT = """
from pytest_streamval import SimpleContext, stream_with_chunking

async def test_it(streaming_mock_backend, captured_telemetry):
    backend = streaming_mock_backend("One. Two.")
    async with await stream_with_chunking("go", backend, SimpleContext()) as result:
        await result.acomplete()
    assert captured_telemetry.span().attributes["streamval.chunks"] == 2
    assert captured_telemetry.total("streamval.outcomes", {"streamval.outcome": "completed"}) == 1
    assert not captured_telemetry.open_spans
"""
WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_each_test_and_each_variant_has_its_own(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makepyfile(USES_IT, test_again=USES_IT)
    pytester.runpytest_subprocess("--streamval-fuzz", "3").assert_outcomes(passed=8)


def test_without_opentelemetry_runs_go_on_and_the_fixture_says_what_to_install(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(WITHOUT)
    pytester.makepyfile(
        USES_IT,
        test_run=USES_IT.replace(", captured_telemetry", "").partition("    assert captured")[0],
        test_status=(
            "from pytest_streamval import set_span_status_error\n\n"
            "def test_it():\n    set_span_status_error(None, 'nothing happens')\n"
        ),
    )
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(
        ['*MissingExtraError: *need opentelemetry-sdk*not installed*pip install "pytest-streamval[[]otel]"']
    )


def test_another_missing_module_is_no_missing_extra(pytester: pytest.Pytester) -> None:
    pytester.makeini(INI)
    pytester.makeconftest(
        WITHOUT.replace('name.partition(".")[0] == "opentelemetry"', 'name.endswith("harness.telemetry")')
    )
    pytester.makepyfile("def test_it(captured_telemetry):\n    pass\n")
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*ModuleNotFoundError: No module named 'pytest_streamval.harness.telemetry'"])


def test_a_run_without_telemetry_loads_nothing_of_it() -> None:
    code = (
        "import asyncio, sys\n"
        "from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking\n"
        "async def main():\n"
        "    result = await stream_with_chunking('go', StreamingMockBackend('One.'), SimpleContext())\n"
        "    await result.acomplete()\n"
        "asyncio.run(main())\n"
        "print(*(name for name in sys.modules if 'opentelemetry' in name or 'engine.telemetry' in name))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "\n"
