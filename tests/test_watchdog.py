"""The watchdog that ends a run of the tests which stands still."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

WATCHDOG = Path(__file__).parent / "watchdog" / "run.py"

# It writes to standard error, which a worker of pytest-xdist shares with the run. A run inside this process has failed
# before, and has cancelled the timer of faulthandler.
STANDS_STILL = """
import os
import threading

pytest_plugins = ["pytester"]

def stand_still():
    os.write(2, b"standing still")
    threading.Event().wait()

def test_it(pytester):
    pytester.makepyfile(test_inner="def test_fails():\\n    assert False\\n")
    assert pytester.runpytest_inprocess().ret == 1
    stand_still()
"""
STARTS_ONE_THAT_DOES = """
import subprocess
import sys

def stand_still():
    code = "import os, threading\\ndef wait():\\n    os.write(2, b'standing still')\\n"
    code += "    threading.Event().wait()\\nwait()"
    subprocess.run([sys.executable, "-c", code])

def test_it():
    stand_still()
"""


@pytest.fixture
def watchdog():
    spec = spec_from_file_location("watchdog", WATCHDOG)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Shown:
    """Takes the output of a run, and takes the watchdog's patience away once the run stands still."""

    def __init__(self, watchdog, command):
        self.watchdog = watchdog.Watchdog(command, 60, self.show)
        self.output = b""

    def show(self, data):
        self.output += data
        if b"standing still" in self.output and self.watchdog.patience == 60:
            self.watchdog.patience = 0

    def run(self):
        code = self.watchdog.run()
        return code, self.output.decode()


@pytest.mark.parametrize("workers", ["0", "1"], ids=["alone", "spread"])
@pytest.mark.parametrize("test", [STANDS_STILL, STARTS_ONE_THAT_DOES], ids=["itself", "a process of its own"])
def test_a_run_that_stands_still_is_ended_with_the_tracebacks_of_its_processes(watchdog, tmp_path, test, workers):
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["-s", "-n", workers, "-p", "no:cacheprovider", "-p", "no:randomly", f"--basetemp={tmp_path / 'base'}"]
    command = [sys.executable, "-m", "pytest", str(tmp_path), *options]
    code, output = Shown(watchdog, command).run()
    assert code == watchdog.STOOD_STILL
    _, *processes = output.partition("The run stands still")[2].split("\nProcess ")
    assert len(processes) == 1 + (test is STARTS_ONE_THAT_DOES) + int(workers)
    assert any("test_it.py" in process and "in stand_still" in process for process in processes)
    if test is STARTS_ONE_THAT_DOES:
        assert any('"<string>"' in process and "in wait" in process for process in processes)


def test_a_process_that_ignores_the_question_is_ended_too(watchdog):
    code = (
        "import signal, threading\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\nprint('standing still', flush=True)\n"
    )
    shown = Shown(watchdog, [sys.executable, "-S", "-c", f"{code}threading.Event().wait()"])
    watchdog._TO_END = 0
    assert shown.run()[0] == watchdog.STOOD_STILL


@pytest.mark.parametrize("code", [0, 3])
def test_a_run_that_ends_by_itself_keeps_its_output_and_its_exit_code(watchdog, code):
    shown = Shown(watchdog, [sys.executable, "-c", f"import sys; print('done'); sys.exit({code})"])
    assert shown.run() == (code, "done\n")


def test_an_interruption_goes_to_the_run(watchdog):
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # a job in the background ignores it
    code += "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\nprint('ready', flush=True)\n"
    code += "signal.sigwait({signal.SIGINT})\nprint('stopped')"
    shown = Shown(watchdog, [sys.executable, "-c", code])
    take = shown.watchdog._show

    def interrupt(data):
        take(data)
        if b"ready" in data:  # the end of the line may come by itself
            raise KeyboardInterrupt

    shown.watchdog._show = interrupt
    assert shown.run() == (0, "ready\nstopped\n")


def test_the_command_line_runs_pytest(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    command = [sys.executable, str(WATCHDOG), "600", str(tmp_path), "-c", "/dev/null", "-p", "no:cacheprovider"]
    for more in ([], ["--pdb"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert "1 passed" in done.stdout
    assert signal.getsignal(signal.SIGUSR1) in {signal.SIG_DFL, None}
