"""Councils whose members play scripts: what the fixture `council` makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, overload

from pytest_streamval.council.council import Council
from pytest_streamval.engine.backend import Backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_streamval.council.members import Member
    from pytest_streamval.scripting.mock import StreamingMockBackend
    from pytest_streamval.scripting.script import Script

    Texts: TypeAlias = str | Script | Sequence[str | Script]
    """The text or script that a mock plays for its one call, or one for each call."""
    Scripted: TypeAlias = Texts | Backend
    """What a member plays, or its backend."""


class CouncilFactory:
    """Makes councils: `council("One.", "Two.", synthesizer="Both.")`, `council({"alice": "One.", "bob": "Two."})`."""

    def __init__(self, make_backend: Callable[..., Backend]) -> None:
        """Make a factory.

        Args:
            make_backend: makes a backend of scripts, as the fixture `streaming_mock_backend` does.
        """
        self._make_backend = make_backend

    @overload
    def __call__(
        self,
        *members: Texts | Mapping[str, Texts],
        synthesizer: Texts,
        token_size: int = 1,
        **options: Any,  # noqa: ANN401  # those of Council
    ) -> Council[StreamingMockBackend, Member[StreamingMockBackend]]: ...

    @overload
    def __call__(
        self,
        *members: Texts | Mapping[str, Texts],
        synthesizer: None = None,
        token_size: int = 1,
        **options: Any,  # noqa: ANN401  # as above
    ) -> Council[StreamingMockBackend, None]: ...

    @overload
    def __call__(
        self,
        *members: Scripted | Mapping[str, Scripted],
        synthesizer: Scripted,
        token_size: int = 1,
        **options: Any,  # noqa: ANN401  # as above
    ) -> Council[Backend, Member[Backend]]: ...

    @overload
    def __call__(
        self,
        *members: Scripted | Mapping[str, Scripted],
        synthesizer: None = None,
        token_size: int = 1,
        **options: Any,  # noqa: ANN401  # as above
    ) -> Council[Backend, None]: ...

    def __call__(
        self,
        *members: Scripted | Mapping[str, Scripted],
        synthesizer: Scripted | None = None,
        token_size: int = 1,
        **options: Any,  # those of Council
    ) -> Council[Any, Any]:
        """Make a council.

        Args:
            members: what each plays; they are called `member-1`, `member-2`, ... unless a mapping names them.
            synthesizer: what the synthesizer plays.
            token_size: characters in each delta of a text.
            options: of `Council`.
        """
        named: dict[str, Scripted] = {}
        for member in members:
            named.update(member if isinstance(member, Mapping) else {f"member-{len(named) + 1}": member})
        models = {name: self._backend(scripted, token_size) for name, scripted in named.items()}
        merging = None if synthesizer is None else self._backend(synthesizer, token_size)
        return Council(models, synthesizer=merging, **options)

    def _backend(self, scripted: Scripted, token_size: int) -> Backend:
        if isinstance(scripted, Backend):
            return scripted
        if isinstance(scripted, Sequence) and not isinstance(scripted, str):
            return self._make_backend(*scripted, token_size=token_size)
        return self._make_backend(scripted, token_size=token_size)
