"""Assertions about pages: secrets that never left, and text that left while the provider was still sending."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

from pytest_streamval.app.buffering import buffering_middleware
from pytest_streamval.app.coded_bodies import check_coding, decoded_pieces
from pytest_streamval.app.page import Page
from pytest_streamval.app.page_text import PageText
from pytest_streamval.app.websocket import AppWebSocket
from pytest_streamval.errors import InvalidArgumentError, excerpt, not_streamed_error, secret_sent_error

if TYPE_CHECKING:
    from collections.abc import Iterator

_AROUND = 30  # characters shown on each side of a secret
_LAYERS = 3  # escapes inside of escapes that are decoded
_JSON_ESCAPE = re.compile(
    r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|u([0-9a-f]{4})|([\"\\/bfnrt]))", re.IGNORECASE
)
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def assert_never_sent(page: Page | AppWebSocket | str | bytes | Iterable[str | bytes], *secrets: str) -> None:
    """Assert that texts never left the application.

    A text is found in the headers, in the body, in the joined data of the events, and in the joined strings at each
    path of their JSON. So no cut hides it. A compressed body is decompressed. Escapes of JSON, HTML and addresses are
    decoded, also inside of each other.

    Args:
        page: A page, a WebSocket, or the received text as one piece or in pieces.
        secrets: The texts.

    Raises:
        CheckFailedError: An `AssertionError`. If one of them left. It shows the place.
        InvalidArgumentError: A `TypeError` and a `ValueError`. If there is no secret, or an empty one.
    """
    __tracebackhide__ = True
    given: tuple[object, ...] = secrets
    if not given or not all(isinstance(secret, str) and secret.strip() for secret in given):
        rule = "It must be one text or several, none of them empty: assert_never_sent(page, 'swordfish')."
        raise InvalidArgumentError("secrets", excerpt(secrets), rule)
    for name, text in _forms(page):
        for decoded in _decodings(text):
            for secret in secrets:
                place = decoded.find(secret)
                if place >= 0:
                    around = decoded[max(0, place - _AROUND) : place + len(secret) + _AROUND]
                    raise secret_sent_error(secret, name, around, _arrival(page, secret))


def assert_streams(page: Page, *, within: float | None = None) -> None:
    """Assert that an application streams: its first text left before its providers had sent everything.

    If it did not, each middleware of the application is tried alone, and the error names the ones that keep a response
    back until its end.

    Args:
        page: A page that was read to its end.
        within: The most seconds that the first text may take, from the request.

    Raises:
        CheckFailedError: An `AssertionError`. If the text came too late. Also without a text, or with less than two
            deltas of mocks and provider servers, as nothing streams then.
        InvalidArgumentError: A `TypeError`. If `page` is no page.
    """
    __tracebackhide__ = True
    given: object = page
    if not isinstance(given, Page):
        raise InvalidArgumentError("page", excerpt(given), "It must be a page of app_client.")
    texts = decoded_pieces(page.headers, (read.data for read in page.reads))  # a compressed read may have no text yet
    first = next((read for read, text in zip(page.reads, texts, strict=False) if text.strip()), None)
    if first is None:
        raise not_streamed_error(page.request, "no text has left it", [])
    if within is not None and first.at > within:
        fault = f"its first text left after {first.at:g} s, and {within:g} s were allowed"
        raise not_streamed_error(page.request, fault, buffering_middleware(page))
    sent = page.upstream_at_end
    if sent - page.upstream_at_start < 2:  # noqa: PLR2004  # the first delta, and one that comes later
        fault = "its mocks and provider servers sent less than two deltas, so nothing could stream"
        raise not_streamed_error(page.request, fault, [])
    if first.upstream >= sent:
        fault = f"its first text left when all {sent} deltas had come from upstream, after {first.at:g} s"
        raise not_streamed_error(page.request, fault, buffering_middleware(page))


def _forms(page: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401  # as in assert_never_sent
    if isinstance(page, Page):
        check_coding(page.headers)
        yield "the headers", "\n".join(f"{name}: {value}" for name, value in page.headers.items())
    texts = page.texts if isinstance(page, Page | AppWebSocket) else _texts_of(page)
    for name in texts.forms:
        yield name, texts.text(name)


def _texts_of(received: object) -> PageText:
    is_one = isinstance(received, str | bytes) or not isinstance(received, Iterable)
    pieces: list[object] = [received] if is_one else list(cast("Iterable[object]", received))
    texts = PageText()
    for piece in pieces:
        if not isinstance(piece, str | bytes):
            rule = "It must be a page, a WebSocket, or the received text, as one piece or in pieces."
            raise InvalidArgumentError("page", excerpt(received), rule)
        texts.feed(piece.encode(errors="surrogatepass") if isinstance(piece, str) else piece)
    texts.end()
    return texts


def _decodings(text: str) -> Iterator[str]:
    """Yield a text, and the texts that result if its escapes are decoded."""
    yield text
    layer = {text}
    seen = {text}
    for _ in range(_LAYERS):
        layer = {decode(each) for each in layer for decode in (_without_json_escapes, html.unescape, unquote)} - seen
        seen |= layer
        yield from layer


def _without_json_escapes(text: str) -> str:
    return _JSON_ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    high, low, single, short = match.groups()
    if high:
        return (bytes.fromhex(high) + bytes.fromhex(low)).decode("utf-16-be")
    return chr(int(single, 16)) if single else _SHORT.get(short, short)


def _arrival(page: object, secret: str) -> str:
    """Return the read that completed a secret in the body, empty if no beginning of the body has it."""
    if not isinstance(page, Page | AppWebSocket):
        return ""
    end = b"".join(read.data for read in page.reads).find(secret.encode(errors="surrogatepass"))
    if end < 0:
        return ""
    end += len(secret.encode(errors="surrogatepass"))
    for number, read in enumerate(page.reads):
        end -= len(read.data)
        if end <= 0:
            return f"reads[{number}], {read.at:g} s after the request"
    return ""
