"""The features of pytest, pytest-asyncio, Hypothesis, syrupy and freezegun, each with each fixture: a test for a pair.

`python3 -m tests.plugin.five_packages` writes the table in `docs/five-packages.md`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

HEAD = """
import asyncio, datetime as dt, unittest
import freezegun, httpx2, pytest, pytest_asyncio
from hypothesis import example, given, settings, strategies as st
from pytest_streamval import SimpleContext, StreamingMockBackend, stream_with_chunking
from syrupy.extensions.json import JSONSnapshotExtension

settings.register_profile("few", database=None, deadline=None, max_examples=3)
settings.load_profile("few")
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "go"}]}

async def ask(backend):
    async with stream_with_chunking("go", backend, SimpleContext()) as run:
        await run.acomplete()
    return run

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"One."})
"""

USES = {
    "streaming_mock_backend": ["assert (await ask(FIXTURE('One.'))).full_text == 'One.'"],
    "stream_script": ["assert [piece async for piece in FIXTURE('One.', token_size=4).play()] == ['One.']"],
    "stream_cassette": ["assert 'none' in repr(FIXTURE)"],
    "council": ["assert [each.text for each in (await FIXTURE('One.').ask('go', mode='raw')).answers] == ['One.']"],
    "virtual_clock": [
        "began = FIXTURE.elapsed",
        "await asyncio.sleep(3600)",
        "assert FIXTURE.elapsed == began + 3600",
    ],
    "runs": ["await ask(StreamingMockBackend('One.'))", "assert FIXTURE[-1].outcome == 'done'"],
    "event_snapshot": ["assert await ask(StreamingMockBackend('One.')) == FIXTURE(name='one')"],
    "captured_telemetry": [
        "await ask(StreamingMockBackend('One.'))",
        "assert FIXTURE.spans[-1].name == 'stream_with_chunking'",
    ],
    "provider_server": [
        "async with httpx2.AsyncClient() as client:",
        "    answer = await client.post(FIXTURE('One.').openai_url + '/chat/completions', json=QUESTION)",
        "assert answer.json()['choices'][0]['message']['content'] == 'One.'",
    ],
    "app_client": ["assert (await FIXTURE(app).get('/')).text == 'One.'"],
}
"""The lines of a coroutine that uses a fixture, by its name. `FIXTURE` is the variable that has it."""

FEATURES: dict[str, dict[str, str]] = {
    "pytest": {
        "parameters": """
@pytest.mark.asyncio
@pytest.mark.parametrize("number", [1, 2])
async def test_NAME(FIXTURE, number):
    USE
""",
        "a class": """
class TestNAME:
    @pytest.mark.asyncio
    async def test_it(self, FIXTURE):
        USE
""",
        "a fixture that wraps it": """
@pytest.fixture
def wrapped_NAME(FIXTURE):
    yield FIXTURE

@pytest.mark.asyncio
async def test_NAME(wrapped_NAME):
    FIXTURE = wrapped_NAME
    USE
""",
        "usefixtures": """
@pytest.mark.asyncio
@pytest.mark.usefixtures("FIXTURE")
async def test_NAME(request):
    FIXTURE = request.getfixturevalue("FIXTURE")
    USE
""",
        "getfixturevalue": """
def test_NAME(request):
    FIXTURE = request.getfixturevalue("FIXTURE")
    async def main():
        USE
    asyncio.run(main())
""",
        "subtests": """
@pytest.mark.asyncio
async def test_NAME(subtests, FIXTURE):
    with subtests.test(number=1):
        USE
""",
        "xfail": """
@pytest.mark.xfail(strict=True, raises=LookupError)
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    USE
    raise LookupError
""",
        "a plain test": """
def test_NAME(FIXTURE):
    async def main():
        USE
    asyncio.run(main())
""",
    },
    "pytest-asyncio": {
        "a loop for each function": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    USE
""",
        "a loop for a class": """
@pytest.mark.asyncio(loop_scope="class")
class TestNAME:
    async def test_1(self, FIXTURE):
        USE
    async def test_2(self, FIXTURE):
        USE
""",
        **{
            f"a loop for a {scope}": f"""
@pytest.mark.asyncio(loop_scope="{scope}")
async def test_NAME(FIXTURE):
    USE
"""
            for scope in ("module", "package", "session")
        },
        "an async fixture around it": """
@pytest_asyncio.fixture
async def around_NAME(FIXTURE):
    await asyncio.sleep(0)
    yield FIXTURE
    await asyncio.sleep(0)

@pytest.mark.asyncio
async def test_NAME(around_NAME):
    FIXTURE = around_NAME
    USE
""",
        "debug mode": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    asyncio.get_running_loop().set_debug(True)
    USE
""",
    },
    "Hypothesis": {
        "@given": """
@given(number=st.integers())
def test_NAME(FIXTURE, number):
    async def main():
        USE
    asyncio.run(main())
""",
        "@given, a coroutine": """
@pytest.mark.asyncio
@given(number=st.integers())
async def test_NAME(FIXTURE, number):
    USE
""",
        "@example": """
@pytest.mark.asyncio
@example(number=3)
@given(number=st.integers())
async def test_NAME(FIXTURE, number):
    USE
""",
        "@given and parameters": """
@pytest.mark.asyncio
@pytest.mark.parametrize("kind", ["a", "b"])
@given(number=st.integers())
async def test_NAME(FIXTURE, kind, number):
    USE
""",
        "data()": """
@pytest.mark.asyncio
@given(data=st.data())
async def test_NAME(FIXTURE, data):
    assert data.draw(st.just(1)) == 1
    USE
""",
        "@given in a class": """
class TestNAME:
    @pytest.mark.asyncio
    @given(number=st.integers())
    async def test_it(self, FIXTURE, number):
        USE
""",
    },
    "syrupy": {
        "snapshot beside it": """
@pytest.mark.asyncio
async def test_NAME(snapshot, FIXTURE):
    USE
    assert "a text" == snapshot
""",
        "an extension": """
@pytest.mark.asyncio
async def test_NAME(snapshot, FIXTURE):
    USE
    assert {"a": 1} == snapshot.use_extension(JSONSnapshotExtension)
""",
        "event_snapshot": """
@pytest.mark.asyncio
async def test_NAME(request, FIXTURE):
    USE
    assert ["a text"] == request.getfixturevalue("event_snapshot")
""",
    },
    "freezegun": {
        "freezer": """
@pytest.mark.asyncio
async def test_NAME(freezer, FIXTURE):
    freezer.move_to("2024-02-29")
    assert dt.date.today() == dt.date(2024, 2, 29)
    USE
""",
        "freezer after it": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE, freezer):
    freezer.move_to("2024-02-29")
    USE
    assert dt.date.today() == dt.date(2024, 2, 29)
""",
        "the marker": """
@pytest.mark.freeze_time("2024-02-29")
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    assert dt.date.today() == dt.date(2024, 2, 29)
    USE
""",
        "the decorator": """
@pytest.mark.asyncio
@freezegun.freeze_time("2024-02-29")
async def test_NAME(FIXTURE):
    assert dt.date.today() == dt.date(2024, 2, 29)
    USE
""",
        "the decorator of a class": """
@freezegun.freeze_time("2024-02-29")
class TestNAME:
    @pytest.mark.asyncio
    async def test_it(self, FIXTURE):
        assert dt.date.today() == dt.date(2024, 2, 29)
        USE
""",
        "with": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    with freezegun.freeze_time("2024-02-29") as frozen:
        assert dt.date.today() == dt.date(2024, 2, 29)
        USE
        frozen.tick(86400)
        assert dt.date.today() == dt.date(2024, 3, 1)
    USE
""",
        "tick": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    with freezegun.freeze_time("2024-02-29", tick=True):
        assert dt.date.today() == dt.date(2024, 2, 29)
        USE
""",
        "real_asyncio": """
@pytest.mark.asyncio
async def test_NAME(FIXTURE):
    with freezegun.freeze_time("2024-02-29", real_asyncio=True):
        assert dt.date.today() == dt.date(2024, 2, 29)
        USE
""",
    },
}
"""The tests of each package's features, in which `USE` are the lines that use the fixture."""


class Cell(NamedTuple):
    """A feature of a package together with a fixture."""

    package: str
    feature: str
    fixture: str

    @property
    def name(self) -> str:
        """The name of its tests, without `test_`."""
        number = list(FEATURES[self.package]).index(self.feature)
        return f"{number}_{self.fixture}"

    @property
    def code(self) -> str:
        """The source of its tests."""
        lines = []
        for line in FEATURES[self.package][self.feature].splitlines():
            indent = line[: len(line) - len(line.lstrip())]
            lines += [f"{indent}{use}" for use in USES[self.fixture]] if line.strip() == "USE" else [line]
        return "\n".join(lines).replace("FIXTURE", self.fixture).replace("NAME", self.name) + "\n"


CELLS = [Cell(package, feature, fixture) for package, rows in FEATURES.items() for feature in rows for fixture in USES]
"""All pairs."""


def table() -> str:
    """Return the page of the table."""
    lines = [f"| | {' | '.join(f'`{fixture}`' for fixture in USES)} |", f"|---|{'---|' * len(USES)}"]
    for package, rows in FEATURES.items():
        lines.append(f"| **{package}** |{' |' * len(USES)}")
        lines += [f"| {feature} |{' ✓ |' * len(USES)}" for feature in rows]
    return "\n".join(lines) + "\n"


PAGE = Path(__file__).parents[2] / "docs" / "five-packages.md"
BEGIN = "<!-- written by `python3 -m tests.plugin.five_packages` -->\n"


def page(text: str) -> str:
    """Return the text of the page with the current table."""
    return text.partition(BEGIN)[0] + BEGIN + "\n" + table()


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
