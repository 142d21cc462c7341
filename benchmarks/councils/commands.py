"""The scenarios of the command line, and what each command makes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

PEER = Path(__file__).with_name("peer.py")
OURS = [sys.executable, "-c", "from pytest_streamval.cli import main; raise SystemExit(main())"]


class Outcome(NamedTuple):
    """The end of a command."""

    code: int
    """Its exit code."""
    texts: tuple[str, ...]
    """The texts of usable answers, and of the synthesis, in the output."""


class Scenario(NamedTuple):
    """A call of both commands with the same meaning."""

    name: str
    models: tuple[str, ...]
    """The models of the members, at OpenAI."""
    synthesizer: str | None = None
    mode: str = "raw"
    options: tuple[str, ...] = ()
    has_key: bool = True
    reason: str | None = None
    """The reason why the outcomes differ, or None if they must be equal."""


SCENARIOS = (
    Scenario("one member", ("good",)),
    Scenario("one member, streamed", ("good",), options=("--stream",)),
    Scenario("two members", ("good", "other")),
    Scenario("two members, streamed", ("good", "other"), options=("--stream",)),
    Scenario("a synthesis", ("good", "other"), "good", "synthesize"),
    Scenario("a synthesis, streamed", ("good", "other"), "good", "synthesize", ("--stream",)),
    Scenario("JSON with --stream", ("good", "other"), options=("--json", "--stream")),
    Scenario("a debate", ("good", "other"), "good", "debate"),
    Scenario("an adversarial run", ("good", "other"), "good", "adversarial"),
    Scenario("an unknown mode", ("good",), mode="nonsense"),
    Scenario("--stream with a debate", ("good", "other"), "good", "debate", ("--stream",)),
    Scenario("one of two members fails", ("good", "bad"), options=("--stream",)),
    Scenario("every member fails", ("bad",), options=("--stream",)),
    Scenario("an empty answer", ("empty",), options=("--stream",)),
    Scenario(
        "no key",
        ("good",),
        has_key=False,
        reason="a server at another address than the provider's own may need no key here, such as this one",
    ),
    Scenario(
        "a failed synthesis",
        ("good",),
        "bad",
        "synthesize",
        reason="answers were given, so the exit code is 0 here, and 3 with --strict as there",
    ),
)


def run_ours(scenario: Scenario, environment: dict[str, str]) -> Outcome:
    """Run `streamval ask`."""
    words = [word for model in scenario.models for word in ("-m", f"openai:{model}")]
    synthesizer = [] if scenario.synthesizer is None else ["-s", f"openai:{scenario.synthesizer}"]
    command = [*OURS, "ask", "Say it.", *words, *synthesizer, "--mode", scenario.mode, "--no-cache", *scenario.options]
    return _run(command, scenario, environment)


def run_peer(python: Path, scenario: Scenario, environment: dict[str, str]) -> Outcome:
    """Run `conclave ask`."""
    members = ",".join(f"openai/{model}" for model in scenario.models)
    synthesizer = [] if scenario.synthesizer is None else ["-s", f"openai/{scenario.synthesizer}"]
    options = ["--council", members, *synthesizer, "--mode", scenario.mode, "--no-cache", *scenario.options]
    return _run([str(python), str(PEER), "command", "ask", "Say it.", *options], scenario, environment)


def _run(command: list[str], scenario: Scenario, environment: dict[str, str]) -> Outcome:
    if not scenario.has_key:
        environment = {name: value for name, value in environment.items() if name != "OPENAI_API_KEY"}
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env=environment, timeout=120, stdin=subprocess.DEVNULL
    )
    output = done.stdout
    if "--json" in scenario.options and done.returncode == 0:
        answers = json.loads(output)["answers"]
        output = "\n".join(each.get("text") or each.get("answer") or "" for each in answers)
    known = ("One two three four.", "Another answer.")
    return Outcome(done.returncode, tuple(text for text in known if text in " ".join(output.split())))
