"""What a session is made from, and what it does not take."""

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
    UnknownProviderError,
    start_session,
)


@pytest.fixture
def elsewhere(monkeypatch):
    """Unset what the environment says of backends."""
    for name in ("STREAMVAL_BACKEND", "STREAMVAL_URL", "OLLAMA_HOST", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_a_backend_is_taken_as_it_is():
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
def test_scripts_are_for_the_mock(given, texts):
    with start_session(given) as session:
        assert [str(session.instruct("Go.")) for _ in texts] == texts


def test_a_text_names_a_real_model(elsewhere):
    elsewhere.setenv("STREAMVAL_URL", "http://elsewhere:1")  # of another backend than this one
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
def test_without_a_backend_the_environment_names_one(elsewhere, environment, spec, address):
    for name, value in environment.items():
        elsewhere.setenv(name, value)
    backend = start_session().backend
    assert (backend.spec, backend.address) == (spec, address)


def test_a_text_that_names_no_model_is_told_of_scripts():
    with pytest.raises(UnknownProviderError, match="'Hello there'") as caught:
        start_session("Hello there")
    assert caught.value.__notes__ == ["A text for the mock to send is a script: start_session(Script.from_text(...))."]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"backend": 3}, "^Invalid backend: 3. It must be a Backend, a spec such as"),
        ({"backend": StreamingMockBackend}, r"pass an instance, StreamingMockBackend\("),
        ({"backend": [3]}, r"^scripts\[0\]=3"),
        ({"ctx": ChatContext}, "^ctx=<class .*it is a context"),
        ({"ctx": []}, r"^Invalid ctx: \[\]"),
        ({"model_options": ["seed"]}, r"^Invalid model_options: \['seed'\]. It must be a dict"),
        (
            {"model_options": {1: 2}},
            "^Invalid model_options: 1. Each key must be a str. Choose from ModelOption",
        ),
        ({"model_options": {"temprature": 0}}, "'temprature' does not fit: .* but ModelOption.TEMPERATURE"),
        ({"model_options": {"Seed": 0}}, "'Seed' does not fit: .* but ModelOption.SEED"),
    ],
)
def test_what_does_not_fit_is_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        start_session(**{"backend": Script.of("a"), **arguments})


def test_a_session_is_over_a_backend():
    with pytest.raises(InvalidArgumentError, match=r"^Invalid backend: 'ollama:x'"):
        Session("ollama:x")


def test_an_unknown_argument_is_refused():
    with pytest.raises(TypeError, match="unexpected keyword argument 'stratgy'"):
        start_session(Script.of("a")).instruct("Go.", stratgy=None)


class Named:
    """No words for a model, only an address in memory."""


UNFINISHED = ModelOutputThunk()


@pytest.mark.parametrize(
    ("method", "arguments", "options", "message"),
    [
        ("instruct", [""], {}, "^Invalid description: ''"),
        ("instruct", [" \n"], {}, "^description="),
        ("instruct", [None], {}, "^Invalid description: None. It must be a str"),
        ("instruct", ["x"], {"requirements": "short"}, "For a condition in words, write Requirement"),
        ("instruct", ["x"], {"requirements": Requirement("short")}, "Put the requirement into a list"),
        ("instruct", ["x"], {"requirements": [Requirement]}, "Pass an instance of the class, Requirement"),
        ("instruct", ["x"], {"requirements": [Requirement("a"), 3]}, r"^requirements\[1\]=3"),
        ("instruct", ["x"], {"user_variables": ["a"]}, r"^Invalid user_variables: \['a'\]. They must be a dict"),
        ("instruct", ["x"], {"user_variables": {1: "a"}}, "^user_variables="),
        ("instruct", ["{{a}} {{b}}"], {"user_variables": {"a": 1}}, "the description has {{b}}.* it gives: a"),
        ("instruct", ["{{ a }}"], {"user_variables": {}}, "the description has {{ a }}.* it gives: -"),
        (
            "instruct",
            ["x"],
            {"user_variables": {"a": 1}, "requirements": [Requirement("of {{b}}")]},
            "the requirement has {{b}}",
        ),
        ("instruct", ["x"], {"max_attempts": 0}, "^Invalid max_attempts: 0. It must be a whole number from 1 on"),
        ("instruct", ["x"], {"max_attempts": True}, "^max_attempts=True"),
        ("instruct", ["x"], {"max_attempts": 1.5}, "^max_attempts=1.5"),
        ("instruct", ["x"], {"model_options": {"stream ": True}}, "but ModelOption.STREAM"),
        ("chat", [""], {}, "^Invalid message: ''"),
        ("chat", [3], {}, "^message=3"),
        ("act", [""], {}, "^Invalid action: ''"),
        ("act", [object], {}, "^Invalid action: <class 'object'>. It must be a Component"),
        ("act", [Requirement("x")], {}, "^action=Requirement"),
        ("validate", [None], {}, "^requirements=None"),
        ("validate", [[3]], {}, r"^requirements\[0\]=3"),
        ("validate", [[]], {}, "^Invalid output: None. The session has no output yet"),
        ("validate", [[], 3], {}, "^Invalid output: 3"),
        ("query", ["x", " "], {}, "^Invalid question: ' '"),
        ("query", ["", "why?"], {}, "^Invalid obj: ''"),
        ("query", [None, "why?"], {}, "^Invalid obj: None. A model has to read it"),
        ("query", [Named(), "why?"], {}, "a model has to read it"),
        ("query", [UNFINISHED, "why?"], {}, "await its avalue"),
        ("transform", ["x", ""], {}, "^Invalid instruction: ''"),
    ],
)
async def test_a_method_says_what_it_does_not_take(method, arguments, options, message):
    session = start_session(StreamingMockBackend())
    with pytest.raises(InvalidArgumentError, match=message):
        await getattr(session, f"a{method}")(*arguments, **options)
    with session, pytest.raises(InvalidArgumentError, match=message):
        getattr(session, method)(*arguments, **options)


@pytest.mark.parametrize(("action", "options"), [("", {}), ("x", {"requirements": ["short"]})])
async def test_a_stream_says_what_it_does_not_take(action, options):
    with pytest.raises(InvalidArgumentError):
        await start_session(StreamingMockBackend()).stream(action, **options)


async def test_a_backend_that_answers_with_something_else_is_named():
    class Wrong(StreamingMockBackend):
        async def generate_from_context(self, action, ctx, *, model_options=None):
            return ModelOutputThunk("a")

    with pytest.raises(InvalidArgumentError, match=r"Wrong\.generate_from_context"):
        await start_session(Wrong()).ainstruct("Go.")
