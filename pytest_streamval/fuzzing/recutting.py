"""Scripts, recordings and responses with the same content in other pieces."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from pytest_streamval.fuzzing.cuts import Cut, Place
from pytest_streamval.fuzzing.script_content import Division, content_of
from pytest_streamval.recordings.cassette import Read
from pytest_streamval.scripting.mock import make_mock
from pytest_streamval.scripting.script import as_script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pytest_streamval.fuzzing.script_content import ScriptContent
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.scripting.script import Script


class RecutScript(NamedTuple):
    """A script before and after a cut."""

    script: Script
    """The script in its new pieces."""
    content: ScriptContent
    """The content of the script."""
    division: Division
    """The places at which it was divided."""
    is_new: bool
    """Whether no smaller number cuts this content at the same places."""


@dataclass(slots=True)
class RecutBody:
    """The body of a response or of a page, and the offsets at which it was cut."""

    data: bytearray = field(default_factory=bytearray)
    cuts: list[int] = field(default_factory=list)

    def add(self, data: bytes, offsets: Iterable[int]) -> None:
        """Add the next bytes, which were cut at some offsets."""
        self.cuts += [len(self.data) + at for at in offsets]
        self.data += data


class PageRecutter:
    """The reads of one page in other pieces."""

    def __init__(self, cut: Cut, body: RecutBody) -> None:
        """Create it for a page that begins.

        Args:
            cut: The cut of its reads.
            body: The record of its bytes.
        """
        self._offsets = cut.of_frames("read")
        self._body = body

    def pieces(self, data: bytes) -> Iterator[tuple[bytes, bool]]:
        """Yield the pieces of the next data, each with whether a cut is before it."""
        offsets = {*self._offsets(data)}
        self._body.add(data, sorted(offsets))
        for start, end in pairwise(sorted({0, *offsets, len(data)})):
            yield data[start:end], start in offsets


class ScriptRecutter:
    """A factory of mock backends and scripts whose content is cut. It keeps everything that it has cut."""

    def __init__(self, cut: Cut | None, byte_cut: Cut | None = None, read_cut: Cut | None = None) -> None:
        """Create a factory.

        Args:
            cut: The cut of scripts, None as scripted.
            byte_cut: The cut of the bytes of responses. None is the same as of scripts.
            read_cut: The cut of the reads of pages. None is the same as of scripts.
        """
        self.cut = cut
        byte_cut = byte_cut or cut
        self.byte_cut = None if byte_cut is None or byte_cut.keeps("byte") else byte_cut
        read_cut = read_cut or cut
        self.read_cut = None if read_cut is None or read_cut.keeps("read") else read_cut
        self.scripts: list[RecutScript] = []
        """The scripts, in the order in which they were made."""
        self.bodies: list[RecutBody] = []
        """The bodies of responses, in the order of their requests."""
        self.pages: list[RecutBody] = []
        """The bodies of an application's pages, in the order of their requests."""

    def backend(self, *scripts: Script | str, **options: Any) -> Any:  # noqa: ANN401  # as in StreamingMockBackendFactory
        """Return a mock backend. The arguments are those of `StreamingMockBackendFactory`."""
        __tracebackhide__ = True
        backend = make_mock(*scripts, **options)
        backend.scripts = tuple(map(self._recut, backend.scripts))
        return backend

    def script(self, script: Script | str, *, token_size: int = 1) -> Script:
        """Return a script. The arguments are those of `as_script`."""
        return self._recut(as_script(script, token_size=token_size))

    def new_body(self) -> RecutBody:
        """Return the record of a new response."""
        self.bodies.append(RecutBody())
        return self.bodies[-1]

    def new_page(self) -> PageRecutter | None:
        """Return the recutter of the reads of a new page, None if they stay as they are."""
        if self.read_cut is None:
            return None
        self.pages.append(RecutBody())
        return PageRecutter(self.read_cut, self.pages[-1])

    @property
    def channels(self) -> set[str]:
        """The channels that had content to cut, without the numbers of tool calls."""
        names = {name for each in self._cut_scripts for name in each.content.kinds}
        if self.bodies or self.pages:
            of_bytes = {"bytes": [] if self.byte_cut is None else self.bodies, "reads": self.pages}
            names |= {name for name, bodies in of_bytes.items() if any(len(body.data) > 1 for body in bodies)}
        return names

    @property
    def _cut_scripts(self) -> Sequence[RecutScript]:
        """The scripts, none if all places of the cut are in bytes."""
        places = () if self.cut is None else self.cut.places
        return [] if places and all(place.kind in {"byte", "read"} for place in places) else self.scripts

    @property
    def is_repeated(self) -> bool:
        """Whether a smaller number has cut all streams at the same places, as they have few."""
        has_bytes = bool(self.bodies or self.pages)
        return bool(self.scripts) and not has_bytes and not any(each.is_new for each in self.scripts)

    def places(self) -> Iterator[Place]:
        """Yield the places at which the scripts and bodies were cut."""
        for number, each in enumerate(self.scripts, 1):
            division = each.division
            yield from (Place("cut", at, number) for at in division.cuts)
            yield from (Place("empty", at, number) for at in division.empty)
            if division.finish:
                yield Place(division.finish)
        yield from (Place("byte", at) for at in _cuts_of(self.bodies))
        yield from (Place("read", at) for at in _cuts_of(self.pages))

    def _recut(self, script: Script) -> Script:
        content = content_of(script)
        division, is_new = self._division(content)
        if self.cut is not None:
            script = content.divided(division)
        self.scripts.append(RecutScript(script, content, division, is_new))
        return script

    def _division(self, content: ScriptContent) -> tuple[Division, bool]:
        if self.cut is None:
            return Division(content.scripted), True
        if (number := self.cut.number) is not None:
            rule, is_new = content.rule(number)
            return content.division(rule), is_new
        if (places := self.cut.places) is None:
            return content.division(self.cut.rule), True
        if all(place.kind in {"byte", "read"} for place in places):
            return Division(content.scripted), True
        mine = [each for each in places if each.script == len(self.scripts) + 1 and each.at <= content.size]
        finish = next((each.kind for each in places if each.kind in {"joined", "apart"}), "")
        empty = {each.at for each in mine if each.kind == "empty"}
        cuts = {each.at for each in mine if each.kind == "cut"} | empty
        if self.cut.is_scripted:
            cuts.update(content.scripted)
        return Division(tuple(sorted(cuts)), tuple(sorted(empty)), content.possible_finish(finish)), True


def _cuts_of(bodies: Sequence[RecutBody]) -> list[int]:
    return sorted({at for body in bodies for at in body.cuts})


def recut_cassette(cassette: Cassette, cut: Cut) -> Cassette:
    """Return a recording with the same bytes in other reads. Each read has the time of its last byte."""
    body = cassette.body
    if not body:
        return cassette
    ends = list(accumulate(len(read.data) for read in cassette.reads))
    offsets = sorted({0, *cut.of_bytes(body), *(ends if cut.is_scripted else ()), len(body)})
    pieces = [Read(cassette.reads[bisect_left(ends, end)].at, body[start:end]) for start, end in pairwise(offsets)]
    return replace(cassette, reads=tuple(pieces))
