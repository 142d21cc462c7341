"""`Backend` and the options that every backend understands."""

import inspect

import pytest

from pytest_streamval.engine.backend import Backend, ModelOption


def test_a_backend_without_generate_from_context_cannot_be_created():
    class Silent(Backend):
        pass

    with pytest.raises(TypeError, match="generate_from_context"):
        Silent()


def test_the_signature_of_generate_from_context_is_the_public_one():
    parameters = inspect.signature(Backend.generate_from_context).parameters
    assert list(parameters) == ["self", "action", "ctx", "format", "model_options"]
    for name in ("format", "model_options"):
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        assert parameters[name].default is None
    assert inspect.iscoroutinefunction(Backend.generate_from_context)


@pytest.mark.parametrize("name", ["STREAM", "TEMPERATURE", "MAX_NEW_TOKENS", "SEED", "SYSTEM_PROMPT", "STOP"])
def test_a_model_option_can_be_written_as_its_plain_name(name):
    option = ModelOption[name]
    assert option == name.lower() == str(option)
    assert {option: 1}[name.lower()] == 1


def test_the_identity_of_a_backend_is_none_by_default():
    class Silent(Backend):
        async def generate_from_context(self, action, ctx, **options):
            raise NotImplementedError

    assert Silent().identity is None
