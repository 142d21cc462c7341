"""`start_session`: a session over whatever names, is or plays a backend."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar, overload

from pytest_streamval.engine.backend import Backend
from pytest_streamval.errors import InvalidArgumentError, UnknownProviderError, excerpt
from pytest_streamval.scripting.script import Script
from pytest_streamval.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pytest_streamval.engine.context import Context
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.scripting.mock import StreamingMockBackend

B = TypeVar("B", bound=Backend)


@overload
def start_session(  # type: ignore[overload-overlap]  # a str is a sequence of str too, and means a spec
    backend: str | None = None, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
) -> Session[LiveBackend]: ...


@overload
def start_session(
    backend: Script | Sequence[Script | str],
    *,
    ctx: Context | None = None,
    model_options: Mapping[str, object] | None = None,
) -> Session[StreamingMockBackend]: ...


@overload
def start_session(
    backend: B, *, ctx: Context | None = None, model_options: Mapping[str, object] | None = None
) -> Session[B]: ...


def start_session(
    backend: Backend | str | Script | Sequence[Script | str] | None = None,
    *,
    ctx: Context | None = None,
    model_options: Mapping[str, object] | None = None,
) -> Session:
    """Start a session; in a `with` or `async with` block it is closed at the end.

    Args:
        backend: a backend; a spec such as `"ollama:granite4:micro"`; a `Script` for the mock, or a list of scripts and
            texts, one for each call. None for the spec in `STREAMVAL_BACKEND`, at the address in `STREAMVAL_URL`, or
            for `"ollama:granite4:micro"`.
        ctx: where the first request begins; None for a new `SimpleContext`, in which each request is on its own.
        model_options: for every request, unless it has others.

    Raises:
        UnknownProviderError: a `ValueError`; the spec names no provider that is known.
        InvalidArgumentError: a `TypeError` and a `ValueError`; an argument does not fit, or an option is misspelt.
    """
    return Session(_backend(backend, model_options), ctx=ctx, model_options=model_options)


def _backend(given: object, model_options: Mapping[str, object] | None) -> Backend:
    if isinstance(given, Backend):
        return given
    if given is None or isinstance(given, str):
        return _live(given, model_options)
    if isinstance(given, Script):
        return _playing(given)
    if isinstance(given, list | tuple):
        return _playing(*given)
    rule = 'It must be a Backend, a spec such as "ollama:granite4:micro", or a Script, or a list of them, for the mock.'
    if isinstance(given, type):
        rule += f" That is the class; pass an instance, {given.__name__}(...)."
    raise InvalidArgumentError("backend", excerpt(given), rule)


def _playing(*scripts: Script | str) -> Backend:
    from pytest_streamval.scripting.mock import StreamingMockBackend

    return StreamingMockBackend(*scripts)


def _live(spec: str | None, model_options: Mapping[str, object] | None) -> Backend:
    from pytest_streamval.live.backend import LiveBackend
    from pytest_streamval.live.providers import DEFAULT

    url = None
    if spec is None:  # the address is that of the chosen backend, and of no other
        spec, url = os.environ.get("STREAMVAL_BACKEND") or DEFAULT, os.environ.get("STREAMVAL_URL")
    try:
        # the options once more, for who asks session.backend by himself
        return LiveBackend(spec, base_url=url, model_options=model_options)
    except UnknownProviderError as error:
        error.add_note("A text for the mock to send is a script: start_session(Script.from_text(...)).")
        raise
