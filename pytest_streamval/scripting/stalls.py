"""The hook of scripted stalls, apart from the steps: every run of pytest loads this module."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Callable
    from contextlib import AbstractContextManager

limits: list[Callable[[Future[None], str], AbstractContextManager[None]]] = []
"""Context managers for the time of a stall, which may end it by an exception of the future; the last one is used."""
