"""Test code that consumes, chunks and validates a language model's output while it streams.

Every public name is importable from here, and loaded when it is first asked for: installing the plugin costs a test
run that does not use it nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_streamval.engine.backend import Backend, ModelOption
    from pytest_streamval.engine.chunkers import LineChunker, ParagraphChunker, SentenceChunker, WordChunker
    from pytest_streamval.engine.chunking import Chunk, Chunker, ChunkingStrategy
    from pytest_streamval.engine.component import CBlock, Component, Instruction, Message
    from pytest_streamval.engine.context import ChatContext, Context, SimpleContext
    from pytest_streamval.engine.delta import Delta, ToolCall, ToolCallDelta, Usage
    from pytest_streamval.engine.events import (
        ChunkEvent,
        CompletedEvent,
        ErrorEvent,
        FullValidationEvent,
        QuickCheckEvent,
        RetryEvent,
        StreamEvent,
        StreamingDoneEvent,
    )
    from pytest_streamval.engine.observer import Observer, observing
    from pytest_streamval.engine.orchestrator import Run, stream_with_chunking
    from pytest_streamval.engine.prose.strategy import ProseChunker
    from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
    from pytest_streamval.engine.result import StreamChunkingResult
    from pytest_streamval.engine.thunk import GenerationMetadata, ModelOutputThunk
    from pytest_streamval.errors import (
        BackendUnavailableError,
        BoundaryVarianceError,
        CassetteEndedError,
        ChunkingContractError,
        ConcurrentReadError,
        ConformanceError,
        DecoderClosedError,
        DetachedThunkError,
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
        InvalidScriptError,
        InvalidVerdictError,
        LeakError,
        LiveTimeLimitError,
        MalformedFrameError,
        MalformedResponseError,
        MissingCassetteError,
        MissingExtraError,
        MissingKeyError,
        MissingPluginError,
        NotStoppedError,
        NotStreamingError,
        PlaybackBusyError,
        ProviderResponseError,
        ProviderStatusError,
        ProviderStreamError,
        ProviderTimeoutError,
        ProviderUnreachableError,
        ReaderTakenError,
        ScriptExhaustedError,
        StreamTruncatedError,
        StreamvalError,
        SwallowedCallError,
        SyncStallError,
        ThunkClosedError,
        UnencodableDeltaError,
        UnfinishedRunError,
        UnknownChunkingError,
        UnknownLanguageError,
        UnknownProviderError,
        UnmatchedRequestError,
        UnplayedScriptError,
        UnreadEventsError,
        UnreadPlaybackError,
        UnrepeatableResultError,
        UnsupportedLoopError,
        UnusedCassetteError,
        UnvalidatedTextError,
        ValidatorTimeoutError,
        VirtualClockUseError,
        VirtualDeadlockError,
        WireError,
    )
    from pytest_streamval.harness import strategies
    from pytest_streamval.harness.assertions import (
        assert_event_order,
        assert_no_unvalidated_text,
        assert_stopped_within,
        in_any_order,
    )
    from pytest_streamval.harness.cassette import Cassette, Ending, Read, Recording
    from pytest_streamval.harness.clock import VirtualClock
    from pytest_streamval.harness.conformance import check_backend, check_chunker
    from pytest_streamval.harness.fuzz import assert_boundary_invariant
    from pytest_streamval.harness.mock import MockCall, StreamingMockBackend, StreamingMockBackendFactory
    from pytest_streamval.harness.playback import Playback, SyncPlayback
    from pytest_streamval.harness.script import Delay, Raise, Script, ScriptFactory, Stall, Step
    from pytest_streamval.harness.transcript import Transcript, transcribe
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.recorder import RecordingTransport, recording
    from pytest_streamval.live.replay import ReplayTransport, replaying
    from pytest_streamval.live.stream_cassette import StreamCassette
    from pytest_streamval.live.transport import Timeouts
    from pytest_streamval.wire.adapter import Adapter
    from pytest_streamval.wire.anthropic import AnthropicMessages, AnthropicMessagesDecoder
    from pytest_streamval.wire.encoding import FrameEncoder
    from pytest_streamval.wire.exchange import Answer, Asked, WireRequest
    from pytest_streamval.wire.frames import FrameDecoder
    from pytest_streamval.wire.gemini import Gemini, GeminiDecoder
    from pytest_streamval.wire.ndjson import NDJSONDecoder, NDJSONLine, ndjson_line
    from pytest_streamval.wire.ollama import Ollama, OllamaDecoder
    from pytest_streamval.wire.openai import OpenAIChat, OpenAIChatDecoder
    from pytest_streamval.wire.registry import ADAPTERS
    from pytest_streamval.wire.responses import OpenAIResponses, OpenAIResponsesDecoder
    from pytest_streamval.wire.sse import ServerSentEvent, SSEDecoder, SSEEncoder


__all__ = [
    "ADAPTERS",
    "Adapter",
    "Answer",
    "AnthropicMessages",
    "AnthropicMessagesDecoder",
    "Asked",
    "Backend",
    "BackendUnavailableError",
    "BoundaryVarianceError",
    "CBlock",
    "Cassette",
    "CassetteEndedError",
    "ChatContext",
    "Chunk",
    "ChunkEvent",
    "Chunker",
    "ChunkingContractError",
    "ChunkingStrategy",
    "CompletedEvent",
    "Component",
    "ConcurrentReadError",
    "ConformanceError",
    "Context",
    "DecoderClosedError",
    "Delay",
    "Delta",
    "DetachedThunkError",
    "Ending",
    "ErrorEvent",
    "EventLoopRequiredError",
    "EventLoopRunningError",
    "EventOrderError",
    "ExampleFailedError",
    "FrameDecoder",
    "FrameEncoder",
    "FullValidationEvent",
    "Gemini",
    "GeminiDecoder",
    "GenerationCancelledError",
    "GenerationMetadata",
    "HiddenRequestError",
    "Instruction",
    "InvalidArgumentError",
    "InvalidCassetteError",
    "InvalidDeltaError",
    "InvalidLimitError",
    "InvalidScriptError",
    "InvalidVerdictError",
    "LeakError",
    "LineChunker",
    "LiveBackend",
    "LiveTimeLimitError",
    "MalformedFrameError",
    "MalformedResponseError",
    "Message",
    "MissingCassetteError",
    "MissingExtraError",
    "MissingKeyError",
    "MissingPluginError",
    "MockCall",
    "ModelOption",
    "ModelOutputThunk",
    "NDJSONDecoder",
    "NDJSONLine",
    "NotStoppedError",
    "NotStreamingError",
    "Observer",
    "Ollama",
    "OllamaDecoder",
    "OpenAIChat",
    "OpenAIChatDecoder",
    "OpenAIResponses",
    "OpenAIResponsesDecoder",
    "ParagraphChunker",
    "PartialValidationResult",
    "Playback",
    "PlaybackBusyError",
    "ProseChunker",
    "ProviderResponseError",
    "ProviderStatusError",
    "ProviderStreamError",
    "ProviderTimeoutError",
    "ProviderUnreachableError",
    "QuickCheckEvent",
    "Raise",
    "Read",
    "ReaderTakenError",
    "Recording",
    "RecordingTransport",
    "ReplayTransport",
    "Requirement",
    "RetryEvent",
    "Run",
    "SSEDecoder",
    "SSEEncoder",
    "Script",
    "ScriptExhaustedError",
    "ScriptFactory",
    "SentenceChunker",
    "ServerSentEvent",
    "SimpleContext",
    "Stall",
    "Step",
    "StreamCassette",
    "StreamChunkingResult",
    "StreamEvent",
    "StreamTruncatedError",
    "StreamingDoneEvent",
    "StreamingMockBackend",
    "StreamingMockBackendFactory",
    "StreamvalError",
    "SwallowedCallError",
    "SyncPlayback",
    "SyncStallError",
    "ThunkClosedError",
    "Timeouts",
    "ToolCall",
    "ToolCallDelta",
    "Transcript",
    "UnencodableDeltaError",
    "UnfinishedRunError",
    "UnknownChunkingError",
    "UnknownLanguageError",
    "UnknownProviderError",
    "UnmatchedRequestError",
    "UnplayedScriptError",
    "UnreadEventsError",
    "UnreadPlaybackError",
    "UnrepeatableResultError",
    "UnsupportedLoopError",
    "UnusedCassetteError",
    "UnvalidatedTextError",
    "Usage",
    "ValidationResult",
    "ValidatorTimeoutError",
    "VirtualClock",
    "VirtualClockUseError",
    "VirtualDeadlockError",
    "WireError",
    "WireRequest",
    "WordChunker",
    "assert_boundary_invariant",
    "assert_event_order",
    "assert_no_unvalidated_text",
    "assert_stopped_within",
    "check_backend",
    "check_chunker",
    "in_any_order",
    "ndjson_line",
    "observing",
    "recording",
    "replaying",
    "strategies",
    "stream_with_chunking",
    "transcribe",
]

_HOMES = {
    "engine.backend": ("Backend", "ModelOption"),
    "engine.chunkers": ("LineChunker", "ParagraphChunker", "SentenceChunker", "WordChunker"),
    "engine.chunking": ("Chunk", "Chunker", "ChunkingStrategy"),
    "engine.component": ("CBlock", "Component", "Instruction", "Message"),
    "engine.context": ("ChatContext", "Context", "SimpleContext"),
    "engine.delta": ("Delta", "ToolCall", "ToolCallDelta", "Usage"),
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
    "engine.orchestrator": ("Run", "stream_with_chunking"),
    "engine.prose.strategy": ("ProseChunker",),
    "engine.requirement": ("PartialValidationResult", "Requirement", "ValidationResult"),
    "engine.result": ("StreamChunkingResult",),
    "engine.thunk": ("GenerationMetadata", "ModelOutputThunk"),
    "errors": (
        "BackendUnavailableError",
        "BoundaryVarianceError",
        "CassetteEndedError",
        "ChunkingContractError",
        "ConcurrentReadError",
        "ConformanceError",
        "DecoderClosedError",
        "DetachedThunkError",
        "EventLoopRequiredError",
        "EventLoopRunningError",
        "EventOrderError",
        "ExampleFailedError",
        "GenerationCancelledError",
        "HiddenRequestError",
        "InvalidArgumentError",
        "InvalidCassetteError",
        "InvalidDeltaError",
        "InvalidLimitError",
        "InvalidScriptError",
        "InvalidVerdictError",
        "LeakError",
        "LiveTimeLimitError",
        "MalformedFrameError",
        "MalformedResponseError",
        "MissingCassetteError",
        "MissingExtraError",
        "MissingKeyError",
        "MissingPluginError",
        "NotStoppedError",
        "NotStreamingError",
        "PlaybackBusyError",
        "ProviderResponseError",
        "ProviderStatusError",
        "ProviderStreamError",
        "ProviderTimeoutError",
        "ProviderUnreachableError",
        "ReaderTakenError",
        "ScriptExhaustedError",
        "StreamTruncatedError",
        "StreamvalError",
        "SwallowedCallError",
        "SyncStallError",
        "ThunkClosedError",
        "UnencodableDeltaError",
        "UnfinishedRunError",
        "UnknownChunkingError",
        "UnknownLanguageError",
        "UnknownProviderError",
        "UnmatchedRequestError",
        "UnplayedScriptError",
        "UnreadEventsError",
        "UnreadPlaybackError",
        "UnrepeatableResultError",
        "UnsupportedLoopError",
        "UnusedCassetteError",
        "UnvalidatedTextError",
        "ValidatorTimeoutError",
        "VirtualClockUseError",
        "VirtualDeadlockError",
        "WireError",
    ),
    "harness": ("strategies",),
    "harness.assertions": ("assert_event_order", "assert_no_unvalidated_text", "assert_stopped_within", "in_any_order"),
    "harness.cassette": ("Cassette", "Ending", "Read", "Recording"),
    "harness.clock": ("VirtualClock",),
    "harness.conformance": ("check_backend", "check_chunker"),
    "harness.fuzz": ("assert_boundary_invariant",),
    "harness.mock": ("MockCall", "StreamingMockBackend", "StreamingMockBackendFactory"),
    "harness.playback": ("Playback", "SyncPlayback"),
    "harness.script": ("Delay", "Raise", "Script", "ScriptFactory", "Stall", "Step"),
    "harness.transcript": ("Transcript", "transcribe"),
    "live.backend": ("LiveBackend",),
    "live.recorder": ("RecordingTransport", "recording"),
    "live.replay": ("ReplayTransport", "replaying"),
    "live.stream_cassette": ("StreamCassette",),
    "live.transport": ("Timeouts",),
    "wire.adapter": ("Adapter",),
    "wire.anthropic": ("AnthropicMessages", "AnthropicMessagesDecoder"),
    "wire.encoding": ("FrameEncoder",),
    "wire.exchange": ("Answer", "Asked", "WireRequest"),
    "wire.frames": ("FrameDecoder",),
    "wire.gemini": ("Gemini", "GeminiDecoder"),
    "wire.ndjson": ("NDJSONDecoder", "NDJSONLine", "ndjson_line"),
    "wire.ollama": ("Ollama", "OllamaDecoder"),
    "wire.openai": ("OpenAIChat", "OpenAIChatDecoder"),
    "wire.registry": ("ADAPTERS",),
    "wire.responses": ("OpenAIResponses", "OpenAIResponsesDecoder"),
    "wire.sse": ("SSEDecoder", "SSEEncoder", "ServerSentEvent"),
}
_MODULES = {"strategies"}
"""Those of the names that are modules themselves."""
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # noqa: ANN401  # the type checker reads the imports above
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    home = f"{__name__}.{_HOME_OF[name]}"
    found = globals()[name] = (
        import_module(f"{home}.{name}") if name in _MODULES else getattr(import_module(home), name)
    )
    return found


def __dir__() -> list[str]:
    return sorted(globals().keys() | _HOME_OF.keys())
