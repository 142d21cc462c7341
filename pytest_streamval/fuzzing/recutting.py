"""Recutting: scripts and recordings with the same content, cut elsewhere."""

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
    """A maker of the mock backends and scripts of a test, with all texts cut elsewhere. It keeps the scripts."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.scripts: list[Script] = []
        """The scripts after the cut."""

    def backend(self, *scripts: Script | str, token_size: int = 1) -> StreamingMockBackend:
        """Return a mock backend, as `StreamingMockBackend` does."""
        backend = StreamingMockBackend(*scripts, token_size=token_size)
        backend.scripts = tuple(map(self._recut, backend.scripts))
        return backend

    def script(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Return a script, as `as_script` does."""
        return self._recut(as_script(script, token_size=token_size))

    def _recut(self, script: Script) -> Script:
        script = script.recut(self.cut.offsets(script.text))
        self.scripts.append(script)
        return script


def recut_cassette(cassette: Cassette, cut: Cut) -> Cassette:
    """Return a recording whose bytes come in other pieces, each at the time of its last byte."""
    body = cassette.body
    if not body:
        return cassette
    ends = list(accumulate(len(read.data) for read in cassette.reads))
    places = [0, *cut.offsets(body.decode("latin-1")), len(body)]  # a character a byte, so that a cut can be anywhere
    pieces = [Read(cassette.reads[bisect_left(ends, end)].at, body[start:end]) for start, end in pairwise(places)]
    return replace(cassette, reads=tuple(pieces))
