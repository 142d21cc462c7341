"""Hypothesis strategies for texts as models write them, and for streams of them."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.fuzzing.cut_rules import boundary_offsets as _boundary_offsets
from pytest_streamval.fuzzing.cut_rules import possible_offsets as _possible_offsets
from pytest_streamval.model import Delta, ToolCallDelta, Usage
from pytest_streamval.scripting.script import Script, pieces_of
from pytest_streamval.scripting.steps import Delay, Raise, RawFrame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import DrawFn

    from pytest_streamval.scripting.steps import Step

__all__ = ["byte_splits", "cuts", "scripts", "texts", "tokenizations"]

# The parts of texts. The simplest one comes first, as Hypothesis prefers it in a small example.
# fmt: off
_PROSE: Final = (
    "a", " ", ".", ". ", "One", " two", "!", "?", "? ", "...", "…", ", ", ": ", "; ", " – ", "—", "-", "'", '"', "“",
    "”", "‘", "’", "«", "»", "(", ")", "Dr.", " Mr. ", " e.g. ", " i.e., ", " p.m.", "U.S.", " A. B. ", " No. 5", "3",
    "3.14", "1,000", "1.000,5", " $5", "50 %", " v1.2.3", "\n", "\n\n", "  ", "\t", " I", " He said", "Yes", "a.b/c?d",
    ".", " ", ". ", ".", " ", "! ", "?", " ", '."', ".) ", "\r\n",  # the most frequent boundaries, once more
)
_MARKDOWN: Final = (
    "a", " ", "\n", "\n\n", "# ", "## ", "- ", "* ", "1. ", "2) ", "10. ", "> ", "`", "```", "```\n", "\n```\n", "~~~",
    "```python\n", "    ", "**", "_", "[a](b.c)", "![", "| a | b |\n", "|---|:-:|\n", "---\n", "[^1]", "[x] ", "  \n",
    "One", " two", ". ", "<br>", "&amp;", "$x$", "\\*",
)
_CODE: Final = (
    "a", " ", "\n", "{", "}", "[", "]", "(", ")", ";\n", ": ", ",", "'", '"', '"""', "\\", "\\n", "\\u00e9", "\\ud83c",
    "x = 1\n", "def f():\n", "    ", "\t", "return a.b\n", "# a. B\n", "// ", "/* ", " */", "```\n", "<p>", "</p>",
    "<think>", "</think>", '{"a": ', "null", "-1.5e3", "data: ", "[DONE]", "```json\n", "\\[", "\\]",
)
_OTHER_SCRIPTS: Final = (
    "中", "。", "あ", "文字", "「", "」", "『", "』", "！", "？", "、", "，", "\u3000", "．", "①", "한국", " ", "\n",
    "ﾊﾟ", "\U00020bb7", "مرحبا", "؟", "۔", "שלום", "ภาษา", "हिन्दी", "।", "Привет", "т. д.", "Ελλ", "ß", "İ", "ﬁ", "…",
)
_CLUSTERS: Final = (
    "🍎", " ", ". ", "e\u0301", "👩", "\U0001f1e9", "\u0301", "n\u0303", "👍🏽", "❤\ufe0f", "1\ufe0f\u20e3", "a",
    "🇩🇪", "🇯🇵", "👩\u200d👩\u200d👧", "🏳\ufe0f\u200d🌈", "\u200d", "\ufe0f", "\u200b", "\ufeff", "\u202e", "क्षि",
    "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f", "\u1100\u1161\u11a8", "กำ",
)
_LINE_ENDS: Final = (
    "\n", "\r\n", "\r", "\r\n\r\n", "\n\n", "\n\r\n", "\r\r", " \n", "a", " ", ".", "One", "\t", "\v", "\f", "\x85",
    "\u2028", "\u2029", "\xa0", "\x1c", "\x1f", "\x00",
)
# fmt: on

_STYLES: Final = (_PROSE, _LINE_ENDS, _MARKDOWN, _CODE, _OTHER_SCRIPTS, _CLUSTERS)
_CUT: Final = "\uffff"  # marks a cut in texts that are drawn with their cuts; it is not a character of Unicode
_FIRST: Final = 0xE000  # of the characters that represent parts
_PARTS: Final = 16  # at least, in every second passage
# The default of st.text is the same, but its first use takes seconds, as it reads every character of Unicode.
_ANY: Final = st.characters(exclude_categories=["Cs"])
_INSIDE_UTF8: Final = range(0x80, 0xC0)  # bytes after the first one of a character
_MASKS: Final = ("0123456789abcdef", "0123", "01", "1")  # an offset whose character is 1 is cut: few, more, all
_MASKED: Final = 64  # offsets in a mask at most, as a longer one takes long to shrink
_EXTRA: Final[SearchStrategy[Step]] = st.sampled_from(
    (
        "",
        Delta(thinking="Hm. "),
        Delta(thinking="Let me see.\n\n"),
        Delta(usage=Usage(7)),
        Delta(tool_calls=(ToolCallDelta(0, "call_1", "search", '{"q": '),)),
        Delta(),
    )
)
_ENDINGS: Final[tuple[tuple[str | None, tuple[Step, ...]], ...]] = (
    (None, ()),
    ("stop", ()),
    (None, (Delta(finish_reason="stop"),)),
    ("length", (Delta(usage=Usage(7, 5)),)),
    (None, (Delta(finish_reason="stop", usage=Usage(7, 5)), "")),
)


_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ConnectionResetError, "reset by peer"),
    (TimeoutError, "no data for 60 s"),
    (OSError, "no route to host"),
    (ValueError, "invalid frame"),
)
"""The kinds and the messages of failures, the usual one first."""


def texts(*, min_size: int = 0, max_size: int | None = None) -> SearchStrategy[str]:
    """Return a strategy for texts with boundaries of many kinds, and with characters that look like boundaries.

    The texts mix prose with abbreviations, quotes and numbers, Markdown, code, scripts without spaces, emoji and
    combining marks, all kinds of line ends, and noise. All of them can be encoded in UTF-8. They shrink to few and
    simple parts.

    Args:
        min_size: The least number of characters. Texts of several thousand characters repeat themselves.
        max_size: The greatest number of characters. None sets no limit: about 100 are usual, and 1,000 are rare.

    Raises:
        InvalidArgumentError: A `ValueError`. If the sizes exclude every text.
    """
    least: object = min_size
    most: object = max_size
    if not isinstance(least, int) or least < 0:
        raise InvalidArgumentError("min_size", excerpt(min_size), "It must be a number of characters, 0 or more.")
    if most is not None and (not isinstance(most, int) or most < least):
        rule = f"It must be a number of characters, min_size={min_size} or more, or None."
        raise InvalidArgumentError("max_size", excerpt(max_size), rule)
    return _texts(min_size, max_size)


def cuts(text: str) -> SearchStrategy[tuple[int, ...]]:
    """Return a strategy for cuts of a text: the offsets in characters at which its pieces begin, without the first.

    A cut is at any offset except inside a surrogate pair. There are few cuts, or series of them that leave single
    characters. They shrink to none, to fewer, and to the beginning of the text.

    Raises:
        InvalidArgumentError: A `TypeError`. If the text is not a str.
    """
    return _offsets(_text(text))


def tokenizations(text: str | None = None) -> SearchStrategy[list[str]]:
    """Return a strategy for the pieces of a text, cut as by `cuts`. No piece is empty.

    Args:
        text: The text. None draws texts like those of `texts()` together with their cuts, which shrinks better than
            `texts().flatmap(tokenizations)`.

    Raises:
        InvalidArgumentError: A `TypeError`. If the text is not a str.
    """
    return _pieces_of_any() if text is None else _pieces(_text(text))


def byte_splits(data: bytes) -> SearchStrategy[list[bytes]]:
    """Return a strategy for bytes in reads: non-empty pieces, cut at any offset, also inside UTF-8 sequences.

    They shrink like those of `cuts`.

    Raises:
        InvalidArgumentError: A `TypeError`. If the data are not bytes.
    """
    given: object = data
    if not isinstance(given, bytes):
        raise InvalidArgumentError("data", excerpt(data), "They must be bytes. Encode a str first.")
    return _reads(data)


def scripts(
    text: str | None = None, *, max_delay: float = 0.0, raw_frames: Sequence[bytes] = (), failures: bool = False
) -> SearchStrategy[Script]:
    """Return a strategy for scripts of a text that is cut at any offsets, and of other deltas.

    Deltas with thinking, with a usage, with a finish reason, and empty ones are between the pieces or part of them. The
    scripts shrink to few pieces of text and nothing else.

    Args:
        text: The text. None draws texts like those of `texts()`.
        max_delay: The longest `Delay` before a delta, in seconds. 0 draws none. Delays take real time unless the test
            has a virtual clock.
        raw_frames: The bytes of each `RawFrame` that may be between deltas, such as a comment of server-sent events.
            They depend on the protocol, so none are drawn by default.
        failures: Whether some scripts end badly: with an error of the connection or of its data, at any place, or
            without a finish reason. Such a script has a part of the text.

    Raises:
        InvalidArgumentError: A `TypeError` and `ValueError`. If an argument is invalid.
    """
    seconds: object = max_delay
    if not isinstance(seconds, int | float) or not 0 <= seconds < float("inf"):
        raise InvalidArgumentError("max_delay", excerpt(max_delay), "It must be a number of seconds, 0 or more.")
    frames: object = raw_frames
    if isinstance(frames, bytes | str):
        raise InvalidArgumentError("raw_frames", excerpt(frames), f"It must be a list of bytes: [{excerpt(frames)}].")
    drawn = _scripts(None if text is None else _text(text), max_delay, tuple(map(RawFrame, raw_frames)))
    return drawn.flatmap(_with_failure) if failures else drawn


def _text(text: object) -> str:
    if isinstance(text, str):
        return text
    hint = " For a strategy for texts, use strategy.flatmap(...)." if isinstance(text, SearchStrategy) else ""
    raise InvalidArgumentError("text", excerpt(text), f"It must be a str.{hint}")


@st.composite
def _texts(draw: DrawFn, min_size: int, max_size: int | None) -> str:
    text = "".join(draw(st.lists(_passage(max(_PARTS, min_size // 4)), max_size=4)))
    if len(text) < min_size:
        text = text or "a"
        text = (text * -(-min_size // len(text)))[:min_size]
    return text[:max_size]


@st.composite
def _passage(draw: DrawFn, parts: int, cut: bool = False) -> str:  # noqa: FBT001, FBT002  # private
    """Draw a text of one style, of few parts or of at least `parts`, with marks at its cuts if `cut` is True.

    The parts are drawn as one text with a character for each, as a list takes several times as long to draw, and much
    longer to shrink.
    """
    number = draw(st.integers(0, len(_STYLES)))
    least = draw(st.sampled_from((0, parts)))
    if number == len(_STYLES):
        return draw(st.text(_ANY, min_size=least, max_size=4 * parts))
    style = _STYLES[number]
    size = len(style) * 3 // 2 if cut else len(style)
    drawn = draw(st.text("".join(map(chr, range(_FIRST, _FIRST + size))), min_size=least, max_size=4 * parts))
    return _joined(style, [ord(character) - _FIRST for character in drawn])


def _joined(style: Sequence[str], numbers: Sequence[int]) -> str:
    """Join the parts with these numbers. A number above theirs is a cut before the next part or, if odd, inside it."""
    text = ""
    apart = False
    for number in numbers:
        if number < len(style):
            text += _CUT.join(style[number]) if apart else style[number]
            apart = False
        else:
            text += _CUT
            apart = number % 2 == 1
    return text


@st.composite
def _pieces_of_any(draw: DrawFn) -> list[str]:
    passages = draw(st.lists(_passage(_PARTS, cut=True), max_size=4))
    return [piece for passage in passages for piece in passage.split(_CUT) if piece]


@st.composite
def _offsets(draw: DrawFn, text: str) -> tuple[int, ...]:
    possible = _possible_offsets(text)
    return _drawn(draw, possible, _boundary_offsets(text, possible))


@st.composite
def _pieces(draw: DrawFn, text: str) -> list[str]:
    return pieces_of(text, draw(_offsets(text)))


@st.composite
def _reads(draw: DrawFn, data: bytes) -> list[bytes]:
    possible = range(1, len(data))
    inside = [offset for offset in possible if data[offset] in _INSIDE_UTF8 or data[offset - 1] in b"\r\n"]
    ends = [0, *_drawn(draw, possible, inside), len(data)]
    return [data[start:end] for start, end in pairwise(ends) if start < end]


def _drawn(draw: DrawFn, possible: Sequence[int], preferred: Sequence[int]) -> tuple[int, ...]:
    """Draw some of the possible offsets: a few, more often the preferred ones, or by masks, each drawn as one text."""
    if not possible:
        return ()
    if not draw(st.booleans()):
        # A list, as Hypothesis cannot leave out one element of a set without changing the others.
        return tuple(sorted(set(draw(st.lists(st.sampled_from([*possible, *preferred]), max_size=8)))))
    drawn: set[int] = set()
    for start in draw(st.lists(st.sampled_from(range(0, len(possible), _MASKED)), min_size=1, max_size=8)):
        masked = possible[start : start + _MASKED]
        alphabet = draw(st.sampled_from(_MASKS))
        least = draw(st.sampled_from((0, len(masked))))
        mask = draw(st.text(alphabet, min_size=least, max_size=len(masked)))
        drawn.update(offset for offset, cut in zip(masked, mask, strict=False) if cut == "1")
    return tuple(sorted(drawn))


@st.composite
def _scripts(draw: DrawFn, text: str | None, max_delay: float, frames: tuple[RawFrame, ...]) -> Script:
    pieces = draw(_pieces_of_any() if text is None else _pieces(text))
    extra = _EXTRA | st.floats(0, max_delay).map(Delay) if max_delay else _EXTRA
    extra = extra | st.sampled_from(frames) if frames else extra
    apart: dict[int, list[Step]] = {}
    within: dict[int, Delta] = {}
    for at, step, joined in draw(st.lists(st.tuples(st.integers(0, len(pieces)), extra, st.booleans()), max_size=4)):
        if joined and isinstance(step, Delta):
            within[at] = step
        else:
            apart.setdefault(at, []).append(step)
    steps: list[Step] = []
    for at, piece in enumerate(pieces):
        steps += apart.get(at, ())
        steps.append(replace(within[at], text=piece) if at in within else piece)
    reason, ending = draw(st.sampled_from(_ENDINGS))
    script = Script.of(*steps, *apart.get(len(pieces), ()), finish_reason=reason)
    return Script((*script.steps, *ending))


@st.composite
def _with_failure(draw: DrawFn, script: Script) -> Script:
    """Draw the script itself, or a beginning of it, most often with an error at its end."""
    failure = draw(st.none() | st.sampled_from(_FAILURES) | st.just(()))
    if failure is None:
        return script
    kept = script.steps[: draw(st.integers(0, len(script.steps)))]
    if not failure:
        return Script(tuple(step for step in kept if not (isinstance(step, Delta) and step.finish_reason)))
    kind, message = failure
    return Script((*kept, Raise(kind(message))))
