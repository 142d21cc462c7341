"""Certificates: every new client reads all of them, which takes longer than a response."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

if TYPE_CHECKING:
    from collections.abc import Callable

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


def few_certificates(folder: Path, set_variable: Callable[[str, str], object]) -> None:
    """Give the clients a file with one certificate. Over loopback they need none.

    Args:
        folder: The folder for the file.
        set_variable: Sets a variable of the environment.
    """
    first = _CERTIFICATE.search(Path(certifi.where()).read_text(encoding="ascii", errors="ignore"))
    assert first is not None
    path = folder / "one.pem"
    path.write_text(first[0], encoding="ascii")
    set_variable("SSL_CERT_FILE", str(path))
