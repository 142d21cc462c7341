"""The environment variables by which clients find a server."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_streamval import InvalidArgumentError, ProviderServer, faults
from pytest_streamval.errors import ClosedError
from pytest_streamval.server.environment import environ_of
from tests.server.clients import server_thread_ends

if TYPE_CHECKING:
    from collections.abc import Iterator

NAMES = list(environ_of("http://127.0.0.1:1"))


@pytest.fixture(autouse=True)
def _environment_is_restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-own")
    before = _variables()
    yield
    assert _variables() == before


def _variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def test_environ_has_an_address_and_a_key_for_each_client() -> None:
    with ProviderServer("Hello.") as server:
        environ = server.environ
        assert environ["OPENAI_BASE_URL"] == environ["OPENAI_API_BASE"] == server.openai_url
        assert environ["ANTHROPIC_BASE_URL"] == server.anthropic_url
        assert environ["GOOGLE_GEMINI_BASE_URL"] == server.gemini_url
        assert environ["GEMINI_API_BASE"] == f"{server.url}/v1beta"
        assert environ["OLLAMA_HOST"] == server.ollama_url
        assert environ["AZURE_OPENAI_ENDPOINT"] == server.url
        assert environ["ANTHROPIC_API_KEY"]
        assert os.environ["OPENAI_API_KEY"] == "sk-own"  # they are not set
        with pytest.raises(TypeError):
            environ["OPENAI_BASE_URL"] = "elsewhere"  # type: ignore[index]


def test_a_server_that_is_not_open_has_no_environ() -> None:
    with pytest.raises(ClosedError, match="is not open"):
        assert ProviderServer("Hello.", env=True).environ
    assert os.environ["OPENAI_API_KEY"] == "sk-own"


def test_a_server_sets_the_environment_while_it_is_open() -> None:
    with ProviderServer("Hello.", env=True) as server:
        assert {name: os.environ[name] for name in NAMES} == dict(server.environ)
        code = "import os; print(os.environ['OPENAI_BASE_URL'])"
        child = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert child.stdout.strip() == server.openai_url
    assert "OPENAI_BASE_URL" not in os.environ
    assert os.environ["OPENAI_API_KEY"] == "sk-own"


def test_the_server_that_opened_last_is_in_the_environment() -> None:
    first, second = ProviderServer("One.", env=True).start(), ProviderServer("Two.", env=True).start()
    assert os.environ["OPENAI_BASE_URL"] == second.openai_url
    first.close()
    assert os.environ["OPENAI_BASE_URL"] == second.openai_url
    with ProviderServer("Three.", env=True) as third:
        assert os.environ["OPENAI_BASE_URL"] == third.openai_url
    assert os.environ["OPENAI_BASE_URL"] == second.openai_url
    second.close()
    second.close()
    assert "OPENAI_BASE_URL" not in os.environ


def test_a_server_that_refuses_connections_is_in_the_environment() -> None:
    with ProviderServer("Hello.", fault=faults.refuse(), env=True) as server:
        assert os.environ["OLLAMA_HOST"] == server.url


def test_a_server_that_is_dropped_leaves_the_environment() -> None:
    with pytest.warns(ResourceWarning, match="was dropped"):
        ProviderServer("Hello.", env=True).start().__del__()
    server_thread_ends()
    assert "OPENAI_BASE_URL" not in os.environ


def test_env_is_true_or_false() -> None:
    with pytest.raises(InvalidArgumentError, match="It must be True or False"):
        ProviderServer("Hello.", env="yes")
