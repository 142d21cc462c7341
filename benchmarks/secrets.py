"""The cost of secrets: python -m benchmarks.secrets [COMMIT].

It measures the redaction of requests and responses, recording and matching, in process time. With a commit, it measures
the code of that commit too, in processes of their own and in turn, and prints the ratios. They must be at most 1.1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
STREAMS = ROOT / "tests" / "data" / "streams"
KEY = "sk-proj-Abc0123456789xyzABCDEFGH"
PROSE = "It rains a lot in the north of the town, and the river is high. Take a coat: it is cold! What = that? "
ROUNDS = 15
PROCESSES = 3
LEAST = 0.02  # seconds of a round
AT_MOST = 1.1


def cases() -> dict[str, Callable[[], object]]:
    """Return the works that are measured, by name. They use only what old commits have too."""
    from pytest_streamval.http.request import HttpRequest
    from pytest_streamval.http.secrets import Secrets
    from pytest_streamval.recordings.cassette import Cassette
    from pytest_streamval.recordings.matching import CassetteMatcher
    from pytest_streamval.recordings.stream_recorder import StreamRecorder, body_of, path_of

    try:
        from pytest_streamval.recordings.redacted_responses import redacted
    except ImportError:  # an earlier commit, with the module's earlier name
        from pytest_streamval.recordings.redaction import redacted  # type: ignore[import-not-found,no-redef]

    def request(*contents: str) -> HttpRequest:
        messages = [{"role": "user", "content": content} for content in contents]
        body = {"model": "gpt-4.1", "messages": messages, "stream": True, "temperature": 0.5, "max_tokens": 100}
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json", "accept": "*/*"}
        return HttpRequest("https://api.openai.com/v1/chat/completions", json.dumps(body).encode(), headers)

    def redact_request(sent: HttpRequest) -> None:
        secrets = Secrets.of(sent, [KEY])
        path_of(sent.url, secrets)
        body_of(sent, secrets)

    def record(sent: HttpRequest, reads: list[bytes]) -> None:
        secrets = Secrets.of(sent, [KEY])
        recorder = StreamRecorder(sent, secrets, protocol="openai", provider="openai", clock=time.monotonic)
        recorder.begin(200, {"content-type": "text/event-stream"})
        for data in reads:
            recorder.read(data)
        recorder.end("complete")
        recorder.cassette(Path("it.jsonl"))

    small, chat = request("What is the weather like in Paris today?"), request(*[PROSE * 3] * 40)
    code = (ROOT / "pytest_streamval" / "engine" / "orchestrator.py").read_text(encoding="utf-8")
    streams = {path.stem: [read.data for read in Cassette.load(path).reads] for path in STREAMS.glob("*story.jsonl")}
    known = Secrets.of(chat)
    header = {"protocol": "openai", "method": "POST", "path": path_of(chat.url, known), "request": body_of(chat, known)}
    others = [Cassette("a", {**header, "request": {**body_of(chat, known), "temperature": 1}}, ())] * 50  # type: ignore[dict-item]
    found: dict[str, Callable[[], object]] = {
        "a small request": lambda: redact_request(small),
        "a chat of 40 messages": lambda: redact_request(chat),
        "a prompt of 100 kB": lambda: redact_request(request(PROSE * 1000)),
        "a prompt of code": lambda: redact_request(request(code * 3)),
        "matching with 51 recordings": lambda: CassetteMatcher([*others, Cassette("b", header, ())]).take(
            chat, "openai"
        ),
    }
    for name, reads in streams.items():
        found[f"the response {name}"] = lambda reads=reads: redacted(reads, known)  # type: ignore[misc]
        found[f"recording {name}"] = lambda reads=reads: record(small, reads)  # type: ignore[misc]
    return found


def measured() -> dict[str, float]:
    """Return the lowest seconds of each work."""
    times: dict[str, float] = {}
    for name, work in cases().items():
        work()  # warm up
        times[name] = min(_seconds(work) for _ in range(ROUNDS))
    return times


def _seconds(work: Callable[[], object]) -> float:
    count, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < LEAST:
        work()
        count += 1
    return spent / count


def _in_process(folder: Path) -> dict[str, float]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, str(Path(__file__)), "--measure"]
    printed = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True).stdout
    times: dict[str, float] = json.loads(printed)
    return times


def compare(commit: str) -> int:
    """Print the time of each work, and its ratio to that of a commit. Return the number of ratios that are too high."""
    with TemporaryDirectory() as folder:
        before = Path(folder) / "before"
        subprocess.run(["git", "worktree", "add", "-q", "--detach", before, commit], cwd=ROOT, check=True)  # noqa: S607
        try:
            pairs = [(_in_process(before), _in_process(ROOT)) for _ in range(PROCESSES)]
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", before], cwd=ROOT, check=True)  # noqa: S607
    missed = 0
    for name in pairs[0][1]:
        old, new = (min(pair[side][name] for pair in pairs) for side in (0, 1))
        missed += new > AT_MOST * old
        print(f"{name:32} {new * 1e6:10,.0f} us   {new / old:5.2f} times {commit}")
    return missed


def main(arguments: list[str]) -> int:
    """Print the measurements, and return the number of missed limits."""
    if arguments == ["--measure"]:
        print(json.dumps(measured()))
        return 0
    if arguments:
        return compare(arguments[0])
    for name, seconds in measured().items():
        print(f"{name:32} {seconds * 1e6:10,.0f} us")
    return 0


if __name__ == "__main__":
    sys.exit(bool(main(sys.argv[1:])))
