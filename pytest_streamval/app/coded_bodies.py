"""Bodies that an application sends compressed, read as a browser reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_streamval.errors import UndecodableBodyError
from pytest_streamval.http.content_coding import body_decoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pytest_streamval.http.content_coding import BodyDecoder


class ReadDecoder:
    """A decoder of the reads of one body. It returns the bytes as they are if they are in no coding that it knows."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        """Create a decoder.

        Args:
            headers: The headers of the response.
        """
        self._decoder: BodyDecoder | None = None
        self._without_text = bytearray()  # the reads since the last text
        try:
            self._decoder = body_decoder(headers)
        except UndecodableBodyError:
            return

    def feed(self, data: bytes) -> bytes:
        """Return the decoded bytes of a read. There may be none yet."""
        if self._decoder is None:
            return data
        self._without_text += data
        try:
            text = self._decoder.feed(data)
        except UndecodableBodyError:
            self._decoder = None
            return bytes(self._without_text)
        if text:
            self._without_text.clear()
        return text


def decoded_pieces(headers: Mapping[str, str], pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the decoded bytes of each piece of a body."""
    decoder = ReadDecoder(headers)
    return map(decoder.feed, pieces)


def check_coding(headers: Mapping[str, str]) -> None:
    """Raise an error if a body has a coding in which no text can be found.

    Raises:
        UndecodableBodyError: A `ValueError`. If the coding is unknown, or its library is not installed.
    """
    body_decoder(headers)
