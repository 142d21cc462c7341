"""The types for annotations: of fixtures, arguments and results. They are loaded on first use.

Type checkers read `typing.pyi`, which `python3 -m tools.stubs` writes from the table below.
"""

from pytest_streamval._lazy import all_names, lazy_names

_HOMES = {
    "app.asgi_requests": ("App", "Content", "RequestHeaders"),
    "app.websocket": ("AppWebSocket",),
    "council": ("CouncilFactory", "CouncilStream", "Member"),
    "engine.attempt": ("Attempt",),
    "engine.component": ("Action",),
    "engine.orchestrator": ("StartingRun",),
    "engine.run_view": ("RunView",),
    "engine.telemetry.captured": ("CapturedTelemetry", "Measured"),
    "fuzzing.cuts": ("Cut",),
    "http.client": ("Transport",),
    "model": ("ResponseInfo",),
    "plugin.app": ("AppClientFactory",),
    "plugin.cassettes": ("StreamCassette",),
    "plugin.server": ("ProviderServerFactory",),
    "plugin.snapshot": ("EventSnapshot",),
    "plugin.snapshot_extension": ("TranscriptSnapshotExtension",),
    "recordings.cassette": ("Ending", "Recording"),
    "scripting.mock": ("MockCall", "StreamingMockBackendFactory"),
    "scripting.playback": ("Playback", "SyncPlayback"),
    "scripting.script": ("ScriptFactory",),
    "scripting.steps": ("Step",),
    "server": ("Fault", "Faulty", "ServedRequest"),
    "server.script_queue": ("Playable", "Rule"),
}
"""The types by the module that defines them."""

__all__ = all_names(_HOMES)  # noqa: PLE0605  # a list of str
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
