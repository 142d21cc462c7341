"""`Backend` and the options that every backend understands."""

import inspect

import pytest

from pytest_streamval.engine.backend import Backend, ModelOption


def test_a_backend_has_to_say_how_it_generates():
    class Silent(Backend):
        pass

    with pytest.raises(TypeError, match="generate_from_context"):
        Silent()


def test_the_signature_is_the_one_of_the_design():
    parameters = inspect.signature(Backend.generate_from_context).parameters
    assert list(parameters) == ["self", "action", "ctx", "format", "model_options"]
    for name in ("format", "model_options"):
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is None
    assert inspect.iscoroutinefunction(Backend.generate_from_context)


@pytest.mark.parametrize("name", ["STREAM", "TEMPERATURE", "MAX_NEW_TOKENS", "SEED", "SYSTEM_PROMPT", "STOP"])
def test_an_option_may_be_written_as_its_plain_name(name):
    option = ModelOption[name]
    assert option == name.lower() == str(option)
    assert {option: 1}[name.lower()] == 1


def test_what_tells_a_backend_from_others_is_unknown_unless_it_says():
    class Silent(Backend):
        async def generate_from_context(self, action, ctx, **options):
            raise NotImplementedError

    assert Silent().identity is None
