"""What a test scripts and plays."""

from pytest_streamval.harness.cassette import Cassette, Read, Recording
from pytest_streamval.harness.mock import MockCall, StreamingMockBackend, StreamingMockBackendFactory
from pytest_streamval.harness.script import Delay, Raise, Script, Stall, Step

__all__ = [
    "Cassette",
    "Delay",
    "MockCall",
    "Raise",
    "Read",
    "Recording",
    "Script",
    "Stall",
    "Step",
    "StreamingMockBackend",
    "StreamingMockBackendFactory",
]
