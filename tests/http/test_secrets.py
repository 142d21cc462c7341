"""Secrets: they are redacted in errors, logs and recordings."""

from __future__ import annotations

import base64
import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import Secrets, key_shapes, keys_in_environment
from pytest_streamval.http.secrets.secret_names import REDACTED, is_secret_name
from pytest_streamval.recordings.redacted_responses import redacted
from pytest_streamval.scripting.script import pieces_of
from pytest_streamval.wire.openai import OpenAIChatDecoder

KEY = "Zq7-planted/Key+0123456789"
"""A key that is written differently in an address, and in JSON with escaped slashes."""


def frame(text: str, index: int = 0) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}, 'index': index}]})}\n\n".encode()


def joined(*reads: bytes, secrets: Secrets | None = None) -> bytes:
    return b"".join(redacted(reads, Secrets([KEY]) if secrets is None else secrets))


def decoded(body: bytes) -> str:
    decoder = OpenAIChatDecoder()
    decoder.feed(body)
    return decoder.text


# The environment


def test_keys_in_environment_are_the_values_of_variables_for_api_keys() -> None:
    environment = {"MINE_API_KEY": "a-key", "mine_api_key": "another", "EMPTY_API_KEY": "", "PWD": "/home", "KEY": "x"}
    assert keys_in_environment(environment) == ["a-key", "another"]


# Names


SECRET_NAMES = [
    "Authorization",
    "x-api-key",
    "X-Goog-Api-Key",
    "apiKey",
    "openaiApiKey",
    "secretAccessKey",
    "Set-Cookie",
    "key",
    "access_token",
    "X-Amz-Signature",
    "client_secret",
    "password",
]
OTHER_NAMES = ["content-type", "monkey", "tokenizer", "max_token_count", "keyboard", "x-request-id"]


def test_is_secret_name_knows_the_names_of_secrets() -> None:
    assert [name for name in [*SECRET_NAMES, *OTHER_NAMES] if is_secret_name(name)] == SECRET_NAMES


def test_a_number_of_tokens_is_not_a_secret() -> None:
    assert not is_secret_name("x-ratelimit-remaining-tokens")
    assert Secrets().body({"max_tokens": 260}) == {"max_tokens": 260}


def test_words_of_the_protocols_are_not_secret_in_a_response() -> None:
    assert is_secret_name("token")
    assert is_secret_name("signature")
    assert not any(is_secret_name(name, in_response=True) for name in ("token", "signature", "key", "index"))
    assert all(
        is_secret_name(name, in_response=True) for name in ("api_key", "accessToken", "client-secret", "password")
    )


# Errors and logs


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        "Zq7-planted%2FKey%2B0123456789",
        "Zq7-planted\\/Key+0123456789",
        base64.b64encode(KEY.encode()).decode(),
    ],
    ids=["as it is", "in an address", "in JSON", "in base64"],
)
def test_a_known_secret_is_found_in_every_form(form: str) -> None:
    assert Secrets([KEY]).text(f"<{form}>") == f"<{REDACTED}>"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n  "])
@pytest.mark.parametrize("columns", [64, 76])
@pytest.mark.parametrize("before", range(0, 60, 7))
def test_a_known_secret_is_found_in_lines_of_base64(before: int, columns: int, end: str) -> None:
    data = base64.b64encode(b"x" * before + KEY.encode() + b"y" * 60).decode()
    text = f"Content:\n\n{end.join(data[at : at + columns] for at in range(0, len(data), columns))}\n"
    clean = Secrets([KEY]).text(text)
    assert clean.count(REDACTED) == 1
    kept = base64.b64encode(b"x" * before).decode().rstrip("=")[:-1]
    assert "".join(clean.partition(REDACTED)[0].split()).removeprefix("Content:") in {kept, kept[:-1], kept + "4"}
    assert Secrets([KEY]).text(json.dumps({"a": text})).count(REDACTED) == 1
    assert Secrets(["another-key-0123"]).text(text) == text


def test_every_known_form_of_a_key_has_a_long_word() -> None:
    rows = json.loads(Path(key_shapes.__file__).with_suffix(".json").read_text(encoding="utf-8"))["shapes"]
    assert min(len(begin) + row["least"] for row in rows for begin in row["begins"]) >= key_shapes._SHORTEST_KEY


def test_a_secret_with_escaped_letters_is_found_in_json() -> None:
    assert Secrets(["schlüssel"]).text('{"a": "schl\\u00fcssel"}') == '{"a": "[redacted]"}'
    assert joined("ein schlüssel".encode(), secrets=Secrets(["schlüssel"])) == b"ein **********"


def test_a_short_secret_is_not_searched_for() -> None:
    assert Secrets(["EMPTY"]).text("EMPTY") == "EMPTY"


@pytest.mark.parametrize(
    "value",
    [
        "sk-proj-Abcdef0123456789abcdef",
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
        "ghp_abcdef0123456789ABCDEF",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_an_unknown_value_that_looks_like_a_key_is_redacted(value: str) -> None:
    assert Secrets().text(f"It is {value}.") == f"It is {REDACTED}."
    assert Secrets().text("Bearer abc.def-123") == f"Bearer {REDACTED}"


@pytest.mark.parametrize("text", ["hf_hub_download_the_files", "task-0123456789abcdefgh", "sk-learn-compatible-code"])
def test_a_name_that_only_begins_like_a_key_is_kept(text: str) -> None:
    assert Secrets().text(text) == text


def test_an_address_is_redacted() -> None:
    url = "https://me:pass-word-1@host:8443/v1/x?alt=sse&key=abc&empty="
    assert Secrets().url(url) == "https://[redacted]@host:8443/v1/x?alt=sse&key=[redacted]&empty="


def test_a_body_is_redacted_at_any_depth() -> None:
    body = {"tools": [{"server": {"authToken": "abc", "url": f"https://x/{KEY}"}}], KEY: None, "password": "", "n": 1}
    assert Secrets([KEY]).body(body) == {
        "tools": [{"server": {"authToken": REDACTED, "url": f"https://x/{REDACTED}"}}],
        REDACTED: None,
        "password": "",
        "n": 1,
    }


def test_headers_are_redacted() -> None:
    headers = {"x-api-key": "abc", "x-echo": f"you sent {KEY}", "accept": "*/*"}
    assert Secrets([KEY]).headers(headers) == {
        "x-api-key": REDACTED,
        "x-echo": f"you sent {REDACTED}",
        "accept": "*/*",
    }


# Requests


@pytest.mark.parametrize(
    ("request_", "secret"),
    [
        (HttpRequest("http://x/", b"", {"authorization": "Bearer plain-word"}), "plain-word"),
        (HttpRequest("http://x/", b"", {"Authorization": "Basic bWU6aHVudGVyLTI="}), "hunter-2"),
        (HttpRequest("http://x/", b"", {"x-api-key": "plain-word"}), "plain-word"),
        (HttpRequest("http://x/", b"", {"cookie": "a=1; session=cookie-value"}), "cookie-value"),
        (HttpRequest("http://me:pass%20word@x/"), "pass word"),
        (HttpRequest("http://x/?alt=sse&key=in-query"), "in-query"),
        (HttpRequest("http://x/", b'{"a": [{"api_key": "in-body-1"}]}'), "in-body-1"),
    ],
    ids=["bearer", "basic", "header", "cookie", "credentials", "query", "body"],
)
def test_the_secrets_of_a_request_are_found_by_name(request_: HttpRequest, secret: str) -> None:
    assert secret in Secrets.of(request_).values


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("http://x/", b'{"key": "weather"}'),
        HttpRequest("http://x/", b"no JSON"),
        HttpRequest("http://x/", b"", {"authorization": "Basic abc"}),
        HttpRequest("http://x/", b"", {"accept": "application/json"}),
    ],
    ids=["a word", "no JSON", "no base64", "no secret"],
)
def test_an_ordinary_word_in_a_secret_field_is_not_redacted_in_texts(request_: HttpRequest) -> None:
    text = "weather, application/json, no JSON"
    assert Secrets.of(request_).text(text) == text


# Responses


def test_a_secret_in_a_response_is_overwritten_in_place() -> None:
    reads = [b"data: ", f"<{KEY}".encode(), b"> and on"]
    clean = redacted(reads, Secrets([KEY]))
    assert list(map(len, clean)) == list(map(len, reads))
    assert b"".join(clean) == b"data: <" + b"*" * len(KEY) + b"> and on"


def test_a_secret_in_two_reads_is_overwritten() -> None:
    for at in range(1, len(KEY)):
        assert joined(KEY[:at].encode(), KEY[at:].encode()) == b"*" * len(KEY)


def test_a_secret_in_many_deltas_is_overwritten() -> None:
    body = b"".join(map(frame, ["It is ", *KEY, ". Bye."]))
    assert decoded(joined(body)) == f"It is {'*' * len(KEY)}. Bye."


def test_a_secret_in_two_alternating_choices_is_overwritten() -> None:
    pieces = pieces_of(KEY, [5, 11, 17])
    clean = joined(*(frame(piece, index) for piece in pieces for index in (0, 1)))
    assert not any(piece.encode() in clean for piece in pieces)


def test_an_unknown_value_that_looks_like_a_key_is_overwritten() -> None:
    body = b"".join(map(frame, ["Take ", "sk-proj-", "Abcdef01", "23456789", "."]))
    assert decoded(joined(body, secrets=Secrets())) == f"Take {'*' * 24}."


def test_a_secret_with_json_escapes_is_overwritten() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    line = f'{{"a": "{escaped} \\n{KEY[:9]}", "b": "\\\\{KEY}\\/"}}\n'.encode()
    found = json.loads(joined(line))
    assert set(found["a"].partition(" ")[0]) == {"*"}
    assert found["b"] == f"\\{'*' * len(KEY)}/"


def test_an_escape_before_a_secret_is_kept() -> None:
    clean = joined(b'{"a": "\\nabc123"}', secrets=Secrets(["nabc123"]))
    assert json.loads(clean) == {"a": "\n******"}


def test_a_field_with_the_name_of_a_secret_is_overwritten() -> None:
    assert json.loads(joined(b'{"error": {"api_key": "a\\"b", "message": "no", "list": ["x"]}}')) == {
        "error": {"api_key": "****", "message": "no", "list": ["x"]}
    }


def test_the_beginning_of_a_secret_at_the_end_of_a_broken_stream_is_overwritten() -> None:
    for cut in range(6, len(KEY)):
        complete = frame("It is ") + frame(KEY[:3])
        inside = frame(KEY[3:cut]).partition(KEY[3:cut].encode())
        clean = joined(complete + inside[0] + inside[1])
        assert clean.endswith(b'"content": "' + b"*" * (cut - 3))
        assert joined(KEY[:cut].encode()) == b"*" * cut


def test_a_secret_in_an_unusual_body_is_overwritten() -> None:
    body = b': "a comment\r\n]}\r\n"stray": \xff {"a": "\\' + b'\r\n\r\ndata: {"a": "' + KEY.encode() + b'"}'
    assert joined(body) == body.replace(KEY.encode(), b"*" * len(KEY))
    assert redacted([], Secrets([KEY])) == []
    assert redacted([b"", b"x", b""], Secrets([KEY])) == [b"", b"x", b""]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_a_secret_is_overwritten_under_every_cut_and_the_rest_is_kept(data: st.DataObject) -> None:
    before, after = data.draw(st.text(max_size=8)), data.draw(st.text(max_size=8))
    text = f"{before} {KEY} {after}".encode(errors="replace").decode()
    offsets = st.lists(st.integers(0, len(text)), max_size=6)
    body = b"".join(map(frame, pieces_of(text, data.draw(offsets))))
    cuts = data.draw(st.lists(st.integers(0, len(body)), max_size=6))
    ends = [0, *sorted(cuts), len(body)]
    reads = [body[start:end] for start, end in pairwise(ends)]
    clean = redacted(reads, Secrets([KEY]))
    assert list(map(len, clean)) == list(map(len, reads))
    assert decoded(b"".join(clean)) == text.replace(KEY, "*" * len(KEY))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"key {KEY} end", "key [redacted] end"),
        (f"{KEY[:8]} ... {KEY[-9:]}", "[redacted] ... [redacted]"),
        (f"{KEY[:7]} ... {KEY[-7:]}", f"{KEY[:7]} ... {KEY[-7:]}"),
        ("", ""),
    ],
)
def test_a_message_is_redacted_with_pieces_of_secrets(text: str, shown: str) -> None:
    assert Secrets([KEY]).message(text) == shown
    assert Secrets().message(text) == text


# Fields of responses


def test_equal_strings_of_many_frames_are_kept_and_redacted_together() -> None:
    kept = b"".join(frame("Hi ") for _ in range(50))
    assert joined(kept) == kept
    secret = b"".join(frame(KEY) for _ in range(50))
    assert decoded(joined(secret)) == "*" * len(KEY) * 50


def test_a_deep_response_is_redacted() -> None:
    body = b'{"a": ' + b'{"b": [' * 40 + b'"' + KEY.encode() + b'"' + b"]}" * 40 + b', "c": "ok"}'
    assert joined(body) == body.replace(KEY.encode(), b"*" * len(KEY))


def test_a_number_with_the_name_of_a_secret_stays_a_number() -> None:
    found = json.loads(joined(b'{"password": -12345.5, "credentials": {"pins": [77, "a b"]}, "max_tokens": 12}'))
    assert found == {"password": -11111.1, "credentials": {"pins": [11, "***"]}, "max_tokens": 12}


def test_arguments_of_a_tool_call_are_redacted_over_two_deltas() -> None:
    pieces = ['{"api_k', 'ey": "swor', 'dfish", "n": 1}']
    calls = [
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": each}}]}}]} for each in pieces
    ]
    clean = joined(*(f"data: {json.dumps(call)}\n\n".encode() for call in calls), secrets=Secrets())
    assert b"swor" not in clean
    assert b"dfish" not in clean
    assert b'\\"n\\": 1}' in clean


def test_a_response_that_is_no_json_is_redacted() -> None:
    text = b"<p>api_key: abc12345def and Bearer abc.def-123</p>"
    assert joined(text) == b"<p>api_key: *********** and Bearer ***********</p>"


def test_a_schema_of_a_secret_property_is_kept() -> None:
    schema = {"type": "string", "description": "The key"}
    body = {"tools": [{"parameters": {"properties": {"api_key": schema, "token": True}, "required": ["api_key"]}}]}
    assert Secrets().body(body) == body
    assert Secrets().body({"properties": {"password": {**schema, "default": "swordfish"}}}) == {
        "properties": {"password": {**schema, "default": "[redacted]"}}
    }


@pytest.mark.parametrize(
    "text",
    [
        "How do I set a token? The key: use it. password = getpass(); api_key = os.environ['X']",
        "def f(key: str, token=None): return {'key': key}",
        "MAX_TOKENS=4096",
        "Basic understanding of bearer bonds",
        "https://example.com/@user and git@github.com:x/y",
        '{"properties": {"password": {"type": "string"}}}',
    ],
)
def test_an_ordinary_text_about_secrets_is_kept(text: str) -> None:
    assert Secrets().text(text, in_request=True) == text


@pytest.mark.parametrize(
    "text", ["KEY=abc def", '{"password": ["a", 1]}', "token: abc12345", "x=[redacted] api_key=***"]
)
def test_a_redacted_text_stays_as_it_is(text: str) -> None:
    once = Secrets().text(text, in_request=True)
    assert Secrets().text(once, in_request=True) == once
