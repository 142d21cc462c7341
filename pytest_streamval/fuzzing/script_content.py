"""The content of a script in its channels: text, thinking, refusals and the arguments of tool calls, all cut alike."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pytest_streamval.fuzzing.cut_rules import WHOLE, order_of
from pytest_streamval.model import Delta
from pytest_streamval.scripting.script import Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pytest_streamval.fuzzing.cut_rules import CutRule
    from pytest_streamval.model import ToolCallDelta
    from pytest_streamval.scripting.steps import Step

_TEXTS: Final = tuple(name for name in ("thinking", "text", "refusal") if name in Delta.__dataclass_fields__)
_THIRD: Final = 3  # an empty delta follows every third piece


class Division(NamedTuple):
    """The places at which a script is divided, in characters of its content from its start."""

    cuts: tuple[int, ...] = ()
    """The cuts inside of runs."""
    empty: tuple[int, ...] = ()
    """The places of additional empty deltas."""
    finish: str = ""
    """The new place of the finish reason: see `CutRule.finish`. An empty string if it stays."""


@dataclass(slots=True)
class _Run:
    """Content of one channel that no other step interrupts."""

    channel: str
    pieces: list[str]
    call: ToolCallDelta | None = None  # the fragment with the identifier and the name of the call
    text: str = ""  # that of all pieces

    def delta(self, piece: str, *, is_first: bool, rest: Delta | None) -> str | Delta:
        """Return the delta of a piece."""
        if self.call is not None:
            call = self.call if is_first else replace(self.call, id=None, name=None)
            return replace(rest or Delta(), tool_calls=(replace(call, arguments=piece),))
        if rest is None and self.channel == "text":
            return piece
        return _with_texts(rest or Delta(), {self.channel: piece})


@dataclass(slots=True)
class _Group:
    """A run, or the runs of one delta with several channels, and the rest of the delta that ends it."""

    runs: list[_Run]
    rest: Delta | None = field(default=None)


class ScriptContent:
    """The content of a script, and the scripts of the same content in other pieces."""

    def __init__(self, script: Script) -> None:
        self._parts: list[Step | _Group] = []
        for step in script.steps:
            self._add(step)
        groups = [part for part in self._parts if isinstance(part, _Group)]
        self._runs = [run for group in groups for run in group.runs]
        for run in self._runs:
            run.text = "".join(run.pieces)
        self._ends = list(accumulate(len(run.text) for run in self._runs))
        self._channels: dict[str, str] = {}
        for run in self._runs:
            self._channels[run.channel] = self._channels.get(run.channel, "") + run.text
        self._is_one_text = len(self._parts) == len(groups) == 1 and _is_plain_text(groups[0])
        self._last_group = next((n for n in range(len(self._parts))[::-1] if isinstance(self._parts[n], _Group)), None)
        self._scripted_finish = self._finish_place()
        self.channels = tuple(name for name, text in self._channels.items() if text)
        """The names of the channels whose content can be cut."""
        self.kinds = frozenset(name.partition(" ")[0] for name in self.channels)
        """The same without the numbers of tool calls."""
        self._key = (tuple((run.channel, run.text) for run in self._runs), self._scripted_finish)
        self._last = WHOLE, self._division(WHOLE)

    @property
    def size(self) -> int:
        """The number of characters of all channels."""
        return self._ends[-1] if self._ends else 0

    @property
    def text(self) -> str:
        """The content of all channels, in the order of the script."""
        return "".join(run.text for run in self._runs)

    @property
    def scripted(self) -> tuple[int, ...]:
        """The places at which the script itself divides its runs."""
        starts = [0, *self._ends]
        return tuple(
            start + at
            for run, start in zip(self._runs, starts, strict=False)
            for at in list(accumulate(map(len, run.pieces)))[:-1]
            if 0 < at < len(run.text)
        )

    def channel_at(self, places: Iterable[int]) -> str:
        """Return the channel of all places, without the number of a tool call. For several channels it is `text`."""
        last = len(self._runs) - 1
        found = {self._runs[min(last, bisect_right(self._ends, at))].channel.partition(" ")[0] for at in places}
        return found.pop() if len(found) == 1 else "text"

    def rule(self, number: int) -> tuple[CutRule, bool]:
        """Return the rule with this number of those that divide this content differently, and whether it is new."""
        return order_of(self._key, self.division).rule(number)

    def division(self, rule: CutRule) -> Division:
        """Return the places at which a rule divides the script. Those of the last rule are kept."""
        if rule != self._last[0]:
            self._last = rule, self._division(rule)
        return self._last[1]

    def _division(self, rule: CutRule) -> Division:
        cuts = self._cuts(rule)
        finish = self.possible_finish(rule.finish)
        if not rule.empty or not self.size:
            return Division(cuts, (), finish)
        ends = sorted({*cuts, *self._ends})
        return Division(cuts, tuple(sorted({0, self.size, *ends[_THIRD - 1 :: _THIRD]})), finish)

    def possible_finish(self, place: str) -> str:
        """Return the new place of the finish reason, or an empty string if there is none or it is there already."""
        return place if self._scripted_finish and place != self._scripted_finish else ""

    def divided(self, division: Division) -> Script:
        """Return a script with the same content in other pieces. Everything else keeps its place in it."""
        if self._is_one_text and not division.empty:  # the usual case
            return Script(tuple(_pieces_between(self._runs[0].text, 0, division.cuts)))
        empty = set(division.empty)
        steps: list[Step] = []
        at = 0
        parts = self._with_finish(division.finish)
        last = max((number for number, part in enumerate(parts) if isinstance(part, _Group)), default=-1)
        for number, part in enumerate(parts):
            if not isinstance(part, _Group):
                steps.append(part)
                continue
            end = at + sum(len(run.text) for run in part.runs)
            if _is_plain_text(part) and not empty:
                steps += _pieces_between(part.runs[0].text, at, division.cuts)  # the usual case, at once
            else:
                steps += self._pieces(part, at, division.cuts, empty)
            at = end
            if number == last and at in empty and part.rest is None:
                steps.append("")
        return Script(tuple(steps))

    # The parts of a script

    def _add(self, step: Step) -> None:
        before = self._parts[-1] if self._parts else None
        runs, rest = _parsed(step)
        if not runs:
            self._parts.append(step)
        elif isinstance(before, _Group) and _continues(before, runs):
            before.runs[0].pieces += runs[0].pieces
            before.rest = rest
        else:
            self._parts.append(_Group(runs, rest))

    def _finish_place(self) -> str:
        """Return `joined` or `apart` if the script ends with a finish reason directly after its content."""
        number = self._last_group
        if number is None:
            return ""
        group, *others = self._parts[number:]
        assert isinstance(group, _Group)  # noqa: S101  # for the type checker
        if group.rest is not None:
            return "joined" if group.rest.finish_reason else ""
        has_reason = bool(others) and isinstance(others[0], Delta) and bool(others[0].finish_reason)
        return "apart" if has_reason else ""

    def _with_finish(self, place: str) -> list[Step | _Group]:
        """Return the parts with the finish reason in another place."""
        parts, number = list(self._parts), self._last_group
        if not place or number is None:
            return parts
        group = parts[number]
        assert isinstance(group, _Group)  # noqa: S101  # for the type checker
        if place == "apart" and group.rest is not None:
            return [*parts[:number], _Group(group.runs), group.rest, *parts[number + 1 :]]
        following = parts[number + 1]
        assert isinstance(following, Delta)  # noqa: S101  # for the type checker
        left = replace(following, finish_reason=None)
        rest = Delta(finish_reason=following.finish_reason)
        return [
            *parts[:number],
            _Group(group.runs, rest),
            *([] if left == Delta() else [left]),
            *parts[number + 2 :],
        ]

    # The division

    def _cuts(self, rule: CutRule) -> tuple[int, ...]:
        found = {name: rule.offsets(text) for name, text in self._channels.items()}
        before = dict.fromkeys(found, 0)
        cuts: list[int] = []
        start = 0
        for run, end in zip(self._runs, self._ends, strict=True):
            begin = before[run.channel]
            offsets = found[run.channel]
            inside = offsets[bisect_right(offsets, begin) : bisect_left(offsets, begin + end - start)]
            cuts += inside if begin == start else [at - begin + start for at in inside]
            before[run.channel] += end - start
            start = end
        return tuple(cuts)

    @staticmethod
    def _pieces(group: _Group, start: int, cuts: Sequence[int], empty: set[int]) -> Iterator[Step]:
        """Yield the deltas of a group, which begins at a place."""
        bounds = [start, *accumulate((len(run.text) for run in group.runs), initial=start)][1:]
        is_divided = bisect_right(cuts, start) < bisect_left(cuts, bounds[-1]) or not empty.isdisjoint(bounds[1:-1])
        if len(group.runs) > 1 and not is_divided:
            if start in empty:
                empty.discard(start)
                yield ""
            yield _together(group)
            return
        for number, (run, begin) in enumerate(zip(group.runs, bounds, strict=False), 1):
            pieces = _pieces_between(run.text, begin, cuts)
            at = begin
            for index, piece in enumerate(pieces):
                if at in empty:
                    empty.discard(at)
                    yield ""
                at += len(piece)
                is_last = number == len(group.runs) and index == len(pieces) - 1
                yield run.delta(piece, is_first=not index, rest=group.rest if is_last else None)


def _is_plain_text(group: _Group) -> bool:
    return len(group.runs) == 1 and group.rest is None and group.runs[0].channel == "text"


def _pieces_between(text: str, start: int, cuts: Sequence[int]) -> list[str]:
    """Return the pieces of a text, which begins at a place, between the cuts inside it."""
    inside = cuts[bisect_right(cuts, start) : bisect_left(cuts, start + len(text))]
    ends = (*(inside if not start else [at - start for at in inside]), len(text))
    begin = 0
    return [text[begin : (begin := end)] for end in ends]


def content_of(script: Script) -> ScriptContent:
    """Return the content of a script. That of the last scripts is kept, as the variants of a test have the same."""
    return _content(script.steps)


@lru_cache(maxsize=16)
def _content(steps: tuple[Step, ...]) -> ScriptContent:
    return ScriptContent(Script(steps))


def _parsed(step: Step) -> tuple[list[_Run], Delta | None]:
    """Return the runs in a step, and the rest of its delta if it has more."""
    if isinstance(step, str):
        return [_Run("text", [step])] if step else [], None
    if not isinstance(step, Delta):
        return [], None
    rest = _with_texts(replace(step, tool_calls=()), dict.fromkeys(_TEXTS, ""))
    return list(_runs_of(step)), None if rest == Delta() else rest


def _runs_of(delta: Delta) -> Iterator[_Run]:
    for name in _TEXTS:
        if text := getattr(delta, name):
            yield _Run(name, [text])
    for call in delta.tool_calls:
        yield _Run(f"arguments {call.index}", [call.arguments], call)


def _continues(before: _Group, runs: list[_Run]) -> bool:
    """Return whether a delta continues the run before it."""
    if len(before.runs) > 1 or len(runs) > 1 or before.rest is not None:
        return False
    call = runs[0].call
    return before.runs[0].channel == runs[0].channel and (call is None or (call.id is None and call.name is None))


def _together(group: _Group) -> Delta:
    """Return the runs of one delta in one delta."""
    texts = {run.channel: run.text for run in group.runs if run.call is None}
    calls = tuple(replace(run.call, arguments=run.text) for run in group.runs if run.call is not None)
    return _with_texts(replace(group.rest or Delta(), tool_calls=calls), texts)


def _with_texts(delta: Delta, texts: Mapping[str, str]) -> Delta:
    """Return a delta with other texts in some of its channels."""
    changed: Any = texts
    return replace(delta, **changed)
