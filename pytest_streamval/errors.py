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


def excerpt(value: object, limit: int = _EXCERPT) -> str:
    """The `repr` of a value, cut in the middle where it is longer than `limit` characters."""
    shown = repr(value)
    if len(shown) <= limit:
        return shown
    half = limit // 2
    return f"{shown[:half]} ... {shown[-half:]}"


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
        happened = "\n".join(f"  {line}" for line in self.transcript.splitlines())
        return (
            f"{self.shown} {self.why}. A consumer may get a chunk once every requirement has judged it and none "
            f"failed it; read the chunks from result.astream(). What happened:\n{happened}"
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

    def __init__(self, expected: Sequence[str], missing: int, lines: Sequence[str], found: Sequence[int]) -> None:
        super().__init__(tuple(expected), missing, tuple(lines), tuple(found))
        self.expected = tuple(expected)
        self.missing = missing
        """Which of the expected events is missing, from 0."""
        self.lines = tuple(lines)
        """The transcript's lines."""
        self.found = tuple(found)
        """Which of the lines were expected and found, from 0."""

    def __str__(self) -> str:
        after = f" after {', '.join(self.expected[: self.missing])}" if self.missing else ""
        happened = [f"{'>' if number in self.found else ' '} {line}" for number, line in enumerate(self.lines)] or [
            "  nothing at all"
        ]
        return "\n".join(
            [f"{self.expected[self.missing]} did not happen{after}. What happened, > marks what was found:", *happened]
        )


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


class VirtualDeadlockError(StreamvalError, RuntimeError):
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
                f"Nothing can wake this program any more: at {self.elapsed:.12g} s of virtual time no timer is due, and no "
                "thread, subprocess or connection is under way. What waits:"
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
