"""The advice below a ScopeMismatch: a fixture with a wider scope cannot request a fixture of this plugin."""

from __future__ import annotations

from typing import Any

_IN_ITS_PLACE = {
    "streaming_mock_backend": 'StreamingMockBackend("One.")',
    "stream_script": 'Script.from_text("One.")',
    "provider_server": '`with ProviderServer("One.") as server:`',
    "council": 'Council({"a": StreamingMockBackend("One.")})',
    "virtual_clock": "`with VirtualClock() as clock:`",
    "app_client": "AppClient(app)",
    "live_backend": 'LiveBackend("openai:gpt-4.1")',
}


def add_advice(error: Any, fixtures: set[str]) -> None:  # noqa: ANN401  # the error of pytest.fail()
    """Add the way out to a ScopeMismatch that names one of the fixtures."""
    line = str(error.msg).partition("\n")[0]
    name = next((word for word in line.replace("'", " ").split() if word in fixtures), None)
    if name is None:
        return
    instead = _IN_ITS_PLACE.get(name)
    makes = f"Make the object in your fixture instead: {instead}" if instead else "Request it in the test itself"
    error.msg += (
        f"\n\n{name} has the scope of a function, because each test has its own guard, clock and snapshots. {makes}, "
        'or give your fixture scope="function". docs/loop-scopes.md has a table.'
    )
