"""Casting: which script answers which request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import (
    AnswerFailedError,
    InvalidArgumentError,
    UnaskedScriptError,
    UnscriptedRequestError,
    described,
    excerpt,
)
from pytest_streamval.model import Delta
from pytest_streamval.recordings.matching import differences
from pytest_streamval.scripting.playback import note_taken
from pytest_streamval.scripting.script import Script, as_script
from pytest_streamval.scripting.steps import text_of_step
from pytest_streamval.server.faults import Fault, Faulty, check_made
from pytest_streamval.server.journal import ServedRequest
from pytest_streamval.server.rule_thread import Chosen, RuleThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.errors import StreamvalError
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.scripting.steps import Step

Playable: TypeAlias = Script | str | Fault | Faulty
"""What a request is answered with: a script or a text, one with a fault, or a fault alone."""
Rule: TypeAlias = Callable[[ServedRequest], Playable | None]
"""Chooses by the request; None for one that is not scripted."""

_SHOWN = 6  # requests, or fields of one, that a message shows


class Part:
    """What one request is answered with."""

    def __init__(self, script: Script, fault: Fault | None = None) -> None:
        self.script = script
        self.fault = fault
        self.asked_by: list[ServedRequest] = []
        """The requests that it answered: several, where a fault ruined it and the client asked again."""

    @property
    def told(self) -> str:
        """The part on a line."""
        said = excerpt(self.script.text)
        return said if self.fault is None else f"{said} with the fault {self.fault.name}"


class Casting:
    """Gives each request its part: by a rule, or in order."""

    def __init__(
        self, given: Sequence[Playable | Rule], fault: Fault | None, token_size: int, recut: ScriptRecutter | None
    ) -> None:
        self._fault = fault
        self._recut = recut
        self._token_size = token_size
        self.rule: RuleThread | None = None
        """Chooses the parts, instead of their order."""
        self._asked = 0  # how many of the parts were asked for: without a rule, the first ones
        self.parts: list[Part] = []
        """The parts, in order; those of a rule as it chose them."""
        self.refused: list[UnscriptedRequestError] = []
        """The requests for which there was no part."""
        self.failures: list[AnswerFailedError] = []
        """The requests for which a rule raised, or a script said what their protocol cannot."""
        if len(given) == 1 and callable(given[0]) and not isinstance(given[0], type):
            check_made("scripts[0]", given[0])
            self.rule = RuleThread(given[0])
        else:
            self.parts = [self._part(each, f"scripts[{number}]") for number, each in enumerate(given)]

    def part_of(
        self, request: ServedRequest, earlier: Sequence[ServedRequest], chosen: Chosen | None = None
    ) -> Part | UnscriptedRequestError:
        """Return the part of a request, or the error of one that has none.

        Args:
            request: what is asked.
            earlier: all requests so far.
            chosen: the rule's choice; None without a rule.

        Raises:
            BaseException: what the rule raised.
        """
        part = self._next(request) if chosen is None else self._part_chosen(chosen)
        if part is not None:
            part.asked_by.append(request)
            return part
        refusal = self._refusal(request, earlier)
        self.refused.append(refusal)
        return refusal

    def failed(self, request: ServedRequest, error: BaseException) -> AnswerFailedError:
        """Note that a request could not be answered."""
        self.failures.append(AnswerFailedError(request.told, f"{type(error).__name__}: {described(error)}"))
        return self.failures[-1]

    def unmet(self) -> Iterator[StreamvalError]:
        """Yield what was asked and not scripted, scripted and not asked, and what failed."""
        yield from self.failures
        yield from self.refused
        unasked = [(number, part.told) for number, part in enumerate(self.parts, 1) if not part.asked_by]
        if unasked and not (self._fault is not None and self._fault.refuses):
            yield UnaskedScriptError(len(self.parts), unasked)

    def _part_chosen(self, chosen: Chosen) -> Part | None:
        if chosen.error is not None:
            raise chosen.error
        if chosen.value is None:
            return None
        self.parts.append(self._part(chosen.value, "what the rule returned"))
        return self.parts[-1]

    def _next(self, request: ServedRequest) -> Part | None:
        """Return the first part that nobody has asked for, or the one that a fault has ruined and is asked for again.

        The fault of all parts strikes again and again. One that belongs to a part strikes once: what comes next is the
        next part.
        """
        fresh = self.parts[self._asked] if self._asked < len(self.parts) else None
        if self._asked and self._fault is not None and self._fault.ruins:
            ruined = self.parts[self._asked - 1]
            if fresh is None or ruined.asked_by[-1].body == request.body:
                return ruined
        self._asked += fresh is not None
        return fresh

    def _part(self, given: object, name: str) -> Part:
        given = Faulty(Script(), given) if isinstance(given, Fault) else given
        script, fault = (given.script, given.fault) if isinstance(given, Faulty) else (given, self._fault)
        if not isinstance(script, Script | str):
            check_made(name, given)
            rule = "It must be a Script, a text, a fault, a fault on a script, or, alone, a function of the request."
            rule += " Unpack the list: *scripts." if isinstance(given, list | tuple) else ""
            raise InvalidArgumentError(name, excerpt(given), rule)
        if isinstance(given, Faulty) and given.fault.refuses:
            rule = "Without a connection there is no request to answer; it is of the whole server: fault='refuse'."
            raise InvalidArgumentError(name, excerpt(given.fault.name), rule)
        script = as_script(script, token_size=self._token_size)
        note_taken(script)
        if self._recut is None or (fault is not None and fault.after_deltas is not None):
            return _placed(script, fault)  # whose place is told by its deltas
        return _placed(self._recut.script(script), fault)

    def _refusal(self, request: ServedRequest, earlier: Sequence[ServedRequest]) -> UnscriptedRequestError:
        parts = [(part.told, ", ".join(each.told for each in part.asked_by)) for part in self.parts]
        outputs = [each for each in earlier if each.protocol is not None and each is not request]
        found = [(list(differences("body", request.body, each.body)), each) for each in outputs]
        nearest = min(found, key=lambda each: len(each[0]), default=None)
        if nearest is None:
            return UnscriptedRequestError(request.told, parts, "", [])
        return UnscriptedRequestError(request.told, parts, nearest[1].told, nearest[0][:_SHOWN])


def _placed(script: Script, fault: Fault | None) -> Part:
    """Return the part of a script; a truncation without a place gets the middle of the text, whatever the deltas."""
    if fault is None or fault.name != "truncate" or fault.after_deltas is not None or fault.after_bytes is not None:
        return Part(script, fault)
    left, before = len(script.text) // 2, 0
    steps: list[Step] = []
    for number, step in enumerate(script.steps):
        text = text_of_step(step)
        if isinstance(step, str | Delta) and len(text) > left:
            first, rest = text[:left], text[left:]
            pieces = [first, rest if isinstance(step, str) else replace(step, text=rest)] if first else [step]
            steps += [*pieces, *script.steps[number + 1 :]]
            before += bool(first)
            break
        left -= len(text)
        before += isinstance(step, str | Delta)
        steps.append(step)
    return Part(replace(script, steps=tuple(steps)), replace(fault, after_deltas=before))
