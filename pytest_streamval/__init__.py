"""Test code that consumes, chunks and validates a language model's output while it streams.

Every documented name is importable from here and is loaded on first use, so an installed plugin costs nothing in a test
run that does not use it. `pytest_streamval.typing` has the types that annotations need, `pytest_streamval.errors` all
errors, and `pytest_streamval.wire` the providers' protocols.

Type checkers read `__init__.pyi`, which `python3 -m tools.stubs` writes from the table below.
"""

from pytest_streamval._lazy import all_names, lazy_names

_HOMES = {
    "conformance": ("check_backend", "check_chunker"),
    "council": ("Council", "CouncilCache", "CouncilEvent", "CouncilResult", "ModelAnswer", "per_member"),
    "engine.backend": ("Backend", "ModelOption"),
    "engine.chunkers": ("LineChunker", "ParagraphChunker", "SentenceChunker", "WordChunker"),
    "engine.chunking": ("Chunk", "Chunker", "ChunkingStrategy"),
    "engine.component": ("CBlock", "Component", "Instruction", "Message"),
    "engine.context": ("ChatContext", "Context", "SimpleContext"),
    "engine.events": (
        "ChunkEvent",
        "CompletedEvent",
        "ErrorEvent",
        "FullValidationEvent",
        "QuickCheckEvent",
        "RetryEvent",
        "StreamEvent",
        "StreamingDoneEvent",
    ),
    "engine.observer": ("Observer", "observing"),
    "engine.orchestrator": ("stream_with_chunking",),
    "engine.output": ("GenerationMetadata",),
    "engine.prose.strategy": ("ProseChunker",),
    "engine.requirement": ("PartialValidationResult", "Requirement", "ValidationResult"),
    "engine.result": ("StreamChunkingResult",),
    "engine.telemetry.spans": ("set_span_status_error",),
    "engine.thunk": ("ModelOutputThunk",),
    "errors": (
        "CassetteEndedError",
        "CheckFailedError",
        "ChunkingContractError",
        "ConcurrentReadError",
        "EventLoopError",
        "FrameTooLongError",
        "GenerationCancelledError",
        "InvalidArgumentError",
        "MalformedFrameError",
        "MalformedResponseError",
        "MemberTimeoutError",
        "MissingKeyError",
        "NoAcceptedAttemptError",
        "ProviderStatusError",
        "ProviderStreamError",
        "ProviderTimeoutError",
        "ProviderUnreachableError",
        "RealTimeWarning",
        "ScriptExhaustedError",
        "StallTimeoutError",
        "StreamTruncatedError",
        "StreamvalError",
        "SyncStallError",
        "ThunkClosedError",
        "UnfinishedError",
        "ValidatorTimeoutError",
        "VirtualClockUseError",
        "VirtualDeadlockError",
        "WireError",
    ),
    "fuzzing": ("strategies",),
    "fuzzing.invariance": ("assert_boundary_invariant",),
    "http.client": ("Timeouts",),
    "live.backend": ("LiveBackend",),
    "live.recording_transport": ("RecordingTransport", "recording"),
    "live.replay_transport": ("ReplayTransport", "replaying"),
    "model": ("Delta", "Deviation", "ToolCall", "ToolCallDelta", "Usage"),
    "recordings.cassette": ("Cassette", "Read"),
    "scripting.mock": ("StreamingMockBackend",),
    "scripting.script": ("Script",),
    "scripting.steps": ("Delay", "Raise", "Stall"),
    "server": ("ProviderServer", "faults"),
    "session.outputs": ("wait_for_all_mots",),
    "session.session": ("Session",),
    "session.start": ("start_session",),
    "transcripts.assertions": (
        "assert_accepted",
        "assert_event_order",
        "assert_no_unvalidated_text",
        "assert_stopped",
        "assert_stopped_within",
        "in_any_order",
    ),
    "transcripts.transcript": ("Transcript", "transcribe"),
    "virtual_time": ("VirtualClock",),
    "wire.reading": ("StreamReading", "read_stream"),
    "wire.sse": ("SSEDecoder",),
}
"""The public names by the module that defines them."""

__all__ = all_names(_HOMES)  # noqa: PLE0605  # a list of str
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
