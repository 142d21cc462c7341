"""Planted secrets, the places of a request in which they are sent, and the encodings in which they come back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, quote_plus

from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import key_shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

SHAPES = json.loads(Path(key_shapes.__file__).with_suffix(".json").read_text(encoding="utf-8"))["shapes"]
URL = "https://provider.example/v1/chat/completions"
_BEGIN = 8  # characters of an encoded secret, by which it is looked for
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


class Planted(NamedTuple):
    """A secret."""

    value: str
    """Its value."""
    name: str
    """The name of its header, field or variable, or "" if its form shows that it is one."""


# The secrets


def shaped() -> Iterator[Planted]:
    """Yield a key of each known form."""
    random = Random(1)  # noqa: S311  # keys of nobody, the same in each run
    for row in SHAPES:
        for begin in row["begins"]:
            allowed = row["characters"].replace("A-Z", "").replace("a-z", "").replace("0-9", "")
            letters = [each for each in _LETTERS if _is_allowed(each, row["characters"])]
            key = "".join(random.choices(letters, k=row["least"] + 8))
            yield Planted(begin + key[:6] + ("." if "." in allowed and row.get("holds") else "") + key[6:], "")
    for text in ("-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEAplanted\n-----END RSA PRIVATE KEY-----",):
        yield Planted(text, "")


def _is_allowed(letter: str, characters: str) -> bool:
    ranges = {"A-Z": str.isupper, "a-z": str.islower, "0-9": str.isdigit, "a-f": lambda each: each in "abcdef"}
    return any(name in characters and test(letter) for name, test in ranges.items())


NAMES = [
    *("api_key", "apiKey", "X-API-Key", "x-goog-api-key", "OPENAI_API_KEY", "authorization", "Proxy-Authorization"),
    *(
        "password",
        "db_password",
        "DB_PASSWORD",
        "passwd",
        "passphrase",
        "client_secret",
        "clientSecret",
        "access_token",
    ),
    *(
        "refreshToken",
        "AWS_SECRET_ACCESS_KEY",
        "secret_key",
        "session_token",
        "private_key",
        "webhook_secret",
        "credentials",
    ),
]
"""Unambiguous names of secrets."""
VALUES = [
    "Zq7-planted/Key+0123456789",  # slashes and a plus
    "swordfishes",  # letters only
    "correct horse battery",  # spaces
    'quo"ted\\back',  # characters with escapes in JSON
    "schlüssel-wörter",  # not ASCII
]
"""Values without the form of a key."""


def named() -> Iterator[Planted]:
    """Yield secrets that only their names show."""
    for number, name in enumerate(NAMES):
        for value in VALUES:
            yield Planted(f"{value}{chr(97 + number % 26) * 2}", name)


SECRETS = [*shaped(), *named()]


# The places of a request


def _chat(**fields: object) -> bytes:
    return json.dumps(
        {"model": "m", "stream": True, "messages": [{"role": "user", "content": "Hi"}], **fields}
    ).encode()


def _prompt(text: str) -> bytes:
    return _chat(messages=[{"role": "user", "content": text}])


def _field(secret: Planted) -> dict[str, object]:
    return {secret.name or "note": secret.value}


def _assignment(secret: Planted) -> str:
    value = json.dumps(secret.value, ensure_ascii=False) if {'"', "\\", "\n"} & {*secret.value} else secret.value
    return f"{secret.name.upper().replace('-', '_') or 'NOTE'}={value}"


def _nested(secret: Planted, depth: int) -> str:
    text = json.dumps({"n": 1, **_field(secret)})
    for _ in range(depth):
        text = json.dumps({"arguments": text})
    return text


PLACES: dict[str, Callable[[Planted], HttpRequest]] = {
    "header": lambda it: HttpRequest(URL, _chat(), {it.name or "x-api-key": it.value}),
    "bearer": lambda it: HttpRequest(URL, _chat(), {"authorization": f"Bearer {it.value}"}),
    "query": lambda it: HttpRequest(f"{URL}?alt=sse&{quote(it.name or 'key')}={quote_plus(it.value)}", _chat()),
    "credentials": lambda it: HttpRequest(URL.replace("://", f"://me:{quote(it.value, safe='')}@"), _chat()),
    "field": lambda it: HttpRequest(URL, _chat(**_field(it))),
    "list": lambda it: HttpRequest(URL, _chat(metadata={it.name or "note": [1, [it.value]]})),
    "object": lambda it: HttpRequest(URL, _chat(metadata={it.name or "note": {"type": "x", "value": it.value}})),
    "JSON in a string": lambda it: HttpRequest(URL, _prompt(_nested(it, 0))),
    "JSON in JSON in a string": lambda it: HttpRequest(URL, _prompt(f"Look: {_nested(it, 1)}")),
    "JSON at depth 4": lambda it: HttpRequest(URL, _prompt(_nested(it, 3))),
    "a line of variables": lambda it: HttpRequest(URL, _prompt(f"My .env:\nA=1\n{_assignment(it)}\nB=2")),
    "an escaped line": lambda it: HttpRequest(URL, _prompt(json.dumps(f"It is\n{_assignment(it)}\n"))),
    "an address": lambda it: HttpRequest(
        URL, _prompt(f"GET https://h/x?{it.name or 'q'}={quote(it.value, safe='')}&b=1 ok")
    ),
    "an address with credentials": lambda it: HttpRequest(
        URL, _prompt(f"psql postgres://u:{quote(it.value, safe='')}@h/db")
    ),
    "a form": lambda it: HttpRequest(URL, f"a=1&{it.name or 'note'}={quote_plus(it.value)}&b=2".encode()),
    "parts": lambda it: HttpRequest(
        URL,
        f'--b\r\nContent-Disposition: form-data; name="{it.name or "note"}"\r\n\r\n{it.value}\r\n--b--\r\n'.encode(),
        {"content-type": "multipart/form-data; boundary=b"},
    ),
    "percent-encoded JSON": lambda it: HttpRequest(f"{URL}?q={quote(json.dumps(_field(it)), safe='')}", _chat()),
}
"""The requests with a secret, by the place of the secret in it."""


# The encodings


def _in_base64(value: str, offset: int) -> str:
    data = base64.b64encode(b"x" * offset + value.encode() + b"yz").decode()
    begin, end = -(-offset * 8 // 6), (offset + len(value.encode())) * 8 // 6
    return data[begin:end]


def _in_lines_of_base64(value: str, end: str) -> str:
    """Return base64 as MIME has it, in lines of 76 characters, the first of which ends inside of the value."""
    data = base64.b64encode(b"x" * 54 + value.encode() + b"yz").decode()
    return end.join(data[at : at + 76] for at in range(0, len(data), 76)).rstrip("=")


ENCODINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "in upper case": str.upper,
    "in lower case": str.lower,
    "in JSON": lambda value: json.dumps(value)[1:-1],
    "in JSON in JSON": lambda value: json.dumps(json.dumps(value))[3:-3],
    "in escapes of JSON": lambda value: "".join(f"\\u{ord(each):04x}" for each in value),
    "percent-encoded": lambda value: quote(value, safe=""),
    "percent-encoded completely": lambda value: "".join(f"%{each:02X}" for each in value.encode()),
    "in a form": quote_plus,
    "in hexadecimal": lambda value: value.encode().hex(),
    "in upper hexadecimal": lambda value: value.encode().hex().upper(),
    **{f"in base64 at {offset}": lambda value, offset=offset: _in_base64(value, offset) for offset in range(3)},
    "in lines of base64": lambda value: _in_lines_of_base64(value, "\n"),
    "in lines of base64 for the network": lambda value: _in_lines_of_base64(value, "\r\n"),
    "in base64 for addresses": lambda value: _in_base64(value, 0).replace("+", "-").replace("/", "_"),
}
"""The encodings of a secret that no output may have."""


def encodings_in(secret: Planted, output: str) -> list[str]:
    """Return the names of the encodings in which an output has a secret."""
    return [name for name, encode in ENCODINGS.items() if encode(secret.value) in output]


def secrets_in(secrets: Iterable[Planted], output: str) -> list[tuple[Planted, list[str]]]:
    """Return the secrets that a long output has, with their encodings.

    Only a text whose first characters are in the output is searched for.
    """
    begins = {output[at : at + _BEGIN] for at in range(len(output))}
    possible = (
        secret for secret in secrets if any(encode(secret.value)[:_BEGIN] in begins for encode in ENCODINGS.values())
    )
    return [(secret, found) for secret in possible if (found := encodings_in(secret, output))]
