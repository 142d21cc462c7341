"""Errors of the loopback provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors.base import StreamvalError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 15  # requests or scripts that a message shows
_ALLOWED = "Where that is as it should be: @pytest.mark.streamval_allow_unplayed."


class UnscriptedRequestError(StreamvalError, AssertionError):
    """A provider server was asked something for which it had no script."""

    def __init__(
        self,
        asked: str,
        scripts: Sequence[tuple[str, str]],
        nearest: str,
        differences: Sequence[tuple[str, str, str]],
    ) -> None:
        super().__init__(asked, tuple(map(tuple, scripts)), nearest, tuple(map(tuple, differences)))
        self.asked = asked
        """The request."""
        self.scripts = tuple(scripts)
        """What was scripted, and the requests that got it; an empty text for none."""
        self.nearest = nearest
        """The earlier request that differs least; empty where there was none."""
        self.differences = tuple(differences)
        """Where that differs: the field, what is asked now, what was asked then."""

    def __str__(self) -> str:
        lines = ["A request came for which the provider server has no script:", f"  {self.asked}"]
        lines += ["Scripted, one for each request:"] if self.scripts else ["Nothing was scripted."]
        for number, (script, asked) in enumerate(self.scripts[:_SHOWN], 1):
            lines.append(f"  script {number}: {script}, {f'played for {asked}' if asked else 'not played'}")
        if self.nearest and not self.differences:
            lines.append(f"It repeats {self.nearest}: a client that asks again takes one more script.")
        elif self.nearest:
            lines.append(f"The nearest request before was {self.nearest}, where")
            for field, now, then in self.differences:
                lines += [f"  {field}", f"    is now    {now}", f"    but was   {then}"]
        lines += ["Give one more script, or a rule: provider_server(lambda request: ...).", _ALLOWED]
        return "\n".join(lines)


class UnaskedScriptError(StreamvalError, AssertionError):
    """A test passed, and nobody had asked a provider server for all of its scripts."""

    def __init__(self, given: int, unasked: Sequence[tuple[int, str]]) -> None:
        super().__init__(given, tuple(map(tuple, unasked)))
        self.given = given
        """How many scripts the server had."""
        self.unasked = tuple(unasked)
        """The numbers of those that nobody asked for, from 1, and their texts."""

    def __str__(self) -> str:
        scripts = "1 script" if self.given == 1 else f"{self.given} scripts"
        lines = [
            f"A provider server was given {scripts}, one for each request. Nobody asked for:",
            *(f"  script {number}: {text}" for number, text in self.unasked[:_SHOWN]),
            "Either what was to be tested did not happen, or its client was sent elsewhere: see server.requests.",
            _ALLOWED,
        ]
        return "\n".join(lines)


class AnswerFailedError(StreamvalError, AssertionError):
    """A provider server could not answer: a rule raised, or a script says what a protocol cannot."""

    def __init__(self, asked: str, failure: str) -> None:
        super().__init__(asked, failure)
        self.asked = asked
        """The request."""
        self.failure = failure
        """What was raised."""

    def __str__(self) -> str:
        return (
            f"The provider server could not answer {self.asked}: {self.failure}\n"
            "Its client got an error, or a connection that broke. Mend the rule or the script.\n"
            f"{_ALLOWED}"
        )


class NotRequestedError(StreamvalError, AssertionError):
    """A provider server was not asked what it was to be asked."""

    def __init__(self, wanted: str, found: int, requests: Sequence[tuple[str, str]]) -> None:
        super().__init__(wanted, found, tuple(map(tuple, requests)))
        self.wanted = wanted
        """What was to be asked, and how often."""
        self.found = found
        """How many requests were that."""
        self.requests = tuple(requests)
        """What was asked, and how each request differs."""

    def __str__(self) -> str:
        lines = [f"The provider server was to be asked {self.wanted}. Requests that fit: {self.found}."]
        lines += ["It was asked"] if self.requests else ["It was asked nothing at all: is its address in use?"]
        for number, (asked, differs) in enumerate(self.requests[:_SHOWN]):
            lines.append(f"  requests[{number}]: {asked}{f', but {differs}' if differs else ''}")
        return "\n".join(lines)


class ClientStayedError(StreamvalError, AssertionError):
    """No client went away in the middle of its answer, in the time it had."""

    def __init__(self, seconds: float, requests: Sequence[str]) -> None:
        super().__init__(seconds, tuple(requests))
        self.seconds = seconds
        """How long it was waited for."""
        self.requests = tuple(requests)
        """What was asked, and what became of the answers."""

    def __str__(self) -> str:
        lines = [f"No client went away before the end of its answer, within {self.seconds:g} s."]
        lines += [f"  {request}" for request in self.requests[:_SHOWN]] or ["  There was no request at all."]
        lines.append("A client leaves when its connection is closed: leave its stream's context, or close the client.")
        return "\n".join(lines)


class ServerStateError(StreamvalError, RuntimeError):
    """A provider server was used while it was not open."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return f"This provider server {self.state}. It is open within `with ProviderServer(...) as server:`."
