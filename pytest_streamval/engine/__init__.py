"""The streaming validation engine."""

from pytest_streamval.engine.backend import Backend, ModelOption
from pytest_streamval.engine.chunking_strategy import Chunk, Chunker, ChunkingStrategy
from pytest_streamval.engine.component import CBlock, Component, Instruction, Message
from pytest_streamval.engine.context import ChatContext, Context, SimpleContext
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
from pytest_streamval.engine.generation_reports import report_of
from pytest_streamval.engine.observer import Observer, observing
from pytest_streamval.engine.orchestrator import stream_with_chunking
from pytest_streamval.engine.output import GenerationMetadata
from pytest_streamval.engine.prose import ProseChunker
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.result import StreamChunkingResult
from pytest_streamval.engine.retries import Restart
from pytest_streamval.engine.run_view import RunView
from pytest_streamval.engine.simple_chunkers import LineChunker, ParagraphChunker, SentenceChunker, WordChunker
from pytest_streamval.engine.thunk import ModelOutputThunk, on_start
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage

on_start.append(report_of)

__all__ = [
    "Backend",
    "CBlock",
    "ChatContext",
    "Chunk",
    "ChunkEvent",
    "Chunker",
    "ChunkingStrategy",
    "CompletedEvent",
    "Component",
    "Context",
    "Delta",
    "ErrorEvent",
    "FullValidationEvent",
    "GenerationMetadata",
    "Instruction",
    "LineChunker",
    "Message",
    "ModelOption",
    "ModelOutputThunk",
    "Observer",
    "ParagraphChunker",
    "PartialValidationResult",
    "ProseChunker",
    "QuickCheckEvent",
    "Requirement",
    "Restart",
    "RetryEvent",
    "RunView",
    "SentenceChunker",
    "SimpleContext",
    "StreamChunkingResult",
    "StreamEvent",
    "StreamingDoneEvent",
    "ToolCall",
    "ToolCallDelta",
    "Usage",
    "ValidationResult",
    "WordChunker",
    "observing",
    "stream_with_chunking",
]
