"""The driver's side of a worker: start it, send it requests, and end it if it takes too long."""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from typing import TYPE_CHECKING, Any

from benchmarks.peers.environments import CACHE, ROOT, clean

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.peers.environments import Environment

STARTED = 60.0  # seconds, the most that starting and importing may add to the first answer


class WorkerDiedError(Exception):
    """A worker ended without an answer."""

    def __init__(self, adapter: str, request: dict[str, Any], log: Path) -> None:
        said = log.read_text(encoding="utf-8", errors="replace")[-2_000:]
        super().__init__(f"The worker of {adapter} ended instead of answering {request}:\n{said}")


class Worker:
    """A process in a contender's environment that measures on request."""

    def __init__(self, environment: Environment, adapter: str, texts: Path) -> None:
        self.environment = environment
        self.adapter = adapter
        self.texts = texts
        self.log = CACHE / f"{adapter}.log"
        self._process: subprocess.Popen[str] | None = None
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()

    def ask(self, do: str, limit: float | None = None, **request: Any) -> dict[str, Any] | None:  # noqa: ANN401
        """Have one thing done.

        Args:
            do: the action's name.
            limit: seconds of real time after which the worker is ended, and the answer is None.
            request: the action's arguments.

        Raises:
            WorkerDiedError: it ended by itself.
        """
        fresh = self._process is None
        process = self._process or self._start()
        assert process.stdin is not None
        process.stdin.write(json.dumps({"do": do, **request}) + "\n")
        process.stdin.flush()
        try:
            line = self._lines.get(timeout=limit and limit + fresh * STARTED)
        except queue.Empty:
            self.close()
            return None
        if not line:
            self.close()
            raise WorkerDiedError(self.adapter, {"do": do, **request}, self.log)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process. The next request starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _start(self) -> subprocess.Popen[str]:
        self._lines = queue.SimpleQueue()
        command = [str(self.environment.python), "-m", "benchmarks.peers.worker", self.adapter, str(self.texts)]
        with self.log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True, cwd=ROOT, env=clean()
            )
        threading.Thread(target=_read, args=(self._process, self._lines), daemon=True).start()
        return self._process


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Pass the answers on, and an empty line for the end."""
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")
