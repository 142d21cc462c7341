"""`streamval ask`: answers that are not complete, and the exit codes of their usefulness."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import Delta, ProviderServer, Script
from pytest_streamval.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

SCRIPTS = {
    "good": "Yes.",
    "g": Script.of(Delta(finish_reason="SAFETY")),
    "cut": Script.of("Ye", finish_reason="length"),
    "filtered": Script.of("Ye", finish_reason="content_filter"),
    "empty": Script.of(""),
}


@pytest.fixture(autouse=True)
def served(monkeypatch, tmp_path) -> Iterator[None]:
    """Serve a script for each model, as OpenAI and as Gemini."""
    with ProviderServer(lambda request: SCRIPTS.get(request.model)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.openai_url)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", server.gemini_url)
        monkeypatch.setenv("OPENAI_API_KEY", "a key of no one")
        monkeypatch.setenv("GEMINI_API_KEY", "a key of no one")
        monkeypatch.chdir(tmp_path)
        yield


def ask(*words: str) -> int:
    return main(["ask", "Say it.", "--no-cache", *words])


@pytest.mark.parametrize("streamed", [["--stream"], []], ids=["streamed", "buffered"])
@pytest.mark.parametrize(
    ("spec", "note", "code"),
    [
        ("gemini:g", "gemini:g: no text (finished by SAFETY)", 1),
        ("openai:cut", "openai:cut: cut at its limit (finished by length)", 0),
        ("openai:filtered", "openai:filtered: stopped by a filter (finished by content_filter)", 0),
        ("openai:empty", "openai:empty: no text (finished by stop)", 1),
    ],
)
def test_ask_says_why_an_answer_is_not_complete(capsys, streamed, spec, note, code) -> None:
    assert ask("-m", spec, *streamed) == code
    output = capsys.readouterr()
    assert f"streamval: {note}\n" in output.err
    assert ("no member gave a usable answer" in output.err) == (code == 1)


def test_ask_json_carries_the_verdicts(capsys) -> None:
    assert ask("-m", "openai:good", "-m", "gemini:g", "-s", "openai:cut", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["ok"], found["usable"], found["degraded"]) == (True, True, False)
    assert [(each["ok"], each["usable"], each["degraded"]) for each in found["answers"]] == [
        (True, True, False),
        (True, False, False),
    ]
    assert found["synthesizer"]["degraded"] is True


@pytest.mark.parametrize("options", [["--stream"], [], ["--json"]], ids=["streamed", "buffered", "json"])
@pytest.mark.parametrize("synthesizer", ["gemini:g", "openai:unknown"], ids=["without text", "failed"])
def test_ask_strict_exits_with_3_for_a_failed_synthesis(capsys, synthesizer, options) -> None:
    words = ["-m", "openai:good", "-s", synthesizer, *options]
    assert ask(*words) == 0
    assert ask(*words, "--strict") == 3
    assert ask(*words, "--strict", "--mode", "raw") == 0


def test_ask_strict_exits_with_1_without_a_usable_answer(capsys) -> None:
    assert ask("-m", "gemini:g", "-s", "openai:good", "--strict") == 1
