"""Compare the council and its command with conclave: python -m benchmarks.councils [ROUNDS].

Both run 16 scenarios of the command line, and a council of three of which one member fails: 12 faults in 3 protocols.
All providers are one server of this package on loopback. Then each command streams to a pipe, and the first delta is
timed. conclave gets an environment of its own, as in `benchmarks.peers`.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from benchmarks.councils.commands import OURS, PEER, SCENARIOS, run_ours, run_peer
from benchmarks.councils.first_delta import BARE, measure
from benchmarks.councils.served import FAULTS, GOOD, PROTOCOLS, environment, serve
from benchmarks.peers.environments import Environment
from pytest_streamval import Council

if TYPE_CHECKING:
    Result = tuple[str, bool, list[str]]  # the text of the failing member, whether it has an error, the other texts

CONCLAVE = Environment("conclave", "conclave-cli==1.3.0", "import conclave")
ROUNDS = 11
LIMIT = 20.0  # milliseconds from the provider's first delta to the pipe, more than a bare socket takes
REASONS = {
    "truncate": "a stream without its last frame is an error here, and a complete answer there",
    "invalid_utf8": "a byte that is no UTF-8 is an error here, and is replaced there",
}


def main() -> None:
    """Print the comparison."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    CONCLAVE.ensure()
    with TemporaryDirectory() as folder, serve() as server:
        variables = environment(server, Path(folder))
        differences = compare_commands(variables) + compare_faults(variables)
        compare_first_deltas(variables, rounds)
    print(f"\n{differences} differences without a reason.")
    raise SystemExit(differences > 0)


def compare_commands(variables: dict[str, str]) -> int:
    """Print each scenario, and return the number of differences without a reason."""
    print(f"{len(SCENARIOS)} scenarios of the command line: exit code, texts")
    unexplained = 0
    for scenario in SCENARIOS:
        ours, theirs = run_ours(scenario, variables), run_peer(CONCLAVE.python, scenario, variables)
        shown = f"{ours.code}, {len(ours.texts)} texts"
        if ours == theirs:
            print(f"  {scenario.name:26} {shown}", flush=True)
            continue
        unexplained += scenario.reason is None
        print(f"  {scenario.name:26} {shown} here, {theirs.code}, {len(theirs.texts)} texts there: {scenario.reason}")
    return unexplained


def compare_faults(variables: dict[str, str]) -> int:
    """Print each fault and protocol that differs, and return the number of differences without a reason."""
    models = [(protocol, fault) for fault in FAULTS for protocol in PROTOCOLS]
    words = [f"{protocol}/{fault}" for protocol, fault in models]
    done = subprocess.run(
        [str(CONCLAVE.python), str(PEER), "faults", *words],
        capture_output=True,
        text=True,
        check=True,
        env=variables,
        timeout=600,
    )
    theirs = [tuple(json.loads(line)[1:]) for line in done.stdout.splitlines()]
    os.environ.update(variables)
    ours = [asyncio.run(outcome(f"{protocol}:{fault}")) for protocol, fault in models]
    print(f"\n{len(FAULTS)} faults x {len(PROTOCOLS)} protocols: the text of the member, whether it has an error")
    equal = unexplained = 0
    for (protocol, fault), here, there in zip(models, ours, theirs, strict=True):
        assert here[2] == list(there[2]) == [GOOD.text] * 2, (protocol, fault, here, there)  # the other members
        if here[:2] == there[:2]:
            equal += 1
            continue
        unexplained += fault not in REASONS
        print(f"  {protocol:9} {fault:16} {here[:2]} here, {there[:2]} there: {REASONS.get(fault)}")
    print(f"  {equal} of {len(models)} are equal. The two other members are complete in all of them, here and there.")
    return unexplained


async def outcome(model: str) -> Result:
    """Return the text of a model that fails, whether it has an error, and the texts of the other two."""
    names = ["openai:good", model, "anthropic:good"]
    async with Council(names, timeout=20) as council:
        events = [event async for event in council.ask_stream("Say it.", synthesize=False)]
    first, failing, last = events[-1].result.answers  # type: ignore[union-attr]  # the last event has the result
    return failing.text, failing.error is not None, [first.text, last.text]


def compare_first_deltas(variables: dict[str, str], rounds: int) -> None:
    """Print the time of the first delta on a pipe."""

    def ours(url: str) -> tuple[list[str], dict[str, str]]:
        command = [*OURS, "ask", "Say it.", "-m", "openai:good", "--mode", "raw", "--stream", "--no-cache"]
        return command, {**variables, "OPENAI_BASE_URL": url}

    def theirs(url: str) -> tuple[list[str], dict[str, str]]:
        options = ["--council", "openai/good", "--mode", "raw", "--stream", "--no-cache"]
        return [str(CONCLAVE.python), str(PEER), "command", "ask", "Say it.", *options], {**variables, "PEER_URL": url}

    def bare(url: str) -> tuple[list[str], dict[str, str]]:
        return [sys.executable, "-c", BARE, url], variables

    print(f"\nthe first delta on a pipe after the provider's, milliseconds, {rounds} rounds in turn")
    found = measure({"streamval": ours, "conclave": theirs, "a bare socket": bare}, rounds)
    for name, times in found.items():
        print(f"  {name:14} median {statistics.median(times):.1f} ({min(times):.1f}-{max(times):.1f})")
    more = statistics.median(a - b for a, b in zip(found["streamval"], found["a bare socket"], strict=True))
    print(f"  streamval takes {more:.1f} more than a bare socket, {'within' if more <= LIMIT else 'ABOVE'} {LIMIT:g}")


if __name__ == "__main__":
    main()
