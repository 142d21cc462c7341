"""Scripts and recordings with the same content in other pieces."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from pytest_streamval.recordings.cassette import Read
from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import as_script

if TYPE_CHECKING:
    from pytest_streamval.fuzzing.cuts import Cut
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.scripting.script import Script


class ScriptRecutter:
    """A factory of mock backends and scripts whose texts are cut by one rule. It keeps the scripts."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.scripts: list[Script] = []
        """The scripts after the cut."""

    def backend(self, *scripts: Script | str, token_size: int = 1) -> StreamingMockBackend:
        """Return a mock backend. The arguments are those of `StreamingMockBackend`."""
        backend = StreamingMockBackend(*scripts, token_size=token_size)
        backend.scripts = tuple(map(self._recut, backend.scripts))
        return backend

    def script(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Return a script. The arguments are those of `as_script`."""
        return self._recut(as_script(script, token_size=token_size))

    def _recut(self, script: Script) -> Script:
        script = script.recut(self.cut.of_text(script.text))
        self.scripts.append(script)
        return script


def recut_cassette(cassette: Cassette, cut: Cut) -> Cassette:
    """Return a recording with the same bytes in other reads. Each read has the time of its last byte."""
    body = cassette.body
    if not body:
        return cassette
    ends = list(accumulate(len(read.data) for read in cassette.reads))
    offsets = [0, *cut.of_bytes(body), len(body)]
    pieces = [Read(cassette.reads[bisect_left(ends, end)].at, body[start:end]) for start, end in pairwise(offsets)]
    return replace(cassette, reads=tuple(pieces))
