"""The hook of scripted stalls, in its own module, as every run of pytest loads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable
    from contextlib import AbstractContextManager

limits: list[Callable[[Future[None], str], AbstractContextManager[None]]] = []
"""Context managers for the time of a stall. They may set an exception of its future. The last one is used."""
