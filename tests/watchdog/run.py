"""A watchdog for pytest: `python tests/watchdog/run.py SECONDS [arguments of pytest]`.

It ends a run that prints nothing for so many seconds, after each of its processes has written its traceback: those of
pytest, of the workers of pytest-xdist, and of all that tests have started. It does this from outside, as a test can
stop whatever runs beside it: a pytest that fails inside a test cancels the timer of faulthandler.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STOOD_STILL = 124  # the exit code, as that of timeout(1)
_HERE = Path(__file__).parent
_TO_END = 10  # seconds in which the processes write their tracebacks and end


class Watchdog:
    """Runs a command, and ends it if it stands still."""

    def __init__(self, command: Sequence[str], patience: float, show: Callable[[bytes], None]) -> None:
        """Prepare a run.

        Args:
            command: the program and its arguments.
            patience: seconds without output after which the run is ended; it may be changed meanwhile.
            show: takes the output.
        """
        self.patience = patience
        self._command = command
        self._show = show

    def run(self) -> int:
        """Run the command, and return its exit code."""
        with TemporaryDirectory(prefix="traces") as folder:
            path = os.pathsep.join(filter(None, [str(_HERE), os.environ.get("PYTHONPATH")]))
            with subprocess.Popen(
                self._command,
                env={**os.environ, "PYTHONPATH": path, "STREAMVAL_TRACES": folder},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                process_group=0,
            ) as process:
                while True:
                    try:
                        if self._ends(process):
                            return process.wait()
                        break
                    except KeyboardInterrupt:
                        _signal(process, signal.SIGINT)
                self._end(process, Path(folder))
        return STOOD_STILL

    def _ends(self, process: subprocess.Popen[bytes]) -> bool:
        """Show the output, and return whether it came to its end; False once there is none for too long."""
        assert process.stdout is not None
        while select.select([process.stdout], [], [], self.patience)[0]:
            data = os.read(process.stdout.fileno(), 65_536)
            if not data:
                return True
            self._show(data)
        return False

    def _end(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self._show(b"\nThe run stands still: it is ended. This is where its processes were.\n")
        _signal(process, signal.SIGUSR1)
        self.patience = _TO_END
        self._ends(process)
        _signal(process, signal.SIGKILL)
        process.wait()
        for path in sorted(folder.iterdir()):
            command, _, trace = path.read_text(errors="replace").partition("\n")
            if trace:
                self._show(f"\nProcess {path.name}: {command}\n{trace}".encode())


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the process and to all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def main(patience: str, *arguments: str) -> int:
    """Watch a run of pytest; a debugger needs the terminal, and is left alone."""
    command = [sys.executable, "-m", "pytest", *arguments]
    if not {"--pdb", "--trace"}.isdisjoint(arguments):
        return subprocess.run(command, check=False).returncode
    if sys.stdout.isatty():
        command.append("--color=yes")
    return Watchdog(command, float(patience), _write).run()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
