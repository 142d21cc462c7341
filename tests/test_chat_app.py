"""The suite of the example `examples/chat_app`: it fails with each of eight planted faults, and says why."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "chat_app"
INI = "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"

APP = "    app = FastAPI()\n"
SENTENCE = '                        yield event("sentence", text=sentence)\n'
MIDDLEWARE = """
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.responses import Response

    class Collects(BaseHTTPMiddleware):
        async def dispatch(self, request, call_next):
            response = await call_next(request)
            body = b"".join([part async for part in response.body_iterator])
            return Response(body, response.status_code, dict(response.headers))

    app.add_middleware(Collects)
"""
PIECES = """
from pytest_streamval import ChunkingStrategy

class Pieces(ChunkingStrategy):
    def split(self, accumulated_text):
        return [accumulated_text[at : at + 4] for at in range(0, len(accumulated_text) - 3, 4)]

def create_app("""
DETACHED = """
import asyncio

TASKS = []

async def detached(answer):
    queue = asyncio.Queue()

    async def fill():
        async for part in answer:
            queue.put_nowait(part)
        queue.put_nowait(None)

    TASKS.append(asyncio.create_task(fill()))
    while (part := await queue.get()) is not None:
        yield part

def create_app("""

FAULTS = {
    "middleware that buffers": ([(APP, APP + MIDDLEWARE)], "did not stream: .*Middleware .* until its end: Collects"),
    "text sent before the verdict": (
        [("requirements=[Moderation(confidential)]", "requirements=[]")],
        "'swordfish' left the application, in the JSON strings",
    ),
    "a provider that is not stopped": (
        [
            ("                async with run:\n", "                if KEPT.append(run) is None:\n"),
            ("def event(", "KEPT = []\n\ndef event("),
        ],
        "still runs|not completed nor closed|No client left|neither completed nor closed",
    ),
    "a last event that is lost": ([('        yield event("end", outcome=outcome)\n', "")], "end"),
    "an error that is swallowed": (
        [
            ('                outcome = "failed"\n', ""),
            ('                yield event("error", error=type(error).__name__)\n', ""),
        ],
        "error",
    ),
    "a browser's leaving that is ignored": (
        [
            ("StreamingResponse(answer(question), ", "StreamingResponse(detached(answer(question)), "),
            ("def create_app(", DETACHED),
        ],
        "No client left before the end of its answer|still runs",
    ),
    "a secret that is split over two events": (
        [('chunking="sentence"', "chunking=Pieces()"), ("def create_app(", PIECES)],
        "'swordfish' left the application, in the JSON strings at",
    ),
    "a slow browser that stalls others": (
        [
            (SENTENCE, f"                        async with LOCK:\n    {SENTENCE}"),
            ("def event(", "import asyncio\n\nLOCK = asyncio.Lock()\n\ndef event("),
        ],
        "fast.reads|Nothing can wake this program",
    ),
}


def run_suite(folder: Path, replacements: list[tuple[str, str]]) -> subprocess.CompletedProcess[str]:
    """Run the suite of the example in a folder, with some text of the application replaced."""
    copytree(EXAMPLE, folder / "suite")
    (folder / "pytest.ini").write_text(f"{INI}pythonpath = suite\n")
    app = folder / "suite" / "chat_app.py"
    source = app.read_text("utf-8")
    for old, new in replacements:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    app.write_text(source, "utf-8")
    options = ["-q", "-p", "no:randomly", "-p", "no:cacheprovider", "suite"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("COV", "PYTEST"))}
    command = [sys.executable, "-m", "pytest", *options]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_the_suite_of_the_chat_app_passes(tmp_path):
    done = run_suite(tmp_path, [])
    assert done.returncode == pytest.ExitCode.OK, done.stdout + done.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_the_suite_of_the_chat_app_fails_with_a_planted_fault(tmp_path, fault):
    replacements, reason = FAULTS[fault]
    done = run_suite(tmp_path, replacements)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert re.search(reason, done.stdout, re.DOTALL), done.stdout
