"""The arguments of `start_session` and of the methods of a session."""

from __future__ import annotations

import pytest

from pytest_streamval import (
    ChatContext,
    InvalidArgumentError,
    LiveBackend,
    ModelOption,
    ModelOutputThunk,
    Requirement,
    Script,
    Session,
    StreamingMockBackend,
    start_session,
)
from pytest_streamval.errors import UnknownNameError


@pytest.fixture
def clean_environment(monkeypatch):
    """Remove the backends of the environment."""
    for name in ("STREAMVAL_BACKEND", "STREAMVAL_URL", "OLLAMA_HOST", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_start_session_uses_a_backend():
    backend = StreamingMockBackend("a")
    with start_session(backend) as session:
        assert session.backend is backend


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        (Script.of("a"), ["a"]),
        ([Script.of("a"), "b"], ["a", "b"]),
        ((Script.of("a"), Script.of("b")), ["a", "b"]),
    ],
    ids=["one", "list", "tuple"],
)
def test_start_session_plays_scripts_with_the_mock(given, texts):
    with start_session(given) as session:
        assert [str(session.instruct("Go.")) for _ in texts] == texts


def test_start_session_makes_a_live_backend_for_a_spec(clean_environment):
    clean_environment.setenv("STREAMVAL_URL", "http://there:1")  # for the backend of the environment only
    session = start_session("openai:gpt-4.1", model_options={ModelOption.SEED: 1})
    assert isinstance(session.backend, LiveBackend)
    assert (session.backend.spec, session.backend.address) == ("openai:gpt-4.1", "https://api.openai.com")
    assert session.backend.model_options == session.model_options == {"seed": 1}


@pytest.mark.parametrize(
    ("environment", "spec", "address"),
    [
        ({}, "ollama:granite4:micro", "http://127.0.0.1:11434"),
        ({"STREAMVAL_BACKEND": ""}, "ollama:granite4:micro", "http://127.0.0.1:11434"),
        ({"STREAMVAL_URL": "http://there:1"}, "ollama:granite4:micro", "http://there:1"),
        ({"STREAMVAL_BACKEND": "openai:m", "STREAMVAL_URL": "http://there:1"}, "openai:m", "http://there:1"),
    ],
    ids=["nothing", "empty", "address", "both"],
)
def test_start_session_takes_the_backend_from_the_environment(clean_environment, environment, spec, address):
    for name, value in environment.items():
        clean_environment.setenv(name, value)
    backend = start_session().backend
    assert (backend.spec, backend.address) == (spec, address)


def test_start_session_mentions_scripts_for_an_unknown_spec():
    with pytest.raises(UnknownNameError, match="'Hello there'") as caught:
        start_session("Hello there")
    assert caught.value.__notes__ == [
        "To let the mock send a text, pass a script: start_session(Script.from_text(...))."
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": 3}, "^Invalid backend: 3. It must be a Backend, a spec such as"),
        ({"backend": StreamingMockBackend}, r"Pass an instance, StreamingMockBackend\("),
        ({"backend": [3]}, r"^Invalid scripts\[0\]: 3"),
        ({"ctx": ChatContext}, "^Invalid ctx: <class .*. It must be a context"),
        ({"ctx": []}, r"^Invalid ctx: \[\]"),
        ({"model_options": ["seed"]}, r"^Invalid model_options: \['seed'\]. It must be a dict"),
        ({"model_options": {1: 2}}, "^Invalid model_options: 1. Each key must be a str. Choose from ModelOption"),
        ({"model_options": {"temprature": 0}}, "'temprature'.*ModelOption.TEMPERATURE"),
        ({"model_options": {"Seed": 0}}, "'Seed'.*ModelOption.SEED"),
    ],
)
def test_start_session_refuses_invalid_arguments(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        start_session(**{"backend": Script.of("a"), **arguments})


def test_a_session_needs_a_backend():
    with pytest.raises(InvalidArgumentError, match=r"^Invalid backend: 'ollama:x'"):
        Session("ollama:x")


def test_instruct_refuses_an_unknown_argument():
    with pytest.raises(TypeError, match="unexpected keyword argument 'stratgy'"):
        start_session(Script.of("a")).instruct("Go.", stratgy=None)


class Named:
    """An object without a text."""


UNFINISHED = ModelOutputThunk()


@pytest.mark.parametrize(
    ("method", "arguments", "options", "message"),
    [
        ("instruct", [""], {}, "^Invalid description: ''"),
        ("instruct", [" \n"], {}, "^Invalid description:"),
        ("instruct", [None], {}, "^Invalid description: None. It must be a str"),
        ("instruct", ["x"], {"requirements": "short"}, r"Requirement\('short'\)"),
        ("instruct", ["x"], {"requirements": Requirement("short")}, "into a list"),
        ("instruct", ["x"], {"requirements": [Requirement]}, r"instance.*, Requirement\(\.\.\.\)"),
        ("instruct", ["x"], {"requirements": [Requirement("a"), 3]}, r"^Invalid requirements\[1\]: 3"),
        ("instruct", ["x"], {"user_variables": ["a"]}, r"^Invalid user_variables: \['a'\]. They must be a dict"),
        ("instruct", ["x"], {"user_variables": {1: "a"}}, "^Invalid user_variables: "),
        (
            "instruct",
            ["{{a}} {{b}}"],
            {"user_variables": {"a": 1}},
            "for {{b}} in the description. They have values for: a",
        ),
        (
            "instruct",
            ["{{ a }}"],
            {"user_variables": {}},
            "for {{ a }} in the description. .* for: none",
        ),
        (
            "instruct",
            ["x"],
            {"user_variables": {"a": 1}, "requirements": [Requirement("of {{b}}")]},
            "a value for {{b}} in the requirement",
        ),
        ("instruct", ["x"], {"max_attempts": 0}, "^Invalid max_attempts: 0. It must be a whole number from 1 on"),
        ("instruct", ["x"], {"max_attempts": True}, "^Invalid max_attempts: True"),
        ("instruct", ["x"], {"max_attempts": 1.5}, "^Invalid max_attempts: 1.5"),
        ("instruct", ["x"], {"model_options": {"stream ": True}}, "'stream '.*ModelOption.STREAM.*ModelOption.STREAM"),
        ("chat", [""], {}, "^Invalid message: ''"),
        ("chat", [3], {}, "^Invalid message: 3"),
        ("act", [""], {}, "^Invalid action: ''"),
        ("act", [object], {}, "^Invalid action: <class 'object'>. It must be a Component"),
        ("act", [Requirement("x")], {}, "^Invalid action: Requirement"),
        ("validate", [None], {}, "^Invalid requirements: None"),
        ("validate", [[3]], {}, r"^Invalid requirements\[0\]: 3"),
        ("validate", [[]], {}, "^Invalid output: None. The session must have an output"),
        ("validate", [[], 3], {}, "^Invalid output: 3"),
        ("query", ["x", " "], {}, "^Invalid question: ' '"),
        ("query", ["", "why?"], {}, "^Invalid obj: ''"),
        ("query", [None, "why?"], {}, "^Invalid obj: None. It must have a text"),
        ("query", [Named(), "why?"], {}, "It must have a text"),
        ("query", [UNFINISHED, "why?"], {}, "Await its avalue"),
        ("transform", ["x", ""], {}, "^Invalid instruction: ''"),
    ],
)
async def test_session_methods_refuse_invalid_arguments(method, arguments, options, message):
    session = start_session(StreamingMockBackend())
    with pytest.raises(InvalidArgumentError, match=message):
        await getattr(session, f"a{method}")(*arguments, **options)
    with session, pytest.raises(InvalidArgumentError, match=message):
        getattr(session, method)(*arguments, **options)


@pytest.mark.parametrize(("action", "options"), [("", {}), ("x", {"requirements": ["short"]})])
async def test_stream_refuses_invalid_arguments(action, options):
    with pytest.raises(InvalidArgumentError):
        await start_session(StreamingMockBackend()).stream(action, **options)


async def test_a_session_names_a_backend_with_an_invalid_answer():
    class Wrong(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, *, model_options=None):
            return ModelOutputThunk("a")

    with pytest.raises(InvalidArgumentError, match=r"Wrong\.generate_from_context"):
        await start_session(Wrong()).ainstruct("Go.")
