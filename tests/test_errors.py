"""Every exception: what it says, and that it survives the way from another process."""

import copy
import inspect
import pickle

import pytest

from pytest_streamval import errors
from pytest_streamval.errors import (
    AnswerFailedError,
    BackendUnavailableError,
    BlockingCallError,
    BoundaryVarianceError,
    CassetteEndedError,
    ChunkingContractError,
    ClientStayedError,
    ClosedSessionError,
    ConcurrentReadError,
    ConformanceError,
    DecoderClosedError,
    DetachedThunkError,
    DifferentLoopsError,
    EventLoopRequiredError,
    EventLoopRunningError,
    EventOrderError,
    ExampleFailedError,
    GenerationCancelledError,
    HiddenRequestError,
    InvalidArgumentError,
    InvalidCassetteError,
    InvalidDeltaError,
    InvalidLimitError,
    InvalidPartError,
    InvalidScriptError,
    InvalidVerdictError,
    LeakError,
    LiveTimeLimitError,
    MalformedFrameError,
    MalformedResponseError,
    MemberTimeoutError,
    MissingCassetteError,
    MissingExtraError,
    MissingKeyError,
    MissingPluginError,
    NoAcceptedAttemptError,
    NotAcceptedError,
    NotRequestedError,
    NotStoppedError,
    NotStreamingError,
    PlaybackBusyError,
    ProviderResponseError,
    ProviderStatusError,
    ProviderStreamError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    ReaderTakenError,
    ReportPathError,
    ScriptExhaustedError,
    ServerStateError,
    StallTimeoutError,
    StreamTruncatedError,
    StreamvalError,
    SwallowedCallError,
    SyncStallError,
    TelemetryConflictError,
    ThunkClosedError,
    UnaskedScriptError,
    UnencodableDeltaError,
    UnexpectedSpansError,
    UnfinishedRunError,
    UnknownChunkingError,
    UnknownLanguageError,
    UnknownProviderError,
    UnmatchedRequestError,
    UnplayedScriptError,
    UnreadEventsError,
    UnreadPlaybackError,
    UnrepeatableResultError,
    UnscriptedRequestError,
    UnsupportedLoopError,
    UnusedCassetteError,
    UnvalidatedTextError,
    ValidatorTimeoutError,
    VirtualClockUseError,
    VirtualDeadlockError,
    WireError,
    excerpt,
)
from pytest_streamval.model import Delta, ToolCallDelta, Usage

DELTAS = [Delta("Hi", tool_calls=(ToolCallDelta(0, "id"),), usage=Usage(1, 2))]

# The error, the built-in class it also is, and of its message: the value, the rule, the way out.
CASES = [
    (ThunkClosedError("cancelled"), RuntimeError, "is cancelled", "takes no more deltas", "A producer stops at"),
    (ConcurrentReadError("This output"), RuntimeError, "This output", "has one reader", "Let one task read"),
    (ClosedSessionError("chat"), RuntimeError, "chat()", "needs an open session", "start another one"),
    (BlockingCallError("chat"), RuntimeError, "chat() was called", "wait for ever", "awaits achat() instead"),
    (DifferentLoopsError("thunks[1]"), RuntimeError, "thunks[1]", "only in its own", "Await it there first"),
    (
        NoAcceptedAttemptError("Hi.", ["kind: rude", "short: long"], 2),
        RuntimeError,
        "The last one, 'Hi.', failed:\n  - kind: rude\n  - short: long\n",
        "within max_attempts=2",
        "Raise max_attempts, or ease the requirement",
    ),
    (ReaderTakenError("events()", "Use history."), RuntimeError, "events() has a reader", "one only", "Use history."),
    (DetachedThunkError(), RuntimeError, "a copy of an output", "no producer feeds a copy", "Read the original"),
    (
        UnvalidatedTextError("'BAD'", "was released although it had failed", "check FAILED: fail\n"),
        AssertionError,
        "'BAD' was released although it had failed",
        "once every requirement has judged it",
        "read the chunks from result.astream()",
    ),
    (
        NotAcceptedError("stopped", ["strict failed a chunk: no"], "One."),
        AssertionError,
        "ended as 'stopped'",
        "strict failed a chunk",
        "Released: 'One.'",
    ),
    (NotAcceptedError("left", [], ""), AssertionError, "ended as 'left'", "closed, cancelled or dropped", "Released"),
    (NotAcceptedError("running", [], ""), AssertionError, "still going", "nothing has accepted", "run.acomplete()"),
    (NotStoppedError("", 31, 20), AssertionError, "sent 31 deltas more", "at most 20", "It has to stop where"),
    (
        NotStoppedError("the run is still going: await result.acomplete() first", 0, 20),
        AssertionError,
        "was to be stopped",
        "still going",
        "await result.acomplete() first",
    ),
    (
        EventOrderError(["ChunkEvent", "'error'"], 1, ['chunk "One."', "completed successfully"], [0]),
        AssertionError,
        "'error' did not happen after ChunkEvent",
        "> marks what was found",
        '\n> chunk "One."\n  completed successfully',
    ),
    (EventOrderError(["'error'"], 0, [], []), AssertionError, "'error' did not happen. ", "What happened", "nothing"),
    (
        TelemetryConflictError("mine.Provider", "add_span_processor"),
        RuntimeError,
        "mine.Provider, which has no add_span_processor()",
        "set its provider once",
        "set none in the tests",
    ),
    (
        UnexpectedSpansError("mine", ["other", "mine", "mine"], []),
        AssertionError,
        "2 spans with the name 'mine'",
        "the only one. Ended: other, mine; still open: none",
        "choose from spans",
    ),
    (
        MissingPluginError("event_snapshot", "syrupy", "'syrupy>=7'"),
        RuntimeError,
        "event_snapshot needs the pytest plugin syrupy",
        "not active",
        "pip install 'syrupy>=7'",
    ),
    (
        InvalidPartError("part.json", "it is not JSON"),
        ValueError,
        "Invalid part of a report: part.json: it is not JSON",
        "written by pytest --streamval-report",
        "whose name ends in .json",
    ),
    (
        ReportPathError("nowhere/report.html", "Permission denied"),
        ValueError,
        "--streamval-report nowhere/report.html cannot be written: Permission denied",
        "Name a file in a writable folder",
        "report.html for a page",
    ),
    (UnfinishedRunError(), RuntimeError, "still going", "of a whole run", "Await result.acomplete() first"),
    (
        InvalidScriptError("s.jsonl", 2, 5, 'unknown key "txt"'),
        ValueError,
        's.jsonl:2:5: unknown key "txt"',
        "one step a line",
        '{"stall": true}',
    ),
    (
        SyncStallError(3),
        RuntimeError,
        "steps[3]",
        "nobody can cancel a synchronous one",
        "Raise(TimeoutError())",
    ),
    (
        StallTimeoutError("steps[3] of the script 'Hi', a Stall,", 60.0),
        RuntimeError,
        "steps[3] of the script 'Hi'",
        "silent for 60 s of real time",
        "raise the ini value streamval_stall_timeout",
    ),
    (
        PlaybackBusyError("play()"),
        RuntimeError,
        "play() cannot be closed",
        "as a generator cannot",
        "Cancel the task",
    ),
    (
        ConformanceError("Strategy", "a chunk is never taken back", "'One.|· Two'", "['One.']", "[]", "Withhold it."),
        AssertionError,
        "Strategy",
        "a chunk is never taken back",
        "Withhold it.",
    ),
    (
        BoundaryVarianceError("cut", "'One.|· Two'", ["One.", " Two"], ["  a  b"], "Script.of('One.', ' Two')"),
        AssertionError,
        "cut gives another result",
        "may depend on the text alone",
        "To see it again:\n  Script.of('One.', ' Two')",
    ),
    (
        UnrepeatableResultError("cut", "'One.'", ["  a  b"]),
        AssertionError,
        "cut gave two results",
        "one result for the same pieces",
        "make what it feeds anew",
    ),
    (
        EventLoopRunningError("assert_boundary_invariant", "cut"),
        RuntimeError,
        "runs cut in an event loop",
        "cannot while another one is running",
        "asyncio.to_thread(assert_boundary_invariant, ...)",
    ),
    (
        VirtualDeadlockError(1.5, [("Task-1", "test_it.py:3 in test_it")], ["worker"]),
        Exception,
        "at 1.5 s of virtual time",
        "Task-1 at test_it.py:3 in test_it",
        "limit the waiting: by asyncio.timeout()",
    ),
    (UnsupportedLoopError(""), RuntimeError, "not run by it", "drives asyncio", "trio.testing.MockClock"),
    (UnsupportedLoopError("uvloop.Loop"), RuntimeError, "uvloop", "kept in C", "loop_factory="),
    (UnsupportedLoopError("a.Loop"), RuntimeError, "a.Loop", "no selector", "asyncio.SelectorEventLoop"),
    (VirtualClockUseError("It was run.", "Do not."), RuntimeError, "It was run.", "It was run. Do not.", "Do not."),
    (
        LeakError([("the task Task-2", "app.py:3 in watch", "Await it.")]),
        AssertionError,
        "left 1 thing behind",
        "A test ends what it starts",
        "streamval_allow_leaks",
    ),
    (
        UnplayedScriptError(2, 1, ["'Four.'"]),
        AssertionError,
        "script 2: 'Four.'",
        "2 scripts, one for each call, and was called once",
        "needs fewer scripts",
    ),
    (UnreadPlaybackError("'Four.'"), AssertionError, "'Four.'", "never read", "streamval_allow_unplayed"),
    (
        SwallowedCallError("Call 2 of this mock backend ...", "in app.py:3"),
        AssertionError,
        "it ended in app.py:3",
        "called too often",
        "pytest.raises(ScriptExhaustedError)",
    ),
    (
        UnscriptedRequestError("POST /a 'Hi'", [("'One.'", "POST /a 'Ho'")], "POST /a 'Ho'", [("body", "Hi", "Ho")]),
        AssertionError,
        "no script:\n  POST /a 'Hi'",
        "script 1: 'One.', played for POST /a 'Ho'",
        "Give one more script, or a rule",
    ),
    (UnscriptedRequestError("POST /a", [], "", []), AssertionError, "POST /a", "Nothing was", "Give one more"),
    (
        UnscriptedRequestError("POST /a", [("'One.'", "")], "POST /b", []),
        AssertionError,
        "script 1: 'One.', not played",
        "It repeats POST /b",
        "Give one more script",
    ),
    (
        UnaskedScriptError(2, [(2, "'Two.'")]),
        AssertionError,
        "script 2: 'Two.'",
        "2 scripts, one for each request",
        "see server.requests",
    ),
    (UnaskedScriptError(1, [(1, "'One.'")]), AssertionError, "1 script,", "one for each", "its client was sent"),
    (
        AnswerFailedError("POST /a", "KeyError: 'x'"),
        AssertionError,
        "could not answer POST /a: KeyError: 'x'",
        "Its client got an error",
        "Mend the rule or the script",
    ),
    (
        NotRequestedError("model='m'", 0, [("POST /a", "its model is 'n'")]),
        AssertionError,
        "to be asked model='m'",
        "Requests that fit: 0.",
        "requests[0]: POST /a, but its model is 'n'",
    ),
    (
        NotRequestedError("anything", 0, []),
        AssertionError,
        "asked anything",
        "nothing at all",
        "is its address in use?",
    ),
    (
        ClientStayedError(0.5, ["<ServedRequest>"]),
        AssertionError,
        "within 0.5 s",
        "<ServedRequest>",
        "leave its stream's context",
    ),
    (ClientStayedError(0.5, []), AssertionError, "within 0.5 s", "no request at all", "close the client"),
    (ServerStateError("is not open"), RuntimeError, "is not open", "It is open within", "with ProviderServer("),
    (
        UnreadEventsError([("CBlock 'go'", 3)]),
        AssertionError,
        "the run CBlock 'go': 3 events",
        "gives nothing to a list by itself",
        "await transcribe(result)",
    ),
    (
        MalformedResponseError("openai", "[]", "it is a list"),
        ValueError,
        "The openai answer is malformed: it is a list",
        "has to be the JSON object",
        "ask the provider whose protocol it is",
    ),
    (
        ProviderResponseError("openai", "overloaded", "too much"),
        Exception,
        "overloaded: too much",
        "No output came with it",
        "in .kind and .message",
    ),
    (UnencodableDeltaError("ollama", "'x'", "no."), ValueError, "The ollama protocol", "cannot carry 'x'", "no."),
    (MissingExtraError("Live providers", "httpx2", "live"), ImportError, "httpx2", "not installed", "[live]"),
    (UnknownProviderError("gpt", ["ollama"]), ValueError, "'gpt'", "PROVIDER:MODEL", "'openai:MODEL' with an address"),
    (MissingKeyError("xai", ["XAI_API_KEY"]), LookupError, "xai wants a key", "is not set", "Set it in the env"),
    (
        ProviderUnreachableError("xai", "http://x", "ConnectError"),
        ConnectionError,
        "xai cannot be reached at http://x",
        "ConnectError",
        "Check that it runs",
    ),
    (
        ProviderTimeoutError("xai", "http://x", "the first byte", 0.5),
        TimeoutError,
        "xai at http://x kept silent",
        "the first byte did not come within 0.5 s",
        "Raise the limit",
    ),
    (ProviderStatusError("xai", "http://x", 429, "slow", 1.0), RuntimeError, "answered 429", "slow", "Wait, or send"),
    (ProviderStatusError("xai", "http://x", 418, "pot", None), RuntimeError, "418: pot", "own words", "request"),
    (
        BackendUnavailableError("ollama:m", "http://x", "GET http://x: refused.", "ollama serve"),
        ConnectionError,
        "ollama:m is not available at http://x",
        "Tried: GET http://x: refused. What",
        "ollama serve - or another backend",
    ),
    (LiveTimeLimitError(120.0), TimeoutError, "within 120 s", "streamval_live_timeout", "0 is no limit"),
    (MemberTimeoutError("bad", 5.0), TimeoutError, "bad sent nothing for 5 s", "Council(timeout=...)", "Raise it"),
    (ExampleFailedError("a.py", "ended with 1", "Oops\n"), AssertionError, "a.py", "ended with 1.", "Oops"),
    (
        MissingCassetteError("a.jsonl", "pytest --streamval-record once"),
        LookupError,
        "no recording at a.jsonl",
        "lets nothing out to a provider",
        "Record it with: pytest --streamval-record once",
    ),
    (
        UnmatchedRequestError("openai POST /", [("a.jsonl", "Hi")], "a.jsonl", [("body", "Ho", "Hi")], "Record it."),
        LookupError,
        "openai POST /",
        "    is now    Ho\n    but was   Hi",
        "Record it.",
    ),
    (UnmatchedRequestError("asked", [], "", [], "Record it."), LookupError, "asked", "Nothing is", "Record it."),
    (
        UnmatchedRequestError("asked", [("a.jsonl", "Hi")], "a.jsonl", [], "Record it."),
        LookupError,
        "asked",
        "once too often",
        "Record it.",
    ),
    (
        HiddenRequestError("No recording ..."),
        AssertionError,
        "No recording ...",
        "did not reach the test",
        "pytest.raises(UnmatchedRequestError)",
    ),
    (
        UnusedCassetteError([("a.jsonl", "Hi")], "pytest ..."),
        AssertionError,
        "a.jsonl: Hi",
        "requests that it did not make",
        "To record what is asked now: pytest ...",
    ),
    (
        CassetteEndedError("a.jsonl", 1.5, "cancelled"),
        EOFError,
        "a.jsonl ends here, because its reader left 1.5 s after the request (cancelled)",
        "as far as the recording",
        "record the whole stream",
    ),
    (EventLoopRequiredError("run"), RuntimeError, "run needs", "asyncio event loop", "asyncio.run()"),
    (GenerationCancelledError(), RuntimeError, "cancelled before its end", "not by this run", "call aclose()"),
    (InvalidDeltaError("b'x'", "bytes"), TypeError, "b'x' of type bytes", "a str or a Delta", "Decode bytes"),
    (
        UnknownChunkingError("sentances", ["sentence", "word"]),
        ValueError,
        "Unknown chunking alias 'sentances'. ",
        "Choose from: 'sentence', 'word'",
        "pass a ChunkingStrategy of your own",
    ),
    (
        UnknownLanguageError("xx", ["de", "en"]),
        ValueError,
        "no language 'xx'",
        "Choose from: 'de', 'en'",
        "the rules of 'en'",
    ),
    (InvalidArgumentError("chunking", "42", "it takes an alias."), TypeError, "chunking=42", "does not fit", "alias."),
    (InvalidLimitError("max_chars", 0), ValueError, "max_chars=0", "leaves no room", "1 or more"),
    (NotStreamingError("Mine"), RuntimeError, "Mine returned", "ModelOption.STREAM", "return the thunk at once"),
    (
        ChunkingContractError("Mine.split()", "returned ['']", "It returns a list."),
        ValueError,
        "Mine.split()",
        "returned ['']. ",
        "It returns a list.",
    ),
    (
        InvalidVerdictError("Mine.validate()", "None", "It returns a bool."),
        TypeError,
        "Mine.validate()",
        "returned None. ",
        "It returns a bool.",
    ),
    (
        ValidatorTimeoutError(["Slow", "Slower"], 0.5),
        TimeoutError,
        "from: Slow, Slower.",
        "validator_timeout=0.5 s",
        "Raise the limit",
    ),
    (
        ScriptExhaustedError(2, 1, "stream_with_chunking", ["'Greet me.'"]),
        RuntimeError,
        "Call 2 of this mock backend came from stream_with_chunking",
        "1 script, one for each call, in order.\n  call 1: 'Greet me.'\n",
        "Give it one script more.",
    ),
    (
        ScriptExhaustedError(1, 0, "a judge", []),
        RuntimeError,
        "Call 1 of this mock backend came from a judge",
        "it was given 0 scripts, one",
        "without a validation_fn",
    ),
    (
        InvalidCassetteError("water.jsonl", 3, "no JSON"),
        ValueError,
        "water.jsonl:3: no JSON.",
        "A cassette is JSONL",
        '{"at": seconds, "text": ...}',
    ),
    (
        MalformedFrameError("openai", "Hello", DELTAS, "data: {", 17, "no JSON"),
        ValueError,
        "malformed frame at byte 17: no JSON",
        "The frame: 'data: {'",
        "The 5 characters before it are kept in .text",
    ),
    (
        StreamTruncatedError("openai", "Hello", DELTAS, "[DONE]"),
        EOFError,
        "The openai stream ended without [DONE]:",
        "the connection was cut",
        "The 5 characters that arrived are kept in .text",
    ),
    (
        StreamTruncatedError("anthropic", "", (), "message_stop", b"data: {\xf0"),
        EOFError,
        "message_stop, inside the frame b'data: {\\xf0'",
        "the provider gave up",
        "kept in .text",
    ),
    (
        ProviderStreamError("anthropic", "Hello", DELTAS, "overloaded_error", "try later"),
        WireError,
        "stopped its stream with overloaded_error: try later",
        "The anthropic provider",
        "kept in .text",
    ),
    (
        DecoderClosedError("openai", "has ended"),
        RuntimeError,
        "This openai decoder has ended",
        "takes no more bytes",
        "make a new one",
    ),
]  # fmt: skip
ERRORS = [case[0] for case in CASES]
IDS = [f"{type(error).__name__}-{number}" for number, error in enumerate(ERRORS)]
every_error = pytest.mark.parametrize("error", ERRORS, ids=IDS)


def pickled(protocol):
    return lambda error: pickle.loads(pickle.dumps(error, protocol))  # noqa: S301  # its own


def test_every_class_of_the_module_is_in_the_table():
    defined = {each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, StreamvalError)}
    assert {type(error) for error in ERRORS} == defined - {StreamvalError, WireError}


@pytest.mark.parametrize(("error", "kind", "value", "rule", "way_out"), CASES, ids=IDS)
def test_an_error_says_what_was_wrong_the_rule_and_the_way_out(error, kind, value, rule, way_out):
    assert isinstance(error, StreamvalError)
    assert isinstance(error, kind)
    for part in (value, rule, way_out):
        assert part in str(error)


@every_error
@pytest.mark.parametrize(
    "carried",
    [copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))],
    ids=["copy", "deepcopy", *(f"pickle {number}" for number in range(pickle.HIGHEST_PROTOCOL + 1))],
)
def test_an_error_survives_its_way_with_text_and_facts(error, carried):
    error.add_note("seen on the way")
    twin = carried(error)
    assert type(twin) is type(error)
    assert str(twin) == str(error)
    assert twin.args == error.args
    assert vars(twin) == vars(error)


@every_error
def test_the_facts_of_an_error_are_its_attributes(error):
    names = [
        name for name in inspect.signature(type(error).__init__).parameters if name not in {"self", "args", "kwargs"}
    ]
    assert tuple(getattr(error, name) for name in names) == error.args


def test_an_error_of_a_wire_keeps_the_text_and_the_deltas_that_came_before():
    error = MalformedFrameError("openai", "Hello \ud83c", DELTAS, "x" * 10_000, 5, "no JSON")
    assert error.text == "Hello \ud83c"
    assert error.deltas == tuple(DELTAS)
    assert error.frame == "x" * 10_000
    assert len(str(error)) < 500


def test_a_number_of_seconds_is_shown_as_it_was_written():
    assert "validator_timeout=2 s" in str(ValidatorTimeoutError(["Slow"], 2.0))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("short", "'short'"),
        (b"\xf0", "b'\\xf0'"),
        ("\ud83c", "'\\ud83c'"),
        ("a" * 78, repr("a" * 78)),
        ("a" * 79, "'" + "a" * 39 + " ... " + "a" * 39 + "'"),
        (["x" * 1000], "['" + "x" * 38 + " ... " + "x" * 38 + "']"),
    ],
    ids=["str", "bytes", "surrogate", "as long as may be", "one longer", "much longer"],
)
def test_an_excerpt_is_the_repr_cut_in_the_middle_where_it_is_long(value, shown):
    assert excerpt(value) == shown


def test_an_excerpt_may_be_of_another_length():
    assert excerpt("abcdefghij", 4) == "'a ... j'"


# The wording that messages share


@pytest.mark.parametrize(("count", "shown"), [(0, "0 reads"), (1, "1 read"), (2, "2 reads"), (2_000, "2,000 reads")])
def test_a_count_has_its_noun_in_the_right_number(count, shown):
    assert errors.plural(count, "read") == shown


@pytest.mark.parametrize(
    ("names", "most", "shown"),
    [
        ("", None, "none"),
        ("abc", None, "a, b, c"),
        ("abc", 3, "a, b, c"),
        ("abcde", 2, "a, b and 3 more"),
    ],
)
def test_names_are_listed_and_the_others_counted(names, most, shown):
    assert errors.listed(iter(names), most) == shown
