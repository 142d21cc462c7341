"""A strategy for each kind of public value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from pytest_streamval.engine import events
from pytest_streamval.engine.chunking_strategy import Chunk, ChunkingStrategy
from pytest_streamval.engine.prose.strategy import ProseChunker
from pytest_streamval.engine.requirement import PartialValidationResult, Requirement, ValidationResult
from pytest_streamval.engine.simple_chunkers import LineChunker, ParagraphChunker, SentenceChunker, WordChunker
from pytest_streamval.fuzzing.cuts import Cut
from pytest_streamval.model import Delta, ToolCall, ToolCallDelta, Usage
from pytest_streamval.properties.strategies import ScriptedRequirement, faults, requirements, scripts, texts
from pytest_streamval.scripting.mock import StreamingMockBackend
from pytest_streamval.scripting.script import Script
from pytest_streamval.scripting.steps import Delay, Raise, Stall
from pytest_streamval.server.faults import Fault
from pytest_streamval.transcripts.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hypothesis.strategies import SearchStrategy

_NUMBERS: Final = st.integers(0, 1_000)
_NAMES: Final = st.sampled_from(("search", "get_weather"))
_IDS: Final = st.sampled_from(("call_1", "call_2"))
_JSON: Final = st.sampled_from(("{}", '{"q": "a"}', '{"q": '))
_REASONS: Final = st.none() | st.sampled_from(("fine", "too long", "a password"))
_ERRORS: Final = st.sampled_from((ConnectionResetError, TimeoutError, OSError, ValueError))

_USAGES: Final = st.builds(Usage, st.none() | _NUMBERS, st.none() | _NUMBERS)
_PIECES: Final = st.builds(ToolCallDelta, st.integers(0, 2), st.none() | _IDS, st.none() | _NAMES, _JSON)
_DELTAS: Final = st.builds(
    Delta,
    texts(max_size=20),
    st.just("") | texts(max_size=20),
    st.lists(_PIECES, max_size=2).map(tuple),
    st.none() | _USAGES,
    st.none() | st.sampled_from(("stop", "length")),
)
_DELAYS: Final = st.builds(Delay, st.floats(0, 10))
_RAISES: Final = st.builds(Raise, st.builds(lambda kind: kind("reset by peer"), _ERRORS))
_PARTIAL: Final = st.builds(PartialValidationResult, st.sampled_from(("pass", "unknown", "fail")), reason=_REASONS)
_VALIDATIONS: Final = st.builds(ValidationResult, st.booleans(), reason=_REASONS)


@st.composite
def _chunks(draw: st.DrawFn) -> Chunk:
    text, start = draw(texts(min_size=1, max_size=20)), draw(_NUMBERS)
    return Chunk(text, start, start + len(text))


_ATTEMPTS: Final = st.integers(1, 3)
_CHECKS: Final = st.lists(_PARTIAL, min_size=1, max_size=3).map(
    lambda results: (all(result.success != "fail" for result in results), tuple(results))
)
_COMPLETE: Final = st.lists(_VALIDATIONS, min_size=1, max_size=3).map(lambda results: (all(results), tuple(results)))
_EVENTS: Final[Mapping[type[Any], SearchStrategy[Any]]] = {
    events.QuickCheckEvent: st.builds(
        lambda index, attempt, check: events.QuickCheckEvent(index, attempt, *check), _NUMBERS, _ATTEMPTS, _CHECKS
    ),
    events.ChunkEvent: st.builds(
        lambda chunk, index, attempt: events.ChunkEvent(chunk.text, index, attempt, chunk.start, chunk.end),
        _chunks(),
        _NUMBERS,
        _ATTEMPTS,
    ),
    events.StreamingDoneEvent: st.builds(events.StreamingDoneEvent, _ATTEMPTS, texts(max_size=40)),
    events.FullValidationEvent: st.builds(
        lambda attempt, complete: events.FullValidationEvent(attempt, *complete), _ATTEMPTS, _COMPLETE
    ),
    events.RetryEvent: st.builds(events.RetryEvent, st.integers(2, 3), st.just("too long")),
    events.CompletedEvent: st.builds(events.CompletedEvent, st.booleans(), texts(max_size=40), _ATTEMPTS),
    events.ErrorEvent: st.builds(events.ErrorEvent, _ERRORS.map(lambda kind: kind.__name__), texts(max_size=20)),
}
_ANY_EVENT: Final = st.one_of(*_EVENTS.values())
_CHUNKERS: Final = (SentenceChunker, WordChunker, LineChunker, ParagraphChunker, ProseChunker)

STRATEGIES: Final[Mapping[type[Any], SearchStrategy[Any]]] = {
    **_EVENTS,
    **{kind: st.builds(kind) for kind in _CHUNKERS},
    Chunk: _chunks(),
    ChunkingStrategy: st.sampled_from(_CHUNKERS).map(lambda kind: kind()),
    Cut: st.sampled_from([Cut(name) for name in ("whole", "chars", "words", "1", "2", "3")]),
    Delay: _DELAYS,
    Delta: _DELTAS,
    Fault: faults(),
    PartialValidationResult: _PARTIAL,
    Raise: _RAISES,
    Requirement: requirements(),
    Script: scripts(failures=True),
    ScriptedRequirement: requirements(),
    Stall: st.builds(Stall),
    StreamingMockBackend: st.lists(scripts(), min_size=1, max_size=3).map(lambda drawn: StreamingMockBackend(*drawn)),
    ToolCall: st.builds(ToolCall, st.none() | _IDS, st.none() | _NAMES, _JSON),
    ToolCallDelta: _PIECES,
    Transcript: st.lists(_ANY_EVENT, min_size=1, max_size=5).map(Transcript),
    Usage: _USAGES,
    ValidationResult: _VALIDATIONS,
    events.StreamEvent: _ANY_EVENT,
}
"""The strategies by the types of their values."""
