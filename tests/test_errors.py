"""Every exception: what it says, and that it survives the way from another process."""

import copy
import inspect
import pickle

import pytest

from pytest_streamval import errors
from pytest_streamval.errors import (
    BoundaryVarianceError,
    BrokenResponseError,
    CassetteEndedError,
    ChunkingContractError,
    ConcurrentReadError,
    ConformanceError,
    FrameTooLongError,
    FrozenClockError,
    GenerationCancelledError,
    InvalidArgumentError,
    InvalidVerdictError,
    LifespanError,
    LiveTimeLimitError,
    MalformedFrameError,
    MalformedResponseError,
    MemberTimeoutError,
    MissingCassetteError,
    MissingKeyError,
    NoAcceptedAttemptError,
    NotJsonError,
    NotStreamingError,
    ProviderResponseError,
    ProviderStatusError,
    ProviderStreamError,
    ProviderTimeoutError,
    ProviderUnreachableError,
    ScriptExhaustedError,
    StallTimeoutError,
    StreamTruncatedError,
    StreamvalError,
    SyncStallError,
    TelemetryConflictError,
    ThunkClosedError,
    UndecodableBodyError,
    UnencodableDeltaError,
    UnmatchedRequestError,
    ValidatorTimeoutError,
    VirtualClockUseError,
    VirtualDeadlockError,
    WebSocketClosedError,
    WebSocketRejectedError,
    WireError,
    answer_failed_error,
    app_still_running_error,
    backend_unavailable_error,
    blocked_loop_error,
    blocking_call_error,
    client_stayed_error,
    closed_session_error,
    decoder_closed_error,
    detached_thunk_error,
    different_loops_error,
    event_loop_required_error,
    event_loop_running_error,
    event_order_error,
    example_failed_error,
    excerpt,
    hidden_request_error,
    invalid_capture_error,
    invalid_cassette_error,
    invalid_delta_error,
    invalid_limit_error,
    invalid_part_error,
    invalid_script_error,
    leak_error,
    missing_extra_error,
    missing_plugin_error,
    no_request_error,
    not_accepted_error,
    not_requested_error,
    not_stopped_error,
    not_streamed_error,
    playback_busy_error,
    reader_taken_error,
    report_path_error,
    secret_sent_error,
    server_state_error,
    swallowed_call_error,
    text_missing_error,
    unasked_script_error,
    unexpected_spans_error,
    unfinished_run_error,
    unknown_chunking_error,
    unknown_language_error,
    unknown_provider_error,
    unplayed_script_error,
    unread_events_error,
    unread_playback_error,
    unrepeatable_result_error,
    unscripted_request_error,
    unsupported_loop_error,
    unused_cassette_error,
    unvalidated_text_error,
)
from pytest_streamval.model import Delta, ToolCallDelta, Usage

DELTAS = [Delta("Hi", tool_calls=(ToolCallDelta(0, "id"),), usage=Usage(1, 2))]

# The error, the built-in class that it also is, and of its message: the value, the rule, the way out.
CASES = [
    (
        blocked_loop_error(),
        RuntimeError,
        "A synchronous client called a provider server that answers in the event loop of the test",
        "The client blocks this loop, so the server cannot answer.",
        "Use the asynchronous client",
    ),
    (
        secret_sent_error("swordfish", "the body", "the swordfish", "reads[1], 5 s after the request"),
        AssertionError,
        "'swordfish' left the application, in the body, with reads[1], 5 s after the request:\n  'the swordfish'",
        "Text may leave when every requirement has passed it.",
        "Stream the chunks of astream()",
    ),
    (
        not_streamed_error("GET /", "its first text left after 5 s", ["GZip", "Log"]),
        AssertionError,
        "GET / did not stream: its first text left after 5 s.",
        "Middleware that keeps a response back until its end: GZip, Log.",
        "Leave it out",
    ),
    (
        not_streamed_error("GET /", "its first text left after 5 s", []),
        AssertionError,
        "GET / did not stream: its first text left after 5 s.",
        "No middleware of the application keeps a response back. Either all deltas came",
        "the script needs a Delay between two of them",
    ),
    (
        BrokenResponseError("GET /chat", "the application raised KeyError: 'x'", "One."),
        ConnectionError,
        "The response to GET /chat broke off: the application raised KeyError: 'x'.",
        "A client gets 'One.' and then a connection that is closed too early.",
        "The error is in page.error",
    ),
    (
        NotJsonError("GET /chat", "text/event-stream", "data: 1\n\n", 1, "Expecting value: line 1 column 1 (char 0)"),
        ValueError,
        "The body of GET /chat is not JSON: Expecting value",
        "Its content type is 'text/event-stream'",
        "It has 1 server-sent event: use page.events",
    ),
    (
        NotJsonError("GET /chat", "", "One.", 0, "Expecting value"),
        ValueError,
        "The body of GET /chat is not JSON: Expecting value.",
        "It has no content type: 'One.'.",
        "Use page.text",
    ),
    (
        LifespanError("startup", "no database"),
        RuntimeError,
        "no database",
        "The startup of the application failed",
        "Mend its lifespan",
    ),
    (
        WebSocketClosedError("/ws", 4000, "enough"),
        ConnectionError,
        "The application closed the WebSocket /ws with the code 4000 and the reason 'enough'.",
        "takes and sends no more messages",
        "Expect it with pytest.raises(WebSocketClosedError)",
    ),
    (
        WebSocketRejectedError("/ws", 403, b"No."),
        ConnectionError,
        "The application rejected the WebSocket /ws with the status 403: b'No.'",
        "403 means that it closed the WebSocket, and 500",
        "Expect it with pytest.raises(WebSocketRejectedError)",
    ),
    (
        text_missing_error("GET /chat", "Two.", "One.", "ended"),
        AssertionError,
        "'Two.' never came: GET /chat ended.",
        "Its text:\n  'One.'",
        "Its text:\n  'One.'",
    ),
    (
        app_still_running_error(5, [("GET /chat", "at app.py:7 in chat")], were_left=True),
        AssertionError,
        "GET /chat, at app.py:7 in chat",
        "still worked on requests 5 s after its client was closed",
        "Await request.is_disconnected() between chunks",
    ),
    (
        app_still_running_error(5, [("GET /chat", "at app.py:7 in chat")], were_left=False),
        AssertionError,
        "GET /chat, at app.py:7 in chat",
        "still worked on requests 5 s after its client was closed",
        "End the context of a page",
    ),
    (
        ThunkClosedError("cancelled"),
        RuntimeError,
        "is cancelled",
        "takes no more deltas",
        "A producer that was started with thunk.start() is cancelled.",
    ),
    (ConcurrentReadError("This output"), RuntimeError, "This output", "has one reader", "Let one task read"),
    (
        closed_session_error("chat"),
        RuntimeError,
        "chat()",
        "needs an open session",
        "Stay inside its 'with' block, or start another session with ",
    ),
    (
        blocking_call_error("chat"),
        RuntimeError,
        "chat() was called",
        "wait for ever",
        "Code that a session calls, such as a requirement, must await",
    ),
    (different_loops_error("thunks[1]"), RuntimeError, "thunks[1]", "only in its own", "Await it there first"),
    (
        NoAcceptedAttemptError("Hi.", ["kind: rude", "short: long"], 2),
        RuntimeError,
        "The last one, 'Hi.', failed:\n  - kind: rude\n  - short: long\n",
        "within max_attempts=2",
        "The complete text is in .text.",
    ),
    (
        reader_taken_error("events()", "Use history."),
        RuntimeError,
        "events() has one reader, and is being read already.",
        "Use history.",
        "Use history.",
    ),
    (detached_thunk_error(), RuntimeError, "a copy of an output", "Copies get no deltas.", "Read the original"),
    (
        unvalidated_text_error("'BAD'", "was released although it had failed", "check FAILED: fail\n"),
        AssertionError,
        "'BAD' was released although it had failed",
        "when every requirement has judged it",
        "read the chunks from result.astream()",
    ),
    (
        not_accepted_error("stopped", ["strict failed a chunk: no"], "One."),
        AssertionError,
        "ended as 'stopped'",
        "strict failed a chunk",
        "Released: 'One.'",
    ),
    (not_accepted_error("left", [], ""), AssertionError, "ended as 'left'", "closed, cancelled or dropped", "Released"),
    (
        not_accepted_error("running", [], ""),
        AssertionError,
        "This run has not ended, so nothing has accepted its output y",
        "nothing has accepted",
        "run.acomplete()",
    ),
    (
        not_stopped_error("", 31, 20),
        AssertionError,
        "sent 31 deltas more",
        "at most 20",
        "It must stop when `await thunk.put(delta)` is cancelled or r",
    ),
    (
        not_stopped_error("the run is still going: await result.acomplete() first", 0, 20),
        AssertionError,
        "was to be stopped",
        "still going",
        "await result.acomplete() first",
    ),
    (
        event_order_error(["ChunkEvent", "'error'"], 1, ['chunk "One."', "completed successfully"], [0]),
        AssertionError,
        "'error' did not happen after ChunkEvent",
        "The events that happened, the expected ones marked >:",
        '\n> chunk "One."\n  completed successfully',
    ),
    (
        no_request_error(),
        AssertionError,
        "The function sent no request to the server",
        "so it can notice no fault",
        "base_url=server.openai_url",
    ),
    (
        event_order_error(["'error'"], 0, [], []),
        AssertionError,
        "'error' did not happen. ",
        "The events that happened, the expected ones marked >:",
        "no events",
    ),
    (
        TelemetryConflictError("mine.Provider", "add_span_processor"),
        RuntimeError,
        "mine.Provider, which has no add_span_processor()",
        "set its provider once",
        "Set none in the tests, or one of a recent opentelemetry-sdk.",
    ),
    (
        unexpected_spans_error("mine", ["other", "mine", "mine"], []),
        AssertionError,
        "2 spans with the name 'mine'",
        "Ended: other, mine. Still open: none.",
        "To choose from several, pass kind= to span(), or use spans.",
    ),
    (
        missing_plugin_error("event_snapshot", "syrupy", "'syrupy>=7'"),
        ImportError,
        "event_snapshot needs the pytest plugin syrupy",
        "not active",
        "pip install 'syrupy>=7'",
    ),
    (
        invalid_part_error("part.json", "it is not JSON"),
        ValueError,
        "part.json: it is not JSON",
        "written by pytest --streamval-report",
        "whose name ends in .json",
    ),
    (
        report_path_error("nowhere/report.html", "Permission denied"),
        ValueError,
        "--streamval-report nowhere/report.html: it cannot be written: Permission denied",
        "Name a file in a writable folder",
        "report.html for a page",
    ),
    (
        unfinished_run_error(),
        RuntimeError,
        "This run has not ended, and a snapshot shows a complete run.",
        "Await result.acomplete() first, or compare `await transcribe",
        "Await result.acomplete() first",
    ),
    (
        invalid_script_error("s.jsonl", 2, 5, 'unknown key "txt"'),
        ValueError,
        's.jsonl:2:5: unknown key "txt"',
        "one step on each line",
        '{"stall": true}',
    ),
    (
        SyncStallError(3),
        RuntimeError,
        "steps[3]",
        "Replace it by Raise(TimeoutError()), as a client with a time",
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
        playback_busy_error("play()"),
        RuntimeError,
        "play() has one reader, and a task waits for its next text:",
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
        unrepeatable_result_error("cut", "'One.'", ["  a  b"]),
        AssertionError,
        "cut gave two results",
        "one result for the same pieces",
        "Create the object that it feeds anew",
    ),
    (
        event_loop_running_error("assert_boundary_invariant", "cut", "aassert_boundary_invariant"),
        RuntimeError,
        "runs cut in an event loop",
        "Call it from a plain `def` test.",
        "use `await aassert_boundary_invariant(...)`.",
    ),
    (
        event_loop_running_error("Council.ask", "a council"),
        RuntimeError,
        "runs a council in an event loop",
        "Call it from a plain `def` test.",
        "asyncio.to_thread(Council.ask, ...)",
    ),
    (
        FrozenClockError(5.0),
        RuntimeError,
        "A scripted Delay(5) would wait for ever",
        "freezegun has frozen the clock of the event loop, and nothing moves it",
        "Use freeze_time(..., real_asyncio=True)",
    ),
    (
        VirtualDeadlockError(1.5, [("Task-1", "test_it.py:3 in test_it")], ["worker"]),
        Exception,
        "at 1.5 s of virtual time",
        "Task-1 at test_it.py:3 in test_it",
        "with asyncio.timeout(), or with validator_timeout= if a vali",
    ),
    (
        unsupported_loop_error(""),
        RuntimeError,
        "A virtual clock drives asyncio, and this test does not run o",
        "drives asyncio",
        "trio.testing.MockClock",
    ),
    (
        unsupported_loop_error("uvloop.Loop"),
        RuntimeError,
        "uvloop",
        "Run the tests that use the clock on an asyncio.SelectorEvent",
        "loop_factory=",
    ),
    (unsupported_loop_error("a.Loop"), RuntimeError, "a.Loop", "no selector", "asyncio.SelectorEventLoop"),
    (VirtualClockUseError("It was run.", "Do not."), RuntimeError, "It was run.", "It was run. Do not.", "Do not."),
    (
        leak_error([("the task Task-2", "app.py:3 in watch", "Await it.")]),
        AssertionError,
        "left 1 thing behind",
        "To allow this:",
        "streamval_allow_leaks",
    ),
    (
        unplayed_script_error(2, 1, ["'Four.'"]),
        AssertionError,
        "script 2: 'Four.'",
        "2 scripts, one for each call, and was called once",
        "needs fewer scripts",
    ),
    (unread_playback_error("'Four.'"), AssertionError, "'Four.'", "never read", "streamval_allow_unplayed"),
    (
        swallowed_call_error("Call 2 of this mock backend ...", "in app.py:3"),
        AssertionError,
        "it ended in app.py:3",
        "called too often",
        "pytest.raises(ScriptExhaustedError)",
    ),
    (
        unscripted_request_error("POST /a 'Hi'", [("'One.'", "POST /a 'Ho'")], "POST /a 'Ho'", [("body", "Hi", "Ho")]),
        AssertionError,
        "no script:\n  POST /a 'Hi'",
        "script 1: 'One.', played for POST /a 'Ho'",
        "Give one more script, or a rule",
    ),
    (
        unscripted_request_error("POST /a", [], "", []),
        AssertionError,
        "POST /a",
        "provider_server(lambda request:",
        "Give one more",
    ),
    (
        unscripted_request_error("POST /a", [], "", [], has_rule=True),
        AssertionError,
        "POST /a",
        "Its rule has none for this request.",
        "Add a script for it to the rule",
    ),
    (
        unscripted_request_error("POST /a", [("'One.'", "")], "POST /b", []),
        AssertionError,
        "script 1: 'One.', not played",
        "It repeats POST /b",
        "Give one more script",
    ),
    (
        unasked_script_error(2, [(2, "'Two.'")]),
        AssertionError,
        "script 2: 'Two.'",
        "2 scripts, one for each request",
        "see server.requests",
    ),
    (
        unasked_script_error(1, [(1, "'One.'")]),
        AssertionError,
        "1 script,",
        "one for each",
        "If this is intended, mark the test with @pytest.mark.streamv",
    ),
    (
        answer_failed_error("POST /a", "KeyError: 'x'"),
        AssertionError,
        "could not answer POST /a: KeyError: 'x'",
        "Its client got an error",
        "Mend the rule or the script",
    ),
    (
        not_requested_error("model='m'", 0, [("POST /a", "its model is 'n'")]),
        AssertionError,
        "The provider server was to get model='m'.",
        "Requests that fit: 0.",
        "requests[0]: POST /a, but its model is 'n'",
    ),
    (
        not_requested_error("anything", 0, []),
        AssertionError,
        "The provider server was to get anything.",
        "Requests that fit: 0.",
        "is its address in use?",
    ),
    (
        client_stayed_error(0.5, ["<ServedRequest>"]),
        AssertionError,
        "within 0.5 s",
        "<ServedRequest>",
        "leave the context of its stream, or close the client.",
    ),
    (
        client_stayed_error(0.5, []),
        AssertionError,
        "within 0.5 s",
        "A client leaves when its connection is closed:",
        "close the client",
    ),
    (server_state_error("is not open"), RuntimeError, "is not open", "It is open within", "with ProviderServer("),
    (
        unread_events_error([("CBlock 'go'", 3)]),
        AssertionError,
        "the run CBlock 'go': 3 events",
        "make the transcript with `await transcribe(result)`.",
        "await transcribe(result)",
    ),
    (
        MalformedResponseError("openai", "[]", "it is a list"),
        ValueError,
        "The openai answer is malformed: it is a list",
        "It must be the JSON object of this protocol",
        "check that the address is of such a provider.",
    ),
    (
        ProviderResponseError("openai", "overloaded", "too much"),
        Exception,
        "overloaded: too much",
        "There is no output",
        "in .kind and .message",
    ),
    (UnencodableDeltaError("ollama", "'x'", "no."), ValueError, "The ollama protocol", "cannot carry 'x'", "no."),
    (missing_extra_error("Live providers", "httpx2", "live"), ImportError, "httpx2", "not installed", "[live]"),
    (
        unknown_provider_error("gpt", ["ollama"]),
        ValueError,
        "'gpt'",
        "PROVIDER:MODEL",
        "'openai:MODEL' with an address",
    ),
    (
        MissingKeyError("xai", ["XAI_API_KEY"]),
        LookupError,
        "xai needs a key, and XAI_API_KEY is not set.",
        "is not set",
        "Set it in the env",
    ),
    (
        ProviderUnreachableError("xai", "http://x", "ConnectError"),
        ConnectionError,
        "xai is not available at http://x",
        "ConnectError",
        "Check that it runs",
    ),
    (
        ProviderTimeoutError("xai", "http://x", "the first byte", 0.5),
        TimeoutError,
        "xai at http://x was silent:",
        "the first byte did not come within 0.5 s",
        "Raise the limit",
    ),
    (
        UndecodableBodyError("gzip, foo", "'foo' is not known"),
        ValueError,
        "Content-Encoding 'gzip, foo'",
        "'foo' is not known",
        "Let the sender send it",
    ),
    (ProviderStatusError("xai", "http://x", 429, "slow", 1.0), RuntimeError, "answered 429", "slow", "Wait, or send"),
    (
        ProviderStatusError("xai", "http://x", 418, "pot", None),
        RuntimeError,
        "418: pot",
        "The answer says what is wrong",
        "request",
    ),
    (
        backend_unavailable_error("ollama:m", "http://x", "GET http://x: refused.", "ollama serve"),
        ConnectionError,
        "The live backend ollama:m is not available at http://x:",
        "GET http://x: refused.",
        "--streamval-backend PROVIDER:MODEL and --streamval-url URL.",
    ),
    (
        LiveTimeLimitError(120.0),
        TimeoutError,
        "within 120 s",
        "streamval_live_timeout",
        "The limit is the ini value streamval_live_timeout; 0 means n",
    ),
    (
        MemberTimeoutError("bad", 5.0),
        TimeoutError,
        "bad sent nothing for 5 s",
        "Council(timeout=...)",
        "Raise the limit, or use a faster model.",
    ),
    (example_failed_error("a.py", "ended with 1", "Oops\n"), AssertionError, "a.py", "ended with 1.", "Oops"),
    (
        MissingCassetteError("a.jsonl", "pytest --streamval-record once"),
        LookupError,
        "no recording at a.jsonl",
        "Record it with:",
        "Record it with: pytest --streamval-record once",
    ),
    (
        UnmatchedRequestError("openai POST /", [("a.jsonl", "Hi")], "a.jsonl", [("body", "Ho", "Hi")], "Record it."),
        LookupError,
        "openai POST /",
        "    is now    Ho\n    but was   Hi",
        "Record it.",
    ),
    (
        UnmatchedRequestError("asked", [], "", [], "Record it."),
        LookupError,
        "\n  asked\n",
        "There are no recordings.",
        "Record it.",
    ),
    (
        UnmatchedRequestError("asked", [("a.jsonl", "Hi")], "a.jsonl", [], "Record it."),
        LookupError,
        "a.jsonl has this very request",
        "the request came once more",
        "Record it.",
    ),
    (
        hidden_request_error("No recording ..."),
        AssertionError,
        "No recording ...",
        "did not reach the test",
        "pytest.raises(UnmatchedRequestError)",
    ),
    (
        unused_cassette_error([("a.jsonl", "Hi")], "pytest ..."),
        AssertionError,
        "a.jsonl: Hi",
        "requests that it did not make",
        "If this is intended, mark the test with @pytest.mark.streamv",
    ),
    (
        CassetteEndedError("a.jsonl", 1.5, "cancelled"),
        EOFError,
        "a.jsonl ends here, because its reader left 1.5 s after the request (cancelled)",
        "A replay has no more than the recording:",
        "let the reader leave as early, or record the complete stream",
    ),
    (event_loop_required_error("run"), RuntimeError, "run needs", "asyncio event loop", "asyncio.run()"),
    (
        GenerationCancelledError(),
        RuntimeError,
        "Another task cancelled this generation before its end.",
        "The text that was released before stays readable.",
        "call aclose()",
    ),
    (
        invalid_delta_error("b'x'", "bytes"),
        TypeError,
        "Invalid delta: b'x'. It must be",
        "a str or a Delta",
        "Decode bytes",
    ),
    (
        unknown_chunking_error("sentances", ["sentence", "word"]),
        ValueError,
        "Unknown chunking alias 'sentances'. ",
        "Choose from: 'sentence', 'word'",
        "pass a ChunkingStrategy of your own",
    ),
    (
        unknown_language_error("xx", ["de", "en"]),
        ValueError,
        "Unknown language 'xx'.",
        "Choose from: 'de', 'en'",
        "the rules of 'en'",
    ),
    (
        InvalidArgumentError("chunking", "42", "it takes an alias."),
        TypeError,
        "Invalid chunking",
        "42. it takes an alias.",
        "alias.",
    ),
    (
        invalid_limit_error("max_chars", 0),
        ValueError,
        "Invalid max_chars: 0",
        "It must be a number of characters",
        "1 or more",
    ),
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
        "If no model is to judge, give the requirement a validation_f",
    ),
    (
        ScriptExhaustedError(1, 0, "a judge", []),
        RuntimeError,
        "Call 1 of this mock backend came from a judge",
        "it was given 0 scripts, one",
        "without a validation_fn",
    ),
    (
        invalid_cassette_error("water.jsonl", 3, "no JSON"),
        ValueError,
        "water.jsonl:3: no JSON.",
        "A cassette is JSONL",
        '{"at": seconds, "text": ...}',
    ),
    (
        invalid_capture_error("it.har", "the file is empty."),
        ValueError,
        "it.har: the file is empty.",
        "A capture is the output of curl -N",
        "or a cassette",
    ),
    (
        MalformedFrameError("openai", "Hello", DELTAS, "data: {", 17, "no JSON"),
        ValueError,
        "malformed frame at byte 17: no JSON",
        "The frame: 'data: {'",
        "The 5 characters before it are kept in .text",
    ),
    (
        FrameTooLongError("openai", "Hello", DELTAS, 17, 1_000),
        ValueError,
        "frame at byte 17 that is longer than 1,000 bytes",
        "It may have no end",
        "raise the limit with max_frame=",
    ),
    (
        StreamTruncatedError("openai", "Hello", DELTAS, "[DONE]"),
        EOFError,
        "The openai stream ended without [DONE]:",
        "the connection broke, or the provider gave up.",
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
        ProviderStreamError("anthropic", "overloaded_error", "try later").after("Hello", DELTAS),
        WireError,
        "stopped its stream with overloaded_error: try later",
        "The anthropic provider",
        "kept in .text",
    ),
    (
        decoder_closed_error("openai", "has ended"),
        RuntimeError,
        "This openai decoder has ended",
        "takes no more bytes",
        "A decoder reads one stream; create another one for each resp",
    ),
]
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
def test_an_error_survives_copies_and_pickles_with_its_text_and_facts(error):
    error.add_note("seen on the way")
    for carried in (copy.copy, copy.deepcopy, *map(pickled, range(pickle.HIGHEST_PROTOCOL + 1))):
        twin = carried(error)
        assert type(twin) is type(error)
        assert (str(twin), twin.args, vars(twin)) == (str(error), error.args, vars(error))


@every_error
def test_the_facts_of_an_error_are_its_attributes(error):
    names = getattr(error, "__dataclass_fields__", ())
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
