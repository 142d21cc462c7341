"""What a test scripts and plays, compares and asserts."""

from pytest_streamval.transcripts.assertions import (
    assert_accepted,
    assert_event_order,
    assert_no_unvalidated_text,
    assert_stopped,
    assert_stopped_within,
    in_any_order,
)
from pytest_streamval.recordings.cassette import Cassette, Read, Recording
from pytest_streamval.conformance import check_backend, check_chunker
from pytest_streamval.fuzzing.invariance import assert_boundary_invariant
from pytest_streamval.scripting.mock import MockCall, StreamingMockBackend, StreamingMockBackendFactory
from pytest_streamval.scripting.playback import Playback, SyncPlayback
from pytest_streamval.scripting.script import Delay, Raise, Script, ScriptFactory, Stall, Step
from pytest_streamval.transcripts.transcript import Transcript, transcribe

__all__ = [
    "Cassette",
    "Delay",
    "MockCall",
    "Playback",
    "Raise",
    "Read",
    "Recording",
    "Script",
    "ScriptFactory",
    "Stall",
    "Step",
    "StreamingMockBackend",
    "StreamingMockBackendFactory",
    "SyncPlayback",
    "Transcript",
    "assert_accepted",
    "assert_boundary_invariant",
    "assert_event_order",
    "assert_no_unvalidated_text",
    "assert_stopped",
    "assert_stopped_within",
    "check_backend",
    "check_chunker",
    "in_any_order",
    "transcribe",
]
