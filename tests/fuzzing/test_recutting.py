"""Scripts and mock backends of a test are recut by one rule."""

from __future__ import annotations

from pytest_streamval import Script
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.fuzzing.recutting import ScriptRecutter


def test_a_script_recutter_cuts_and_keeps_the_scripts_of_a_test() -> None:
    recutter = ScriptRecutter(Cut("chars"))
    backend = recutter.backend("ab", Script.of("cd", finish_reason="stop"), token_size=2)
    assert [len(script.deltas) for script in backend.scripts] == [2, 2]
    assert recutter.script("ef", token_size=2) == Script.of("e", "f")
    assert [script.text for script in recutter.scripts] == ["ab", "cd", "ef"]
