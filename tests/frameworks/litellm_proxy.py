"""A process of LiteLLM's proxy, which forwards requests to the providers that they name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

KEY = "sk-0123456789abcdef0123456789abcdef"
"""The key of the proxy. It refuses to start with a short one."""
_CONFIG = f"""
model_list:
  - model_name: "*"
    litellm_params:
      model: "*"
      api_key: none
      configurable_clientside_auth_params: ["api_base"]
general_settings:
  master_key: {KEY}
router_settings:
  disable_cooldowns: true  # otherwise a fault would have an effect on later calls
"""
_START = 240.0  # seconds
_END = 30.0  # seconds
_PAUSE = 0.1  # seconds between two looks


class LiteLLMProxy:
    """The proxy. It listens on loopback, and has no database."""

    def __init__(self) -> None:
        """Start the process, and wait until it is ready."""
        self._folder = TemporaryDirectory()
        self._log = Path(self._folder.name, "log.txt")
        config = Path(self._folder.name, "config.yaml")
        config.write_text(_CONFIG, encoding="utf-8")
        port = _free_port()
        command = [Path(sys.executable).with_name("litellm"), "--config", config, "--host", "127.0.0.1", "--port", port]
        with self._log.open("w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                list(map(str, command)),
                cwd=self._folder.name,
                env={**os.environ, "PYTHONUTF8": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = f"http://127.0.0.1:{port}"
        """The address."""
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + _START
        while True:
            try:
                httpx2.get(f"{self.url}/health/readiness", trust_env=False).raise_for_status()
            except httpx2.HTTPError:
                if self._process.poll() is not None or time.monotonic() > end:
                    text = self._log.read_text(encoding="utf-8", errors="replace")
                    raise RuntimeError(f"The proxy of LiteLLM has not started:\n{text}") from None
                time.sleep(_PAUSE)
            else:
                return

    def close(self) -> None:
        """End the process, and wait for its end."""
        self._process.terminate()
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._folder.cleanup()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port
