"""Every exception of this package.

Each class owns its wording and carries the facts as attributes. The facts are also `args`, so that every error
survives `pickle` on its way from a pytest-xdist worker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_streamval.engine.delta import Delta

_EXCERPT = 80  # characters of an offending value that a message shows
_LEAKS = 10  # things left behind that a message shows
_LISTED = 15  # lines of what happened that a message shows before and behind a place
_NAMED = 3  # expected events that a message names before the one that is missing


def excerpt(value: object, limit: int = _EXCERPT) -> str:
    """The `repr` of a value, cut in the middle where it is longer than `limit` characters."""
    shown = repr(value)
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return f"{shown[:half]} ... {shown[-half:]}"


def _listed(lines: Sequence[str], place: int) -> Sequence[str]:
    """Return lines, of many only those around a place, given by the number of lines before it."""
    first, last = max(0, place - _LISTED), min(len(lines), place + _LISTED)
    before = [f"  ... {first:,} more before"] if first else []
    behind = [f"  ... {len(lines) - last:,} more behind"] if last < len(lines) else []
    return [*before, *lines[first:last], *behind]


def described(error: BaseException) -> str:
    """The message of an error, or what is wrong with that, where its own code fails."""
    try:
        return str(error)
    except Exception as failure:  # noqa: BLE001  # a message must not hide the error that it belongs to
        return f"<its message raised {type(failure).__name__}>"


def raisable(error: BaseException) -> BaseException:
    """Return the error to raise: one that would end an `async for` in silence is the cause of one that does not."""
    if not isinstance(error, StopAsyncIteration):
        return error
    loud = RuntimeError("StopAsyncIteration was raised, which would have ended the reader's loop in silence.")
    loud.__cause__ = error
    return loud


class StreamvalError(Exception):
    """Base of every error that this package defines."""


# Streams and their one reader


class ThunkClosedError(StreamvalError, RuntimeError):
    """A delta was put into an output that takes no more."""

    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.state = state

    def __str__(self) -> str:
        return (
            f"This output is {self.state} and takes no more deltas. A producer stops at ThunkClosedError; one started "
            "with thunk.start() is cancelled for you."
        )


class ConcurrentReadError(StreamvalError, RuntimeError):
    """A second reader asked while the first was still waiting."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} is being read already, and a stream has one reader: two would each get a part of it. Let one "
            "task read and hand on what it got."
        )


class ReaderTakenError(StreamvalError, RuntimeError):
    """A stream of a result was asked for a second time."""

    def __init__(self, method: str, instead: str) -> None:
        super().__init__(method, instead)
        self.method = method
        self.instead = instead

    def __str__(self) -> str:
        return f"{self.method} has a reader already, and gives one only. {self.instead}"


class DetachedThunkError(StreamvalError, RuntimeError):
    """A copy of an unfinished output was read."""

    def __str__(self) -> str:
        return (
            "This is a copy of an output that was still being generated, and no producer feeds a copy. Read the "
            "original, or copy it once is_computed() is true."
        )


class EventLoopRequiredError(StreamvalError, RuntimeError):
    """A task was to be started where no event loop of asyncio is running."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} needs a running asyncio event loop. Start it from a coroutine under asyncio, for instance by "
            "asyncio.run(); this package does not run on trio, so choose anyio's asyncio backend there."
        )


class GenerationCancelledError(StreamvalError, RuntimeError):
    """The generation was cancelled by somebody else while a run was reading it."""

    def __str__(self) -> str:
        return (
            "The generation was cancelled before its end, and not by this run. What was released until then stays "
            "readable; to stop a run yourself, call aclose() on its result."
        )


class InvalidDeltaError(StreamvalError, TypeError):
    """A producer put something that is no delta."""

    def __init__(self, shown: str, kind: str) -> None:
        super().__init__(shown, kind)
        self.shown = shown
        self.kind = kind

    def __str__(self) -> str:
        return f"A delta is a str or a Delta, not {self.shown} of type {self.kind}. Decode bytes before they are put."


# Arguments


class UnknownChunkingError(StreamvalError, ValueError):
    """`chunking` names no built-in strategy."""

    def __init__(self, alias: str, aliases: Sequence[str]) -> None:
        super().__init__(alias, tuple(aliases))
        self.alias = alias
        self.aliases = tuple(aliases)

    def __str__(self) -> str:
        choices = ", ".join(repr(alias) for alias in self.aliases)
        return (
            f"Unknown chunking alias {self.alias!r}. Choose from: {choices}; or pass a ChunkingStrategy of your own, "
            "or None to take every delta as a chunk."
        )


class UnknownLanguageError(StreamvalError, ValueError):
    """`ProseChunker` has no rules for a language."""

    def __init__(self, language: str, languages: Sequence[str]) -> None:
        super().__init__(language, tuple(languages))
        self.language = language
        self.languages = tuple(languages)

    def __str__(self) -> str:
        choices = ", ".join(repr(language) for language in self.languages)
        return (
            f"ProseChunker knows no language {self.language!r}. Choose from: {choices}; for any other, the rules of "
            "'en' find the boundaries that need no words of the language."
        )


class InvalidLimitError(StreamvalError, ValueError):
    """A limit leaves no room for anything."""

    def __init__(self, argument: str, limit: int) -> None:
        super().__init__(argument, limit)
        self.argument = argument
        self.limit = limit

    def __str__(self) -> str:
        return f"{self.argument}={self.limit} leaves no room: it is a number of characters, 1 or more."


class InvalidArgumentError(StreamvalError, TypeError, ValueError):
    """An argument has a type or a value that its function cannot use."""

    def __init__(self, argument: str, shown: str, rule: str) -> None:
        super().__init__(argument, shown, rule)
        self.argument = argument
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.argument}={self.shown} does not fit: {self.rule}"


class NotStreamingError(StreamvalError, RuntimeError):
    """A backend answered a streaming request with a finished output."""

    def __init__(self, backend: str) -> None:
        super().__init__(backend)
        self.backend = backend

    def __str__(self) -> str:
        return (
            f"{self.backend} returned an output that is computed already, so there is nothing left to stream. It has "
            "to honour model_options[ModelOption.STREAM]: return the thunk at once and put the deltas as they come."
        )


# Chunking and validation


class ChunkingContractError(StreamvalError, ValueError):
    """A chunking strategy broke the contract that every strategy keeps."""

    def __init__(self, strategy: str, fault: str, rule: str) -> None:
        super().__init__(strategy, fault, rule)
        self.strategy = strategy
        self.fault = fault
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.strategy} {self.fault}. {self.rule}"


class InvalidVerdictError(StreamvalError, TypeError):
    """A validator returned something that is no verdict."""

    def __init__(self, validator: str, shown: str, rule: str) -> None:
        super().__init__(validator, shown, rule)
        self.validator = validator
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"{self.validator} returned {self.shown}. {self.rule}"


class ValidatorTimeoutError(StreamvalError, TimeoutError):
    """Validators took longer than `validator_timeout`."""

    def __init__(self, validators: Sequence[str], seconds: float) -> None:
        super().__init__(tuple(validators), seconds)
        self.validators = tuple(validators)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"No verdict within validator_timeout={self.seconds:g} s from: {', '.join(self.validators)}. Raise the "
            "limit, or let the validator answer PartialValidationResult('unknown') until it knows more."
        )


# Scripts and recordings


class ScriptExhaustedError(StreamvalError, RuntimeError):
    """A mock backend was called more often than it has scripts."""

    def __init__(self, calls: int, scripts: int, caller: str, earlier: Sequence[str]) -> None:
        super().__init__(calls, scripts, caller, tuple(earlier))
        self.calls = calls
        self.scripts = scripts
        self.caller = caller
        self.earlier = tuple(earlier)

    def __str__(self) -> str:
        lines = [
            (
                f"Call {self.calls} of this mock backend came from {self.caller}, but it was given {self.scripts} "
                f"script{'' if self.scripts == 1 else 's'}, one for each call, in order."
            ),
            *(f"  call {number}: {action}" for number, action in enumerate(self.earlier, 1)),
            (
                "Give it one script more. A requirement with a description and without a validation_fn asks the "
                'backend as a judge, and that call takes a script too ("yes" or "no" will do); where no model shall '
                "judge, give it a validation_fn or override validate()."
            ),
        ]
        return "\n".join(lines)


class InvalidCassetteError(StreamvalError, ValueError):
    """A recording cannot be read."""

    def __init__(self, path: str, line: int, fault: str) -> None:
        super().__init__(path, line, fault)
        self.path = path
        self.line = line
        self.fault = fault

    def __str__(self) -> str:
        return (
            f'{self.path}:{self.line}: {self.fault}. A cassette is JSONL: a header line with "protocol", then one '
            'line for each read, {"at": seconds, "text": ...} or {"at": seconds, "base64": ...}.'
        )


class MissingCassetteError(StreamvalError, LookupError):
    """A test has no recording, and may not make one."""

    def __init__(self, path: str, command: str) -> None:
        super().__init__(path, command)
        self.path = path
        """Where the first recording would be."""
        self.command = command
        """What makes it."""

    def __str__(self) -> str:
        return (
            f"There is no recording at {self.path}, and --streamval-record none, the default, lets nothing out to a "
            f"provider. Record it with: {self.command}"
        )


class UnmatchedRequestError(StreamvalError, LookupError):
    """No recording answers a request."""

    def __init__(
        self,
        asked: str,
        candidates: Sequence[tuple[str, str]],
        nearest: str,
        differences: Sequence[tuple[str, str, str]],
        way_out: str,
    ) -> None:
        facts = tuple(map(tuple, candidates)), nearest, tuple(map(tuple, differences))
        super().__init__(asked, *facts, way_out)
        self.asked = asked
        """The request."""
        self.candidates = tuple(candidates)
        """The file of each recording, and what was asked in it."""
        self.nearest = nearest
        """The file of the recording that differs least; empty where there is none."""
        self.differences = tuple(differences)
        """Where that differs: the field, what was asked, what was recorded."""
        self.way_out = way_out

    def __str__(self) -> str:
        lines = ["No recording answers this request:", f"  {self.asked}"]
        if not self.candidates:
            return "\n".join([*lines, "Nothing is recorded at all.", self.way_out])
        lines += ["Recorded, each to be played once:", *(f"  {path}: {what}" for path, what in self.candidates)]
        if self.differences:
            lines.append(f"The nearest is {self.nearest}, where")
            for field, asked, recorded in self.differences:
                lines += [f"  {field}", f"    is now    {asked}", f"    but was   {recorded}"]
        else:
            lines.append(f"{self.nearest} is of this very request, but was played already: it came once too often.")
        return "\n".join([*lines, "A request is told by protocol, path and body.", self.way_out])


class HiddenRequestError(StreamvalError, AssertionError):
    """A test passed although the code under test had met, and kept to itself, that a request had no recording."""

    def __init__(self, refusal: str) -> None:
        super().__init__(refusal)
        self.refusal = refusal

    def __str__(self) -> str:
        return (
            f"A request had no recording, and the error did not reach the test.\n{self.refusal}\n"
            "A test that expects this catches it with pytest.raises(UnmatchedRequestError).\n"
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class UnusedCassetteError(StreamvalError, AssertionError):
    """A test passed without asking what its recordings answer."""

    def __init__(self, unused: Sequence[tuple[str, str]], command: str) -> None:
        super().__init__(tuple(map(tuple, unused)), command)
        self.unused = tuple(unused)
        """The file of each recording, and what was asked in it."""
        self.command = command

    def __str__(self) -> str:
        return "\n".join(
            [
                "This test has recordings of requests that it did not make:",
                *(f"  {path}: {what}" for path, what in self.unused),
                (
                    "Either what was to be tested did not happen, or they are out of date. To record what is asked "
                    f"now: {self.command}"
                ),
                "Where that is as it should be: @pytest.mark.streamval_allow_unplayed.",
            ]
        )


class CassetteEndedError(StreamvalError, EOFError):
    """A reader wants more of a stream than its recording has, as the reader that was recorded had left by then."""

    def __init__(self, path: str, at: float, why: str) -> None:
        super().__init__(path, at, why)
        self.path = path
        self.at = at
        """When it had left, in seconds since the request."""
        self.why = why
        """What made it leave, as far as that is known."""

    def __str__(self) -> str:
        left = f"{self.at:g} s after the request{f' ({self.why})' if self.why else ''}"
        return (
            f"{self.path} ends here, because its reader left {left}; nobody knows what would have come. A replay goes "
            "as far as the recording: let the reader leave as early, or record the whole stream."
        )


class InvalidScriptError(StreamvalError, ValueError):
    """A script file cannot be read."""

    def __init__(self, path: str, line: int, column: int, fault: str) -> None:
        super().__init__(path, line, column, fault)
        self.path = path
        self.line = line
        """From 1."""
        self.column = column
        """In characters, from 1."""
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"{self.path}:{self.line}:{self.column}: {self.fault}. A script file is JSONL, one step a line: a string, "
            '{"text": ..., "finish_reason": ...}, {"delay": seconds}, {"raise": {"type": ..., "message": ...}} or '
            '{"stall": true}; blank lines and lines that begin with # are left out.'
        )


class SyncStallError(StreamvalError, RuntimeError):
    """A script came to a `Stall` while a synchronous reader played it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number
        """Which step of the script it is, from 0."""

    def __str__(self) -> str:
        return (
            f"steps[{self.number}] of this script is a Stall, which ends when its reader is cancelled, and nobody can "
            "cancel a synchronous one. Put Raise(TimeoutError()) in its place, as a client with a time limit fails, "
            "or read play() in a task."
        )


class PlaybackBusyError(StreamvalError, RuntimeError):
    """A playback was closed while a reader waited for its next text."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return (
            f"{self.what} cannot be closed while somebody waits for its next text, as a generator cannot. Cancel the "
            "task that reads and await it; that closes it too."
        )


# Assertions about streams


class UnvalidatedTextError(StreamvalError, AssertionError):
    """Text reached the consumer that no verdict had let pass."""

    def __init__(self, shown: str, why: str, transcript: str) -> None:
        super().__init__(shown, why, transcript)
        self.shown = shown
        self.why = why
        self.transcript = transcript

    def __str__(self) -> str:
        lines = self.transcript.splitlines()
        happened = "\n".join(_listed([f"  {line}" for line in lines], len(lines)))
        return (
            f"{self.shown} {self.why}. A consumer may get a chunk once every requirement has judged it and none "
            "failed it; give the run requirements, and read the chunks from result.astream(). What happened until "
            f"then:\n{happened}"
        )


class NotStoppedError(StreamvalError, AssertionError):
    """A producer was not stopped, or not in time."""

    def __init__(self, fault: str, sent: int, limit: int) -> None:
        super().__init__(fault, sent, limit)
        self.fault = fault
        self.sent = sent
        self.limit = limit

    def __str__(self) -> str:
        if self.fault:
            return f"The producer was to be stopped, but {self.fault}."
        return (
            f"The producer sent {self.sent} deltas more than the run had taken when it stopped, and at most "
            f"{self.limit} were allowed. It has to stop where `await thunk.put(delta)` is cancelled or raises "
            "ThunkClosedError."
        )


class EventOrderError(StreamvalError, AssertionError):
    """Events did not happen in the expected order."""

    def __init__(
        self,
        expected: Sequence[str],
        missing: int,
        lines: Sequence[str],
        found: Sequence[int],
        earlier: Sequence[int] = (),
    ) -> None:
        super().__init__(tuple(expected), missing, tuple(lines), tuple(found), tuple(earlier))
        self.expected = tuple(expected)
        self.missing = missing
        """Which of the expected events is missing, from 0."""
        self.lines = tuple(lines)
        """The transcript's lines."""
        self.found = tuple(found)
        """Which of the lines were expected and found, from 0."""
        self.earlier = tuple(earlier)
        """Which of the lines would be the missing event, if they had come later."""

    def __str__(self) -> str:
        before = ", ".join(self.expected[: self.missing][-_NAMED:])
        after = f" after {'..., ' if self.missing > _NAMED else ''}{before}" if before else ""
        early = ", only before, where < stands" if self.earlier else ""
        marks = {**dict.fromkeys(self.earlier, "<"), **dict.fromkeys(self.found, ">")}
        lines = [f"{marks.get(number, ' ')} {line}" for number, line in enumerate(self.lines)]
        rule = "Each event is looked for behind the one before it. What happened, > marks what was found:"
        shown = _listed(lines, max(self.found, default=-1) + 1) or ["  nothing at all"]
        return "\n".join([f"{self.expected[self.missing]} did not happen{after}{early}. {rule}", *shown])


class ConformanceError(StreamvalError, AssertionError):
    """A strategy or a backend breaks the contract that its users rely on."""

    def __init__(  # noqa: PLR0917  # what an error is made of are its positional arguments, for pickle
        self, subject: str, rule: str, example: str, expected: str, came: str, way_out: str
    ) -> None:
        super().__init__(subject, rule, example, expected, came, way_out)
        self.subject = subject
        """The class that was checked."""
        self.rule = rule
        self.example = example
        """With what, or where, it showed."""
        self.expected = expected
        self.came = came
        self.way_out = way_out

    def __str__(self) -> str:
        return (
            f"{self.subject} breaks a rule of its contract: {self.rule}.\n"
            f"  with:     {self.example}\n"
            f"  expected: {self.expected}\n"
            f"  came:     {self.came}\n"
            f"{self.way_out}"
        )


class MissingPluginError(StreamvalError, RuntimeError):
    """A fixture needs a pytest plugin that is not active."""

    def __init__(self, fixture: str, plugin: str, distribution: str) -> None:
        super().__init__(fixture, plugin, distribution)
        self.fixture = fixture
        self.plugin = plugin
        self.distribution = distribution

    def __str__(self) -> str:
        return (
            f"The fixture {self.fixture} needs the pytest plugin {self.plugin}, which is not active. Run without "
            f"`-p no:{self.plugin}`, and under PYTEST_DISABLE_PLUGIN_AUTOLOAD with `-p {self.plugin}`; to install it: "
            f"pip install {self.distribution}"
        )


class UnfinishedRunError(StreamvalError, RuntimeError):
    """A run that is still going was compared with a snapshot."""

    def __str__(self) -> str:
        return (
            "This run is still going, and a snapshot is of a whole run. Await result.acomplete() first, or compare "
            "`await transcribe(result)`, which waits and takes the run's error as a part of what happened."
        )


# Cuts


class BoundaryVarianceError(StreamvalError, AssertionError):
    """What came of a text depended on where it was cut."""

    def __init__(
        self, subject: str, cut: str, pieces: Sequence[str], comparison: Sequence[str], reproduction: str
    ) -> None:
        super().__init__(subject, cut, tuple(pieces), tuple(comparison), reproduction)
        self.subject = subject
        self.cut = cut
        """The pieces as a person reads them, of a long text what stands around the cuts."""
        self.pieces = tuple(pieces)
        """The text in the smallest number of pieces that was found to show it."""
        self.comparison = tuple(comparison)
        """The lines of the two results, side by side."""
        self.reproduction = reproduction

    def __str__(self) -> str:
        lines = [
            f"{self.subject} gives another result when its text comes in {len(self.pieces):,} pieces, cut here:",
            f"  {self.cut}",
            (
                "A result may depend on the text alone, never on where it was cut: what one piece leaves open has to "
                "wait until the next one decides it."
            ),
            "",
            *self.comparison,
            "",
            "To see it again:",
            f"  {self.reproduction}",
        ]
        return "\n".join(lines)


class UnrepeatableResultError(StreamvalError, AssertionError):
    """A subject gave two results for the same pieces, so that cuts cannot be blamed."""

    def __init__(self, subject: str, cut: str, comparison: Sequence[str]) -> None:
        super().__init__(subject, cut, tuple(comparison))
        self.subject = subject
        self.cut = cut
        self.comparison = tuple(comparison)
        """The lines of the two results, side by side."""

    def __str__(self) -> str:
        lines = [
            f"{self.subject} gave two results for the very same pieces:",
            f"  {self.cut}",
            (
                "That is no fault of a cut: a subject has to give one result for the same pieces each time. It may "
                "use chance or the time, or keep something from one call for the next; make what it feeds anew in "
                "each call."
            ),
            "",
            *self.comparison,
        ]
        return "\n".join(lines)


class EventLoopRunningError(StreamvalError, RuntimeError):
    """An asynchronous subject was to be run where an event loop is running already."""

    def __init__(self, what: str, subject: str) -> None:
        super().__init__(what, subject)
        self.what = what
        self.subject = subject

    def __str__(self) -> str:
        return (
            f"{self.what} runs {self.subject} in an event loop of its own, and cannot while another one is running. "
            f"Call it from a plain `def` test; from a coroutine, `await asyncio.to_thread({self.what}, ...)`."
        )


# Virtual time


class VirtualDeadlockError(StreamvalError):
    """Everything on a virtual clock waits, and nothing is left that could wake it."""

    def __init__(self, elapsed: float, waiting: Sequence[tuple[str, str]], threads: Sequence[str] = ()) -> None:
        super().__init__(elapsed, tuple(waiting), tuple(threads))
        self.elapsed = elapsed
        """Seconds of virtual time."""
        self.waiting = tuple(waiting)
        """The name of each task that waits, and where."""
        self.threads = tuple(threads)
        """The names of daemon threads, for which nobody waits."""

    def __str__(self) -> str:
        lines = [
            (
                f"Nothing can wake this program any more: at {self.elapsed:.12g} s of virtual time no timer is due, "
                "and no thread, subprocess or connection is under way. What waits:"
            ),
            *(f"  {name} at {place}" for name, place in self.waiting),
        ]
        if self.threads:
            lines.append(
                f"Daemon threads are not waited for ({', '.join(self.threads)}). Run by asyncio.to_thread() what has "
                "to wake an event loop."
            )
        lines.append(
            "Set what they wait for in a task of the same test, or limit the waiting: by asyncio.timeout(), or by "
            "validator_timeout= where it is a validator that waits."
        )
        return "\n".join(lines)


class UnsupportedLoopError(StreamvalError, RuntimeError):
    """A virtual clock was asked to drive an event loop that it cannot drive."""

    def __init__(self, loop: str) -> None:
        super().__init__(loop)
        self.loop = loop
        """Full name of the loop's class; empty where no event loop of asyncio runs."""

    def __str__(self) -> str:
        if not self.loop:
            return (
                "A virtual clock drives asyncio, and this test is not run by it: on trio, take "
                "trio.testing.MockClock, or let anyio run the test on its backend 'asyncio'."
            )
        if self.loop.startswith("uvloop."):
            return (
                "A virtual clock cannot drive uvloop, whose time is kept in C: let asyncio's own event loop run the "
                "tests that ask for it, for instance by loop_factory=asyncio.SelectorEventLoop."
            )
        return (
            f"A virtual clock cannot drive {self.loop}, which has no selector: let an asyncio.SelectorEventLoop run "
            "the tests that ask for it, for instance by loop_factory=asyncio.SelectorEventLoop."
        )


class VirtualClockUseError(StreamvalError, RuntimeError):
    """A virtual clock was asked for where there cannot be one."""

    def __init__(self, fault: str, way_out: str) -> None:
        super().__init__(fault, way_out)
        self.fault = fault
        self.way_out = way_out

    def __str__(self) -> str:
        return f"{self.fault} {self.way_out}"


# What a test leaves behind, and what it never did


class LeakError(StreamvalError, AssertionError):
    """A test ended while things that it had started went on."""

    def __init__(self, leaks: Sequence[tuple[str, str, str]]) -> None:
        super().__init__(tuple(leaks))
        self.leaks = tuple(leaks)
        """What each is, where it is suspended, and what to do about it."""

    def __str__(self) -> str:
        number = "1 thing" if len(self.leaks) == 1 else f"{len(self.leaks)} things"
        lines = [f"This test left {number} behind:"]
        for what, place, way_out in self.leaks[:_LEAKS]:
            lines += [f"  {what}", f"    {place}", f"    {way_out}"]
        if len(self.leaks) > _LEAKS:
            lines.append(f"  and {len(self.leaks) - _LEAKS} more")
        lines.append(
            "A test ends what it starts, and a fixture, in its teardown, what was started for a test.\n"
            'To allow this one: @pytest.mark.streamval_allow_leaks(reason="..."); a whole run: --streamval-leaks=off.'
        )
        return "\n".join(lines)


class UnplayedScriptError(StreamvalError, AssertionError):
    """A test passed without playing all the scripts that it gave to a mock backend."""

    def __init__(self, given: int, calls: int, unplayed: Sequence[str]) -> None:
        super().__init__(given, calls, tuple(unplayed))
        self.given = given
        """How many scripts the backend had."""
        self.calls = calls
        """How often it was called."""
        self.unplayed = tuple(unplayed)
        """The texts of the others."""

    def __str__(self) -> str:
        scripts = "1 script" if self.given == 1 else f"{self.given} scripts"
        calls = {0: "never called", 1: "called once"}.get(self.calls, f"called {self.calls} times")
        lines = [
            f"A mock backend was given {scripts}, one for each call, and was {calls}. Never played:",
            *(f"  script {number}: {text}" for number, text in enumerate(self.unplayed, self.calls + 1)),
            "Either what was to be tested did not happen, or the test needs fewer scripts.",
            "Where both is as it should be: @pytest.mark.streamval_allow_unplayed.",
        ]
        return "\n".join(lines)


class UnreadPlaybackError(StreamvalError, AssertionError):
    """A test passed without reading a playback that it had made."""

    def __init__(self, script: str) -> None:
        super().__init__(script)
        self.script = script
        """The text that was to be played."""

    def __str__(self) -> str:
        return (
            f"A playback of {self.script} was made and never read: the code that was to read this stream has not seen "
            "it.\nWhere that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class SwallowedCallError(StreamvalError, AssertionError):
    """A test passed, and the code under test had kept to itself that a mock backend had no script left."""

    def __init__(self, refusal: str, where: str) -> None:
        super().__init__(refusal, where)
        self.refusal = refusal
        """What the mock backend said."""
        self.where = where
        """Where that was last seen."""

    def __str__(self) -> str:
        return (
            f"A mock backend was called too often, and the error did not reach the test: it ended {self.where}.\n"
            f"{self.refusal}\n"
            "A test that expects this catches it with pytest.raises(ScriptExhaustedError).\n"
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed."
        )


class UnreadEventsError(StreamvalError, AssertionError):
    """A test passed with a transcript of nothing, while nobody had looked at the events that there were."""

    def __init__(self, runs: Sequence[tuple[str, int]]) -> None:
        super().__init__(tuple(runs))
        self.runs = tuple(runs)
        """What was asked in each run, and how many events it had."""

    def __str__(self) -> str:
        lines = [
            "A transcript without events was made, and nobody has read the events of",
            *(f"  the run {asked}: {count} event{'' if count == 1 else 's'}" for asked, count in self.runs),
            "events() gives nothing to a list by itself: make the transcript with `await transcribe(result)`.",
            "Where that is as it should be: @pytest.mark.streamval_allow_unplayed.",
        ]
        return "\n".join(lines)


# Wire protocols


class WireError(StreamvalError):
    """A provider's stream is not what its protocol promises."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], *facts: object) -> None:
        super().__init__(protocol, text, tuple(deltas), *facts)
        self.protocol = protocol
        self.text = text
        """All text decoded before the fault."""
        self.deltas = tuple(deltas)
        """Deltas decoded by the call that raised, which it could not return."""


class MalformedFrameError(WireError, ValueError):
    """A frame cannot be decoded."""

    def __init__(  # noqa: PLR0917  # what an error is made of are its positional arguments, for pickle
        self, protocol: str, text: str, deltas: Sequence[Delta], frame: str, offset: int, fault: str
    ) -> None:
        super().__init__(protocol, text, deltas, frame, offset, fault)
        self.frame = frame
        self.offset = offset
        """Where the frame begins, in bytes from the start of the body."""
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"The {self.protocol} stream has a malformed frame at byte {self.offset}: {self.fault}. The frame: "
            f"{excerpt(self.frame, 200)}. The {len(self.text)} characters before it are kept in .text."
        )


class StreamTruncatedError(WireError, EOFError):
    """A stream ended before the frame that ends it."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], expected: str, left: bytes = b"") -> None:
        super().__init__(protocol, text, deltas, expected, left)
        self.expected = expected
        self.left = left
        """Bytes of the frame that the end cut off, which were not decoded."""

    def __str__(self) -> str:
        inside = f", inside the frame {excerpt(self.left)}" if self.left else ""
        return (
            f"The {self.protocol} stream ended without {self.expected}{inside}: the connection was cut or the provider "
            f"gave up. The {len(self.text)} characters that arrived are kept in .text."
        )


class ProviderStreamError(WireError):
    """The provider reported an error in the middle of its stream."""

    def __init__(self, protocol: str, text: str, deltas: Sequence[Delta], kind: str, message: str) -> None:
        super().__init__(protocol, text, deltas, kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return (
            f"The {self.protocol} provider stopped its stream with {self.kind}: {self.message}. The {len(self.text)} "
            "characters before it are kept in .text."
        )


class MalformedResponseError(WireError, ValueError):
    """An answer that was not streamed cannot be decoded."""

    def __init__(self, protocol: str, body: str, fault: str) -> None:
        super().__init__(protocol, "", ())
        self.args = (protocol, body, fault)
        self.body = body
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"The {self.protocol} answer is malformed: {self.fault}. The answer: {excerpt(self.body, 200)}. It has to "
            "be the JSON object that this protocol answers with: ask the provider whose protocol it is."
        )


class ProviderResponseError(WireError):
    """The provider answered with an error in the place of an output."""

    def __init__(self, protocol: str, kind: str, message: str) -> None:
        super().__init__(protocol, "", ())
        self.args = (protocol, kind, message)
        self.kind = kind
        self.message = message

    def __str__(self) -> str:
        return (
            f"The {self.protocol} provider answered with {self.kind}: {self.message}. No output came with it; what the "
            "provider says is in .kind and .message."
        )


class UnencodableDeltaError(StreamvalError, ValueError):
    """A protocol has no way to say what it was to say."""

    def __init__(self, protocol: str, shown: str, rule: str) -> None:
        super().__init__(protocol, shown, rule)
        self.protocol = protocol
        self.shown = shown
        self.rule = rule

    def __str__(self) -> str:
        return f"The {self.protocol} protocol cannot carry {self.shown}: {self.rule}"


class DecoderClosedError(StreamvalError, RuntimeError):
    """A decoder was fed after its end, or after an error."""

    def __init__(self, protocol: str, state: str) -> None:
        super().__init__(protocol, state)
        self.protocol = protocol
        self.state = state

    def __str__(self) -> str:
        return (
            f"This {self.protocol} decoder {self.state} and takes no more bytes. A decoder reads one stream; make a "
            "new one for each response."
        )


# Live providers


class MissingExtraError(StreamvalError, ImportError):
    """Something needs a library that comes with an extra of this distribution."""

    def __init__(self, what: str, library: str, extra: str) -> None:
        super().__init__(what, library, extra)
        self.what = what
        self.library = library
        self.extra = extra

    def __str__(self) -> str:
        return (
            f"{self.what} need {self.library}, which is not installed. Install it with: "
            f'pip install "pytest-streamval[{self.extra}]"'
        )


class UnknownProviderError(StreamvalError, ValueError):
    """A spec names no provider that is known, or no model."""

    def __init__(self, spec: str, providers: Sequence[str]) -> None:
        super().__init__(spec, tuple(providers))
        self.spec = spec
        self.providers = tuple(providers)

    def __str__(self) -> str:
        return (
            f"Unknown backend {self.spec!r}. A spec is PROVIDER:MODEL, such as 'ollama:granite4:micro', with one of "
            f"these providers: {', '.join(self.providers)}. Any server that speaks OpenAI's chat completions is "
            "'openai:MODEL' with an address."
        )


class MissingKeyError(StreamvalError, LookupError):
    """A provider wants a key, and the environment has none."""

    def __init__(self, provider: str, variables: Sequence[str]) -> None:
        super().__init__(provider, tuple(variables))
        self.provider = provider
        self.variables = tuple(variables)

    def __str__(self) -> str:
        return (
            f"{self.provider} wants a key, and {' or '.join(self.variables)} is not set. Set it in the environment; it "
            "is read for each request and kept nowhere. A server of your own, given by its address, needs none."
        )


class ProviderUnreachableError(StreamvalError, ConnectionError):
    """There is no connection to a provider, or it broke."""

    def __init__(self, provider: str, url: str, fault: str) -> None:
        super().__init__()
        self.args = (provider, url, fault)  # which OSError takes for an errno and file names
        self.provider = provider
        self.url = url
        self.fault = fault

    def __str__(self) -> str:
        return (
            f"{self.provider} cannot be reached at {self.url}: {self.fault}. Check that it runs, and that the address "
            "is the right one."
        )


class ProviderTimeoutError(StreamvalError, TimeoutError):
    """A provider kept silent for too long."""

    def __init__(self, provider: str, url: str, awaited: str, seconds: float | None) -> None:
        super().__init__()
        self.args = (provider, url, awaited, seconds)  # which OSError takes for an errno and file names
        self.provider = provider
        self.url = url
        self.awaited = awaited
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"{self.provider} at {self.url} kept silent: {self.awaited} did not come within {self.seconds:g} s. Raise "
            "the limit in Timeouts(...), or ask a smaller model."
        )


class ProviderStatusError(StreamvalError, RuntimeError):
    """A provider refused a request."""

    def __init__(self, provider: str, url: str, status: int, body: str, retry_after: float | None) -> None:
        super().__init__(provider, url, status, body, retry_after)
        self.provider = provider
        self.url = url
        self.status = status
        self.body = body
        """What it said, secrets redacted."""
        self.retry_after = retry_after
        """Seconds after which it may be asked again, where it said so."""

    def __str__(self) -> str:
        advice = _STATUS_ADVICE.get(self.status, "Its own words say what is wrong with the request.")
        return f"{self.provider} at {self.url} answered {self.status}: {excerpt(self.body, 300)[1:-1]}. {advice}"


_STATUS_ADVICE = {
    401: "Check the key in the provider's environment variable.",
    403: "The key may not be allowed to use this model.",
    404: "Check the address, and that the model exists there.",
    429: "Wait, or send fewer requests at a time.",
}


class BackendUnavailableError(StreamvalError, ConnectionError):
    """The backend of a live test is not there, or lacks the model."""

    def __init__(self, spec: str, url: str, fault: str, remedy: str) -> None:
        super().__init__()
        self.args = (spec, url, fault, remedy)  # which OSError takes for an errno and file names
        self.spec = spec
        self.url = url
        self.fault = fault
        self.remedy = remedy

    def __str__(self) -> str:
        return (
            f"The live backend {self.spec} is not available at {self.url}. Tried: {self.fault.rstrip('.')}. What may "
            f"help: {self.remedy} - or another backend, by --streamval-backend PROVIDER:MODEL and --streamval-url URL."
        )


class LiveTimeLimitError(StreamvalError, TimeoutError):
    """A live test took too long."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds

    def __str__(self) -> str:
        return (
            f"This live test did not end within {self.seconds:g} s. The limit is the ini value streamval_live_timeout; "
            "0 is no limit."
        )


class ExampleFailedError(StreamvalError, AssertionError):
    """An example script failed."""

    def __init__(self, path: str, fault: str, output: str) -> None:
        super().__init__(path, fault, output)
        self.path = path
        self.fault = fault
        self.output = output

    def __str__(self) -> str:
        return f"{self.path} {self.fault}.\n{self.output.rstrip()}".rstrip()
