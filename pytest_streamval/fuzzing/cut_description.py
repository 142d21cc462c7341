"""A cut as a person reads it: the content around its places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import excerpt, plural
from pytest_streamval.fuzzing.cuts import MARK, show_cuts
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.fuzzing.cuts import BytesKind, Cut, Place
    from pytest_streamval.fuzzing.recutting import RecutBody, RecutScript, ScriptRecutter
    from pytest_streamval.scripting.script import Script

_SHOWN = 160  # characters of a text that are shown
_MOST_SHOWN = 400  # characters of a stream with all its cuts
_STREAMS = 3  # of a test that are shown
_NAMES = {"text": "it", "thinking": "its thinking", "refusal": "its refusal", "arguments": "the tool's input"}
_FINISH = {
    "joined": "the finish reason is on the last delta with content",
    "apart": "the finish reason is on a delta of its own",
}


def failing_cut_lines(cut: Cut, recutter: ScriptRecutter) -> list[str]:
    """Return the lines that say under which cut a test fails: `Fails when it is cut here: ...`.

    Args:
        cut: The cut.
        recutter: The recutter of the run that failed, with its streams.
    """
    kinds = {place.kind for place in cut.places or ()}
    lines = [*_script_lines(cut, recutter.scripts)] if not kinds or kinds - {"byte", "read"} else []
    if not kinds or "byte" in kinds:
        lines += [_bytes_line(cut, body, "byte") for body in recutter.bodies]
    if not kinds or "read" in kinds:
        lines += [_bytes_line(cut, body, "read") for body in recutter.pages]
    lines += [f"Fails when {_FINISH[place.kind]}." for place in cut.places or () if place.kind in _FINISH]
    if len(lines) > _STREAMS:
        lines[_STREAMS:] = [f"... and {len(lines) - _STREAMS} more streams"]
    return lines or ["Fails, though no stream was cut."]


def unreached_place(cut: Cut, recutter: ScriptRecutter) -> str:
    """Return the first place of a cut outside of a test's streams: `99999: the stream has 492 characters`.

    Return an empty string if there is none, as for a rule.

    Args:
        cut: The cut.
        recutter: The recutter of a run under the cut, with its streams.
    """
    outside = ((place, _beyond(place, recutter)) for place in cut.places or () if place.at)
    return next((f"{place}: {why}" for place, why in outside if why), "")


def _beyond(place: Place, recutter: ScriptRecutter) -> str:
    """Return the reason for which a place is outside of the streams, an empty string if it is inside."""
    if place.kind in {"byte", "read"}:
        name, bodies = ("response", recutter.bodies) if place.kind == "byte" else ("page", recutter.pages)
        longest = max((len(body.data) for body in bodies), default=0)
        why = f"the longest {name} has {plural(longest, 'byte')}" if bodies else f"there was no {name}"
        return "" if place.at < longest else why
    streams = len(recutter.scripts)
    if place.script > streams:
        return f"the test has {plural(streams, 'stream')}" if streams else "there was no stream"
    size = recutter.scripts[place.script - 1].content.size
    name = "the stream" if streams == 1 else f"stream {place.script} of {streams}"
    return "" if place.at < size + (place.kind == "empty") else f"{name} has {plural(size, 'character')}"


def stream_lines(recutter: ScriptRecutter) -> Iterator[str]:
    """Yield the streams of a test as they were cut, and the scripts that make the same pieces."""
    for each in recutter.scripts:
        pieces = [delta.text for delta in each.script.deltas]
        yield f"The stream was cut as  {show_cuts(pieces, _MOST_SHOWN)}"
        if not recutter.bodies and not recutter.pages:  # a script has no bytes, whose cut may be the one that matters
            yield f"The same as a script:  {_source(each.script)}"
    for name, bodies in (("bytes", recutter.bodies), ("reads", recutter.pages)):
        for body in bodies:
            pieces = pieces_of(body.data.decode("latin-1"), body.cuts)
            yield f"The {name} were cut as  {_shown_bytes(pieces, _MOST_SHOWN)}"


def _source(script: Script) -> str:
    """Return the expression that makes a script."""
    if len(script.steps) > 1 and all(isinstance(step, str) and len(step) == 1 for step in script.steps):
        return f"Script.from_text({excerpt(script.text, _MOST_SHOWN)})"
    source = ", ".join(map(repr, script.steps))
    return f"Script.of({source if len(source) <= _MOST_SHOWN else f'{source[:_MOST_SHOWN]} ...'})"


def _script_lines(cut: Cut, scripts: Sequence[RecutScript]) -> Iterator[str]:
    has_several = sum(bool(script.content.text) for script in scripts) > 1  # as of a run with a second attempt
    for number, script in enumerate(scripts, 1):
        if cut.places is None:
            cuts, empty, only = script.division.cuts, script.division.empty, True
        else:
            mine = [place for place in cut.places if place.script == number and place.kind in {"cut", "empty"}]
            if not mine:
                continue
            cuts, empty, only = _offsets(mine, "cut"), _offsets(mine, "empty"), not cut.is_scripted
        text = script.content.text
        if text:
            place = f", in stream {number} of {len(scripts)}" if has_several else ""
            yield _line(script, [at for at in cuts if 0 < at < len(text)], empty, only=only, place=place)


def _offsets(places: Sequence[Place], kind: str) -> tuple[int, ...]:
    return tuple(place.at for place in places if place.kind == kind)


def _line(script: RecutScript, cuts: Sequence[int], empty: Sequence[int], *, only: bool, place: str) -> str:
    content = script.content
    shown = show_cuts(_with_empty(content.text, cuts, empty), _SHOWN)
    name = _NAMES[content.channel_at([*cuts, *empty])]
    if not cuts and not empty:
        return f"Fails when {name} comes in one piece{place}: {excerpt(content.text, _SHOWN)}"
    if not cuts:
        return f"Fails with an empty delta here{place}: {shown}"
    return f"Fails when {name} is cut{' only' * only} here{', with empty deltas' * bool(empty)}{place}: {shown}"


def _with_empty(text: str, cuts: Sequence[int], empty: Sequence[int]) -> list[str]:
    """Return the pieces of a text, with the empty ones among them."""
    pieces: list[str] = []
    left = sorted(empty)
    at = 0
    for piece in pieces_of(text, {*cuts, *empty}):
        while left and left[0] == at:
            pieces.append("")
            left.pop(0)
        pieces.append(piece)
        at += len(piece)
    return [*pieces, *("" for _ in left)]


def _bytes_line(cut: Cut, body: RecutBody, kind: BytesKind) -> str:
    data = body.data.decode("latin-1")
    only = cut.places is None or not cut.is_scripted
    if cut.places is None:
        cuts: Sequence[int] = body.cuts
    else:
        cuts = [place.at for place in cut.places if place.kind == kind and 0 < place.at < len(data)]
    if not cuts:
        joined = "all bytes come in one read" if kind == "byte" else "the page's reads of one moment are joined"
        return f"Fails when {joined}: {excerpt(bytes(body.data), _SHOWN)}"
    name = "the bytes" if kind == "byte" else "the page's reads"
    return f"Fails when {name} are cut{' only' * only} here: {_shown_bytes(pieces_of(data, cuts), _SHOWN)}"


def _shown_bytes(pieces: Sequence[str], limit: int) -> str:
    """Return bytes with marks at their cuts. A cut may be inside a character, so those beyond ASCII are escaped."""
    parts = show_cuts(pieces, limit, "byte").split(MARK)
    return "b" + MARK.join(part.encode("ascii", "backslashreplace").decode() for part in parts)
