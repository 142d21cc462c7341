"""`CouncilFactory`: makes councils whose members play scripts, for the fixture `council`."""

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
    """The text or script for the only call of a mock, or a list of them for several calls."""
    Scripted: TypeAlias = Texts | Backend
    """The scripts of a member, or its backend."""


class CouncilFactory:
    """Makes councils: `council("One.", "Two.", synthesizer="Both.")`, `council({"alice": "One.", "bob": "Two."})`."""

    def __init__(self, make_backend: Callable[..., Backend]) -> None:
        """Make a factory.

        Args:
            make_backend: Makes a backend that plays scripts, as the fixture `streaming_mock_backend` does.
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
            members: The scripts of each member. Members are named `member-1`, `member-2`, … unless a dict names them.
            synthesizer: The scripts of the synthesizer, or None for no synthesizer.
            token_size: The characters in each delta of a text.
            options: Options of `Council`.
        """
        named: dict[str, Scripted] = {}
        for member in members:
            named.update(member if isinstance(member, Mapping) else {f"member-{len(named) + 1}": member})
        return Council(
            {name: self._backend(scripted, token_size) for name, scripted in named.items()},
            synthesizer=None if synthesizer is None else self._backend(synthesizer, token_size),
            **options,
        )

    def _backend(self, scripted: Scripted, token_size: int) -> Backend:
        if isinstance(scripted, Backend):
            return scripted
        scripts = [scripted] if isinstance(scripted, str) or not isinstance(scripted, Sequence) else scripted
        return self._make_backend(*scripts, token_size=token_size)
