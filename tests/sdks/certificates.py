"""Certificates: the official clients read all that there are, each time that one is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import certifi

if TYPE_CHECKING:
    from collections.abc import Callable

_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", re.DOTALL)


def few_certificates(folder: Path, set_variable: Callable[[str, str], object]) -> None:
    """Leave the clients one certificate; over loopback they need none, and reading all takes longer than an answer.

    Args:
        folder: where it is written.
        set_variable: sets a variable of the environment.
    """
    first = _CERTIFICATE.search(Path(certifi.where()).read_text(encoding="ascii", errors="ignore"))
    assert first is not None
    path = folder / "one.pem"
    path.write_text(first[0], encoding="ascii")
    set_variable("SSL_CERT_FILE", str(path))
