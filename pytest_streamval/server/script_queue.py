"""`ScriptQueue`: the scripts of a server, one for each request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import (
    CheckFailedError,
    InvalidArgumentError,
    StreamvalError,
    answer_failed_error,
    blocked_loop_error,
    described,
    excerpt,
    unasked_script_error,
    unscripted_request_error,
)
from pytest_streamval.model import Delta
from pytest_streamval.recordings.matching import differences
from pytest_streamval.scripting.playback import note_taken
from pytest_streamval.scripting.script import Script, as_script
from pytest_streamval.scripting.steps import text_of_step
from pytest_streamval.server.faults.fault import Fault, Faulty, check_is_called
from pytest_streamval.server.journal import ServedRequest
from pytest_streamval.server.newest_items import Newest
from pytest_streamval.server.rule_thread import RuleResult, RuleThread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytest_streamval.errors import StreamvalError
    from pytest_streamval.fuzzing.recutting import ScriptRecutter
    from pytest_streamval.scripting.steps import Step

Playable: TypeAlias = Script | str | Fault | Faulty
"""The response to a request: a script or a text, one with a fault, or a fault alone."""
Rule: TypeAlias = Callable[[ServedRequest], Playable | None]
"""A function that returns the response to a request, or None for a request without a script."""

_MOST_SHOWN = 6  # fields of a request that a message shows


class QueuedScript:
    """A script with its fault, and the requests that it answered."""

    def __init__(self, script: Script, fault: Fault | None = None) -> None:
        self.script = script
        """The script."""
        self.fault = fault
        """The fault of the response."""
        self.requests: list[ServedRequest] = []
        """The requests that it answered: several if a fault ruined the response and the client repeated the request."""

    @property
    def summary(self) -> str:
        """The text and the fault on one line."""
        text = excerpt(self.script.text)
        return text if self.fault is None else f"{text} with the fault {self.fault.name}"


class ScriptQueue:
    """The scripts of a server in order, or the rule that chooses them."""

    def __init__(
        self,
        given: Sequence[Playable | Rule],
        fault: Fault | None,
        token_size: int,
        recut: ScriptRecutter | None,
        limit: int | None = None,
    ) -> None:
        self._fault = fault
        self._recut = recut
        self._token_size = token_size
        self.rule: RuleThread | None = None
        """The rule that chooses the scripts, if there is one."""
        self._taken = 0  # the number of scripts that were taken, without a rule
        self.scripts: Newest[QueuedScript] = Newest(limit)
        """The scripts in order. Those of a rule are added when it returns them."""
        self.unscripted: Newest[CheckFailedError] = Newest(limit)
        """The errors of requests for which there was no script."""
        self.failures: Newest[CheckFailedError] = Newest(limit)
        """The errors of requests for which a rule raised, or whose protocol cannot express the script."""
        if len(given) == 1 and callable(given[0]) and not isinstance(given[0], type):
            check_is_called("scripts[0]", given[0])
            self.rule = RuleThread(given[0])
        else:
            self.scripts.limit = None  # none of them may be forgotten before its request comes
            self.scripts += [self._queued(each, f"scripts[{number}]") for number, each in enumerate(given)]

    def take(
        self, request: ServedRequest, earlier: Sequence[ServedRequest], result: RuleResult | None = None
    ) -> QueuedScript | CheckFailedError:
        """Return the script for a request, or an error if there is none.

        Args:
            request: The request.
            earlier: All requests so far.
            result: The rule's result, or None without a rule.

        Raises:
            BaseException: If the rule raised it.
        """
        script = self._next_script(request) if result is None else self._script_of_rule(result, request)
        if script is not None:
            script.requests.append(request)
            return script
        error = self._unscripted_error(request, earlier)
        self.unscripted.add(error, len(error.message))
        return error

    def add_failure(self, request: ServedRequest, error: BaseException) -> str:
        """Add the error of a request that could not be answered, and return its text."""
        failure = f"{type(error).__name__}: {described(error)}"
        self.failures.add(answer_failed_error(request.summary, failure), len(failure))
        return failure

    def add_blocked_loop(self) -> None:
        """Add the error of a client that blocked the event loop of its server."""
        failure = str(blocked_loop_error())
        self.failures.add(answer_failed_error("a request of a synchronous client", failure), len(failure))

    def unmet(self) -> Iterator[StreamvalError]:
        """Yield the errors of failed requests, of requests without a script, and of scripts without a request."""
        yield from self.failures
        yield from self.unscripted
        unplayed = [(number, script.summary) for number, script in enumerate(self.scripts, 1) if not script.requests]
        if unplayed and not (self._fault is not None and self._fault.refuses):
            yield unasked_script_error(len(self.scripts), unplayed)

    def _script_of_rule(self, result: RuleResult, request: ServedRequest) -> QueuedScript | None:
        if result.error is not None:
            raise result.error
        if result.value is None:
            return None
        script = self._queued(result.value, "result of the rule")
        self.scripts.add(script, request.size + len(script.script.text))
        return script

    def _next_script(self, request: ServedRequest) -> QueuedScript | None:
        """Return the next script, or the last one again if the fault of the server has ruined it for this request.

        The fault of a server strikes again and again. The fault of one script strikes once.
        """
        fresh = self.scripts[self._taken] if self._taken < len(self.scripts) else None
        if self._taken and self._fault is not None and self._fault.ruins:
            ruined = self.scripts[self._taken - 1]
            if fresh is None or ruined.requests[-1].body == request.body:
                return ruined
        self._taken += fresh is not None
        return fresh

    def _queued(self, given: object, name: str) -> QueuedScript:
        given = Faulty(Script(), given) if isinstance(given, Fault) else given
        script, fault = (given.script, given.fault) if isinstance(given, Faulty) else (given, self._fault)
        if not isinstance(script, Script | str):
            check_is_called(name, given)
            rule = "It must be a Script, a text, a fault, a fault on a script, or a single function of the request."
            rule += " Unpack the list: *scripts." if isinstance(given, list | tuple) else ""
            raise InvalidArgumentError(name, excerpt(given), rule)
        if isinstance(given, Faulty) and given.fault.refuses:
            rule = "It must belong to the server, as there is no request without a connection. Use fault='refuse'."
            raise InvalidArgumentError(name, excerpt(given.fault.name), rule)
        script = as_script(script, token_size=self._token_size)
        note_taken(script)
        if self._recut is None or (fault is not None and fault.after_deltas is not None):
            return _queue_with_place(script, fault)  # a cut would move a place that is a number of deltas
        return _queue_with_place(self._recut.script(script), fault)

    def _unscripted_error(self, request: ServedRequest, earlier: Sequence[ServedRequest]) -> CheckFailedError:
        scripts = [(each.summary, ", ".join(asked.summary for asked in each.requests)) for each in self.scripts]
        outputs = [each for each in earlier if each.protocol is not None and each is not request]
        found = [(list(differences("body", request.body, each.body)), each) for each in outputs]
        nearest = min(found, key=lambda each: len(each[0]), default=None)
        fields, before = ([], "") if nearest is None else (nearest[0][:_MOST_SHOWN], nearest[1].summary)
        return unscripted_request_error(request.summary, scripts, before, fields, has_rule=self.rule is not None)


def _queue_with_place(script: Script, fault: Fault | None) -> QueuedScript:
    """Return a queued script. A truncation without a place gets the middle of the text, even inside a delta."""
    if fault is None or fault.name != "truncate" or fault.after_deltas is not None or fault.after_bytes is not None:
        return QueuedScript(script, fault)
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
    return QueuedScript(replace(script, steps=tuple(steps)), replace(fault, after_deltas=before))
