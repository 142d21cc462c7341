"""Messages of errors in telemetry: each is left out if it may quote the prompt or the answer."""

from types import SimpleNamespace

import pytest

from pytest_streamval.engine.component import CBlock
from pytest_streamval.engine.telemetry.error_messages import message_without_text

ANSWER = 'Alice\'s pass word is "swordfish", she says.\nNo café.'


def exported(message, prompt="Is Bob ill?", answer=ANSWER):
    """Return the message of an error as telemetry exports it."""
    run = SimpleNamespace(error=None, action=CBlock(prompt), thunk=SimpleNamespace(text_read=answer))
    return message_without_text("ValueError", message, run)


@pytest.mark.parametrize(
    "message",
    [
        "it is not allowed: swordfish!",
        "odd:swordfish",
        "SWORDFISH is not allowed",
        f"cannot parse {ANSWER!r}",
        "cannot parse 'says.\\nNo caf\\xe9.'",
        "cannot parse 'caf\\u00e9'",
        "'Alice'",
        "unknown name 'Alice'",
        'unknown name "Bob"',
        "no such key: `Alice`",
        "pass  word  is",
        "is bob ill",
        "s p a s s w o r d",
    ],
)
def test_a_message_that_quotes_the_prompt_or_the_answer_is_not_exported(message):
    assert exported(message) == ""


@pytest.mark.parametrize("message", ["disk full", "[Errno 5] Input/output error", "connection 'reset'", "", "x" * 400])
def test_a_message_without_text_of_the_run_is_exported(message):
    assert exported(message) == message


@pytest.mark.parametrize(
    "message",
    [
        "Incorrect API key provided: swordfis",
        "invalid password=swordfis",
        "no Bearer swordfis",
        "-----BEGIN RSA PRIVATE KEY-----",
        "cannot reach redis://me:pw@host",
        "no sk-proj-aB3dE5gH7jK9",
        "no c3dvcmRmaXNoZXNhYg",
        "unknown tenant of acme",
    ],
)
def test_a_message_that_may_have_a_secret_is_not_exported(message, monkeypatch):
    monkeypatch.setenv("ACME_API_KEY", "t of acme")
    assert exported(message) == ""


@pytest.mark.parametrize("message", ["8192 tokens are too many", "'key'", "no such key", "retry in 5 s: busy"])
def test_a_message_about_keys_and_tokens_without_a_secret_is_exported(message):
    assert exported(message) == message


def test_a_long_message_is_not_exported_because_it_quotes_something():
    assert exported("x" * 401) == ""


def test_the_escapes_of_a_message_may_be_no_character():
    assert exported("\\Uffffffff \\q \\") == "\\Uffffffff \\q \\"
