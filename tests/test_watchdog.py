"""The watchdog, which ends a run of the tests that hangs."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

WATCHDOG = Path(__file__).parent / "watchdog" / "run.py"

# Standard error is shared by a worker of pytest-xdist and the run. A failing run in the process of the test has
# cancelled the timer of faulthandler.
HANGS = """
import os
import threading

pytest_plugins = ["pytester"]

def hang():
    os.write(2, b"hanging")
    threading.Event().wait()

def test_it(pytester):
    pytester.makepyfile(test_inner="def test_fails():\\n    assert False\\n")
    assert pytester.runpytest_inprocess().ret == 1
    hang()
"""
STARTS_A_PROCESS_THAT_HANGS = """
import subprocess
import sys

def hang():
    code = "import os, threading\\ndef wait():\\n    os.write(2, b'hanging')\\n"
    code += "    threading.Event().wait()\\nwait()"
    subprocess.run([sys.executable, "-c", code])

def test_it():
    hang()
"""


@pytest.fixture
def watchdog():
    spec = spec_from_file_location("watchdog", WATCHDOG)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Output:
    """The output of a run. It ends the patience of the watchdog when the run hangs."""

    def __init__(self, watchdog, command):
        self.watchdog = watchdog.Watchdog(command, 60, self.show)
        self.output = b""

    def show(self, data):
        self.output += data
        if b"hanging" in self.output and self.watchdog.patience == 60:
            self.watchdog.patience = 0

    def run(self):
        code = self.watchdog.run()
        return code, self.output.decode()


@pytest.fixture
def few_plugins(monkeypatch):
    """Load only pytest-xdist, so that the runs start quickly."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "xdist.plugin")


@pytest.mark.usefixtures("few_plugins")
@pytest.mark.parametrize(
    ("test", "workers"),
    [(HANGS, "0"), (HANGS, "1"), (STARTS_A_PROCESS_THAT_HANGS, "1")],
    ids=["one process", "a worker", "a process of a worker"],
)
def test_a_run_that_hangs_is_ended_with_the_tracebacks_of_its_processes(watchdog, tmp_path, test, workers):
    (tmp_path / "test_it.py").write_text(test, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    options = ["-s", "-n", workers, "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'base'}"]
    command = [sys.executable, "-m", "pytest", str(tmp_path), *options]
    code, output = Output(watchdog, command).run()
    assert code == watchdog.HUNG
    _, *processes = output.partition("The run hangs")[2].split("\nProcess ")
    assert len(processes) == 1 + (test is STARTS_A_PROCESS_THAT_HANGS) + int(workers)
    assert any("test_it.py" in process and "in hang" in process for process in processes)
    if test is STARTS_A_PROCESS_THAT_HANGS:
        assert any('"<string>"' in process and "in wait" in process for process in processes)


def test_a_process_that_ignores_the_signal_is_ended_too(watchdog):
    code = "import signal, threading\nsignal.signal(signal.SIGUSR1, signal.SIG_IGN)\nprint('hanging', flush=True)\n"
    output = Output(watchdog, [sys.executable, "-S", "-c", f"{code}threading.Event().wait()"])
    watchdog._TO_END = 0
    assert output.run()[0] == watchdog.HUNG


@pytest.mark.parametrize("code", [0, 3])
def test_a_run_that_ends_by_itself_keeps_its_output_and_its_exit_code(watchdog, code):
    output = Output(watchdog, [sys.executable, "-c", f"import sys; print('done'); sys.exit({code})"])
    assert output.run() == (code, "done\n")


def test_an_interrupt_is_passed_to_the_run(watchdog):
    code = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n"  # a job in the background ignores it
    code += "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\nprint('ready', flush=True)\n"
    code += "signal.sigwait({signal.SIGINT})\nprint('stopped')"
    output = Output(watchdog, [sys.executable, "-c", code])
    take = output.watchdog._show

    def interrupt(data):
        take(data)
        if b"ready" in data:  # the end of the line may come by itself
            raise KeyboardInterrupt

    output.watchdog._show = interrupt
    assert output.run() == (0, "ready\nstopped\n")


@pytest.mark.usefixtures("few_plugins")
def test_the_command_line_runs_pytest(tmp_path):
    (tmp_path / "test_it.py").write_text("def test_it():\n    pass\n", encoding="utf-8")
    command = [sys.executable, str(WATCHDOG), "600", str(tmp_path), "-c", "/dev/null", "-p", "no:cacheprovider"]
    for more in ([], ["--pdb"]):
        done = subprocess.run([*command, *more], capture_output=True, text=True, check=True)
        assert "1 passed" in done.stdout
    assert signal.getsignal(signal.SIGUSR1) in {signal.SIG_DFL, None}
