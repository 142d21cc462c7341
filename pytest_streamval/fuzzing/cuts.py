"""Cuts: the places at which a text, a body or a frame is divided into pieces, by a rule or one by one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt, plural
from pytest_streamval.fuzzing.cut_rules import CHARS, WHOLE, WORDS, order_of, rule_of_number
from pytest_streamval.scripting.script import pieces_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pytest_streamval.fuzzing.cut_rules import CutRule

MARK = "|·"
"""The mark of a cut in a text that is shown."""
_AROUND = 30  # characters shown on each side of a cut of a long text
_NAMED = {"whole": WHOLE, "chars": CHARS, "words": WORDS}
_EXACT = re.compile(r"(only-)?at-([\w.-]+)")
_PLACE = re.compile(r"([br]?)(\d+)(e?)(?:\.(\d+))?")
_LETTERS = {"byte": "b", "read": "r"}
_KINDS = {letter: kind for kind, letter in _LETTERS.items()}

BytesKind: TypeAlias = Literal["byte", "read"]
"""The kinds of places in bytes: in the responses of providers, and in the reads of an application's pages."""


class Place(NamedTuple):
    """One place at which a test's streams are cut."""

    kind: str
    """`cut`, `empty` for an additional empty delta, `byte`, `read`, or `joined` and `apart` for the finish reason."""
    at: int = 0
    """The offset in the content of a script, in characters, or in bytes: in each response of a provider (`byte`), in
    each page of an application (`read`)."""
    script: int = 1
    """The number of the script among those of the test, from 1."""

    def __str__(self) -> str:
        if self.kind in {"joined", "apart"}:
            return self.kind
        of_script = f".{self.script}" if self.script > 1 else ""
        return f"{_LETTERS.get(self.kind, '')}{self.at}{'e' * (self.kind == 'empty')}{of_script}"

    @classmethod
    def parse(cls, word: str) -> Place | None:
        """Return the place of a word in the name of a cut, or None if it is not one."""
        if word in {"joined", "apart"}:
            return cls(word)
        match = _PLACE.fullmatch(word)
        if match is None or (match[1] and match[3]):
            return None
        kind = _KINDS.get(match[1], "empty" if match[3] else "cut")
        return cls(kind, int(match[2]), int(match[4] or 1))


def show_cuts(pieces: Sequence[str], limit: int | None = None, unit: str = "character") -> str:
    """Return the `repr` of a text with a mark at each cut: `'One.|· Two'`.

    Args:
        pieces: The pieces of the text.
        limit: The approximate number of characters to show. Of a longer text, only the parts around its cuts are shown.
        unit: The unit of the text: characters, or bytes of which each is shown as one character.
    """
    complete = repr(MARK.join(pieces))
    if limit is None or len(complete) <= limit:
        return complete
    text = "".join(pieces)
    offsets = list(accumulate(map(len, pieces[:-1])))
    spans = [(max(0, group[0] - _AROUND), group, group[-1] + _AROUND) for group in _groups(offsets, limit)]
    parts = [
        show_cuts(pieces_of(text[start:end], (offset - start for offset in group))) for start, group, end in spans
    ] or [repr(text[:limit])]
    before = "... " if spans and spans[0][0] else ""
    after = " ..." if not spans or spans[-1][2] < len(text) else ""
    return f"{before}{' ... '.join(parts)}{after} ({plural(len(offsets), 'cut')} in {len(text):,} {unit}s)"


def _groups(offsets: Sequence[int], limit: int) -> list[list[int]]:
    """Return the first cuts, grouped by nearness, as many as fit into the limit with the text around them."""
    groups: list[list[int]] = []
    used = 0
    for offset in offsets:
        near = bool(groups) and offset - groups[-1][-1] <= 2 * _AROUND
        used += offset - groups[-1][-1] + len(MARK) if near else 2 * _AROUND
        if groups and used > limit:
            break
        if near:
            groups[-1].append(offset)
        else:
            groups.append([offset])
    return groups


@dataclass(frozen=True, slots=True)
class Cut:
    """A rule that cuts the same text at the same offsets each time, or a list of offsets.

    A number is a position in an order of rules, from 1. The first ones are the complete text in one piece, each
    character by itself, and then rules under which each place is soon cut with nothing near it, and soon uncut. Later
    numbers also cut at random, and all of them also inside grapheme clusters, line ends and code fences. Numbers whose
    cuts of a text would be equal are left out.
    """

    NAMED: ClassVar = tuple(_NAMED)

    name: str
    """A number from 1, `whole` for no cut, `chars` for one after every character, `words` for one before every word, or
    offsets: `at-3-7` cuts the pieces as scripted also at 3 and 7, `only-at-3-7` cuts nowhere else.
    """

    def __post_init__(self) -> None:
        name: object = self.name
        is_name = isinstance(name, str) and (
            name in _NAMED or (name.isdecimal() and int(name) > 0) or _places_of(name) is not None
        )
        if not is_name:
            rule = f"It must be {', '.join(_NAMED)}, a number from 1, or offsets such as at-3-7"
            rule += "." if isinstance(name, str) else ", as a str."
            raise InvalidArgumentError("name", excerpt(name), rule)

    @classmethod
    def at(cls, places: Iterable[Place], *, only: bool) -> Cut:
        """Return the cut at some places. With `only`, the pieces as scripted are joined before."""
        words = "-".join(map(str, sorted(set(places), key=lambda place: (place.script, place.at, place.kind))))
        return cls(f"{'only-' * only}at-{words}" if words else "whole")

    @property
    def places(self) -> tuple[Place, ...] | None:
        """The places of a cut at some offsets, None for a rule."""
        return None if self.name.isdecimal() else _places_of(self.name)

    @property
    def is_scripted(self) -> bool:
        """Whether the pieces as scripted stay apart."""
        return self.name.startswith("at-")

    def keeps(self, kind: BytesKind) -> bool:
        """Return whether the bytes of responses, or the reads of pages, stay as they are."""
        places = self.places
        if places is None:
            return False
        return not any(place.kind == kind and (place.at or not self.is_scripted) for place in places)

    @property
    def number(self) -> int | None:
        """The position of the rule in their order, None for any other cut."""
        return int(self.name) if self.name.isdecimal() else None

    @property
    def rank(self) -> tuple[int, int, str]:
        """The position in the order of all cuts: offsets, the named rules, then the numbers."""
        if self.places is not None:
            return 0, len(self.places), self.name
        return (1, self.NAMED.index(self.name), "") if self.name in _NAMED else (2, int(self.name), "")

    @classmethod
    def first(cls, count: int) -> list[Cut]:
        """Return the cuts with the numbers from 1 to `count`."""
        return [cls(str(number)) for number in range(1, count + 1)]

    def of_text(self, text: str) -> list[int]:
        """Return the offsets at which a text is cut, in characters, never inside a surrogate pair."""
        if self.number is not None:
            return order_of(text, lambda rule: tuple(rule.offsets(text))).rule(self.number)[0].offsets(text)
        if (places := self.places) is not None:
            return [place.at for place in places if place.kind == "cut" and 0 < place.at < len(text)]
        return _NAMED[self.name].offsets(text)

    def of_bytes(self, data: bytes) -> list[int]:
        """Return the offsets at which the body of a response is cut, in bytes, also inside characters."""
        if (places := self.places) is not None:
            return [place.at for place in places if place.kind == "byte" and 0 < place.at < len(data)]
        return self.of_text(data.decode("latin-1"))

    def of_frames(self, kind: BytesKind = "byte") -> Callable[[bytes], Sequence[int]]:
        """Return a function that returns the offsets at which to cut the frames of one response, for each in turn.

        The offset 0 is a cut before the frame. Frames with no cut between them are sent together.

        Args:
            kind: The places that count: `byte` for a response of a provider, `read` for a page of an application.
        """
        if self.places is None:
            return self.rule.of_parts()
        body = range(0)

        def offsets(data: bytes) -> list[int]:
            nonlocal body
            body = range(body.stop, body.stop + len(data))
            before = [0] if self.is_scripted and body.start else []
            return sorted({*before, *(place.at - body.start for place in places if place.at in body and place.at)})

        places = [place for place in self.places if place.kind == kind]
        return offsets

    @property
    def rule(self) -> CutRule:
        """The rule of a name or of a number, without regard to any content."""
        return _NAMED[self.name] if self.number is None else rule_of_number(self.number)


def _places_of(name: str) -> tuple[Place, ...] | None:
    """Return the places in the name of a cut, or None if it names a rule."""
    match = _EXACT.fullmatch(name)
    if match is None:
        return None
    places = [Place.parse(word) for word in match[2].split("-")]
    return tuple(place for place in places if place is not None) if None not in places else None
