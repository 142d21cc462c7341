"""`--streamval-fuzz 20` finds every planted bug, and fails no correct code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fuzzing import planted
from tests.plugin.runs import run

if TYPE_CHECKING:
    import pytest

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from pytest_streamval import Script
from planted import CORRECT, PLANTED, result_of

TEXTS = ["One. Two.\\r\\n\\r\\nThree: ```x. y```, 1.5 and é.", "a\\nb\\n\\nc d"]

@pytest.mark.parametrize("number", range(len(PLANTED)))
async def test_planted(stream_script, number):
    bug = PLANTED[number]
    pieces = [piece async for piece in stream_script(Script.of(bug.text)).play()]
    assert await result_of(bug.subject, pieces) == await result_of(bug.subject, [bug.text])

@pytest.mark.parametrize("text", TEXTS, ids=["prose", "lines"])
@pytest.mark.parametrize("number", range(len(CORRECT)))
async def test_correct(stream_script, number, text):
    pieces = [piece async for piece in stream_script(Script.of(text)).play()]
    assert await result_of(CORRECT[number], pieces) == await result_of(CORRECT[number], [text])
"""


def test_fuzzing_finds_every_planted_bug_and_nothing_else(pytester: pytest.Pytester) -> None:
    pytester.makeini(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\naddopts = -p no:randomly\n"
    )
    pytester.makepyfile(planted=Path(planted.__file__).read_text(encoding="utf-8"), test_it=TESTS)
    result = run(pytester, "--streamval-fuzz", "20", "--tb=no", "-rfE")
    failed = set(re.findall(r"^FAILED test_it\.py::(test_\w+)\[(\d+)", result.stdout.str(), re.MULTILINE))
    assert failed == {("test_planted", str(number)) for number in range(len(planted.PLANTED))}
    assert len(planted.PLANTED) >= 8
    assert result.parseoutcomes()["failed"] == len(planted.PLANTED)
