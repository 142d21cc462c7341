"""Recutting: what makes the streams of a test, with all texts cut elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import as_script

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.scripting.script import Script


class Recut:
    """Makes what the fixtures of a test make, with all texts cut elsewhere, and remembers the scripts."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.scripts: list[Script] = []
        """The scripts, as cut."""

    def backend(self, *scripts: Script | str, token_size: int = 1) -> StreamingMockBackend:
        """Make a mock backend, as `StreamingMockBackend` does."""
        backend = StreamingMockBackend(*scripts, token_size=token_size)
        backend.scripts = tuple(map(self._again, backend.scripts))
        return backend

    def script(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Make a script, as `as_script` does."""
        return self._again(as_script(script, token_size=token_size))

    def _again(self, script: Script) -> Script:
        script = script.recut(self.cut.offsets(script.text))
        self.scripts.append(script)
        return script
