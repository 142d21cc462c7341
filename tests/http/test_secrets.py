"""Secrets stay out of what people see, and of what a recording keeps."""

from __future__ import annotations

import base64
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_streamval.http.request import HttpRequest
from pytest_streamval.http.secrets import (
    REDACTED,
    Secrets,
    is_secret_name,
    is_secret_name_in_answer,
    keys_in_environment,
)
from pytest_streamval.recordings.redaction import redacted
from pytest_streamval.scripting.script import pieces_of
from pytest_streamval.wire.openai import OpenAIChatDecoder

KEY = "Zq7-planted/Key+0123456789"
"""A key that reads otherwise in an address and, where slashes are escaped, in JSON."""


def frame(text: str, index: int = 0) -> bytes:
    return f"data: {json.dumps({'choices': [{'delta': {'content': text}, 'index': index}]})}\n\n".encode()


def joined(*reads: bytes, secrets: Secrets | None = None) -> bytes:
    return b"".join(redacted(reads, Secrets([KEY]) if secrets is None else secrets))


def decoded(body: bytes) -> str:
    decoder = OpenAIChatDecoder()
    decoder.feed(body)
    return decoder.text


# The environment


def test_the_secrets_of_the_environment_are_the_values_of_variables_for_api_keys() -> None:
    environment = {"MINE_API_KEY": "a-key", "mine_api_key": "another", "EMPTY_API_KEY": "", "PWD": "/home", "KEY": "x"}
    assert keys_in_environment(environment) == ["a-key", "another"]


# Names


@pytest.mark.parametrize(
    "name",
    [
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
    ],
)
def test_a_name_that_promises_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["content-type", "monkey", "tokenizer", "max_token_count", "keyboard", "x-request-id"])
def test_any_other_name_is_not(name: str) -> None:
    assert not is_secret_name(name)


def test_a_count_of_tokens_is_no_secret() -> None:
    assert not is_secret_name("x-ratelimit-remaining-tokens")
    assert Secrets().body({"max_tokens": 260}) == {"max_tokens": 260}


def test_words_of_the_protocols_are_no_secrets_in_an_answer() -> None:
    assert is_secret_name("token")
    assert is_secret_name("signature")
    assert not any(map(is_secret_name_in_answer, ("token", "signature", "key", "index")))
    assert all(map(is_secret_name_in_answer, ("api_key", "accessToken", "client-secret", "password")))


# What is seen


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


def test_a_secret_of_other_letters_is_found_in_json_too() -> None:
    assert Secrets(["schlüssel"]).text('{"a": "schl\\u00fcssel"}') == '{"a": "[redacted]"}'
    assert joined("ein schlüssel".encode(), secrets=Secrets(["schlüssel"])) == b"ein **********"


def test_a_short_word_is_not_looked_for() -> None:
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
def test_what_looks_like_a_key_is_redacted_though_nobody_knows_it(value: str) -> None:
    assert Secrets().text(f"It is {value}.") == f"It is {REDACTED}."
    assert Secrets().text("Bearer abc.def-123") == f"Bearer {REDACTED}"


@pytest.mark.parametrize("text", ["hf_hub_download_the_files", "task-0123456789abcdefgh", "sk-learn-compatible-code"])
def test_names_that_only_begin_like_a_key_stay(text: str) -> None:
    assert Secrets().text(text) == text


def test_an_address_is_shown_without_its_secrets() -> None:
    url = "https://me:pass-word-1@host:8443/v1/x?alt=sse&key=abc&empty="
    assert Secrets().url(url) == "https://[redacted]@host:8443/v1/x?alt=sse&key=[redacted]&empty="


def test_a_body_is_shown_without_its_secrets_at_any_depth() -> None:
    body = {"tools": [{"server": {"authToken": "abc", "url": f"https://x/{KEY}"}}], KEY: None, "password": "", "n": 1}
    assert Secrets([KEY]).body(body) == {
        "tools": [{"server": {"authToken": REDACTED, "url": f"https://x/{REDACTED}"}}],
        REDACTED: None,
        "password": "",
        "n": 1,
    }


def test_headers_are_shown_without_their_secrets() -> None:
    headers = {"x-api-key": "abc", "x-echo": f"you sent {KEY}", "accept": "*/*"}
    assert Secrets([KEY]).headers(headers) == {
        "x-api-key": REDACTED,
        "x-echo": f"you sent {REDACTED}",
        "accept": "*/*",
    }


# What a request gives away


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
def test_the_secrets_of_a_request_are_known_by_where_they_stand(request_: HttpRequest, secret: str) -> None:
    assert secret in Secrets.of(request_).values


@pytest.mark.parametrize(
    "request_",
    [
        HttpRequest("http://x/", b'{"key": "weather"}'),
        HttpRequest("http://x/", b'{"token": "two words 1"}'),
        HttpRequest("http://x/", b"no JSON"),
        HttpRequest("http://x/", b"", {"authorization": "Basic abc"}),
        HttpRequest("http://x/", b"", {"accept": "application/json"}),
    ],
    ids=["a word", "words", "no JSON", "no base64", "no secret"],
)
def test_a_word_in_a_field_is_not_taken_for_a_secret_wherever_it_occurs(request_: HttpRequest) -> None:
    text = "weather, two words 1, application/json, no JSON"
    assert Secrets.of(request_).text(text) == text


# What a provider answers


def test_a_secret_is_overwritten_and_nothing_moves() -> None:
    reads = [b"data: ", f"<{KEY}".encode(), b"> and on"]
    clean = redacted(reads, Secrets([KEY]))
    assert list(map(len, clean)) == list(map(len, reads))
    assert b"".join(clean) == b"data: <" + b"*" * len(KEY) + b"> and on"


def test_a_secret_cut_over_reads_does_not_survive() -> None:
    for at in range(1, len(KEY)):
        assert joined(KEY[:at].encode(), KEY[at:].encode()) == b"*" * len(KEY)


def test_a_secret_told_token_by_token_does_not_survive() -> None:
    body = b"".join(map(frame, ["It is ", *KEY, ". Bye."]))
    assert decoded(joined(body)) == f"It is {'*' * len(KEY)}. Bye."


def test_a_secret_told_in_two_answers_at_a_time_does_not_survive() -> None:
    pieces = pieces_of(KEY, [5, 11, 17])
    clean = joined(*(frame(piece, index) for piece in pieces for index in (0, 1)))
    assert not any(piece.encode() in clean for piece in pieces)


def test_what_looks_like_a_key_does_not_survive_though_nobody_knows_it() -> None:
    body = b"".join(map(frame, ["Take ", "sk-proj-", "Abcdef01", "23456789", "."]))
    assert decoded(joined(body, secrets=Secrets())) == f"Take {'*' * 24}."


def test_a_secret_that_json_escapes_does_not_survive() -> None:
    escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
    line = f'{{"a": "{escaped} \\n{KEY[:9]}", "b": "\\\\{KEY}\\/"}}\n'.encode()
    found = json.loads(joined(line))
    assert set(found["a"].partition(" ")[0]) == {"*"}
    assert found["b"] == f"\\{'*' * len(KEY)}/"


def test_an_escape_before_a_secret_stays_whole() -> None:
    clean = joined(b'{"a": "\\nabc123"}', secrets=Secrets(["nabc123"]))
    assert json.loads(clean) == {"a": "\n******"}


def test_a_field_with_the_name_of_a_secret_is_overwritten() -> None:
    assert json.loads(joined(b'{"error": {"api_key": "a\\"b", "message": "no", "list": ["x"]}}')) == {
        "error": {"api_key": "****", "message": "no", "list": ["x"]}
    }


@pytest.mark.parametrize("cut", range(6, len(KEY)))
def test_the_beginning_of_a_secret_that_a_broken_stream_ends_with_does_not_survive(cut: int) -> None:
    whole = frame("It is ") + frame(KEY[:3])
    inside = frame(KEY[3:cut]).partition(KEY[3:cut].encode())
    clean = joined(whole + inside[0] + inside[1])
    assert clean.endswith(b'"content": "' + b"*" * (cut - 3))
    assert joined(KEY[:cut].encode()) == b"*" * cut


def test_unusual_bodies_are_gone_through_to_their_end() -> None:
    body = b': "a comment\r\n]}\r\n"stray": \xff {"a": "\\' + b'\r\n\r\ndata: {"a": "' + KEY.encode() + b'"}'
    assert joined(body) == body.replace(KEY.encode(), b"*" * len(KEY))
    assert redacted([], Secrets([KEY])) == []
    assert redacted([b"", b"x", b""], Secrets([KEY])) == [b"", b"x", b""]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_cut_lets_a_secret_through_and_the_rest_stays_as_it_was(data: st.DataObject) -> None:
    before, behind = data.draw(st.text(max_size=8)), data.draw(st.text(max_size=8))
    text = f"{before} {KEY} {behind}".encode(errors="replace").decode()
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
def test_a_message_is_without_the_pieces_of_a_secret_too(text: str, shown: str) -> None:
    assert Secrets([KEY]).message(text) == shown
    assert Secrets().message(text) == text
