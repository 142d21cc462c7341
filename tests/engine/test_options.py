"""Options of a generation: valid names and misspelt ones."""

from __future__ import annotations

import pytest

from pytest_streamval import InvalidArgumentError, ModelOption, ModelOutputThunk, SimpleContext, stream_with_chunking
from pytest_streamval.engine.backend import Backend, checked_options


class Asked(Backend):
    """A backend that remembers its options."""

    async def generate_from_context(self, action, ctx, *, model_options=None):
        self.options = model_options
        thunk = ModelOutputThunk()
        thunk.try_put("a")
        thunk.close()
        return thunk, ctx.add(action).add(thunk)


@pytest.mark.parametrize(
    "options",
    [None, {}, {ModelOption.SEED: 1}, {"seed": 1, "top_p": 0.5, "max_tokens": 3, "system": "x"}],
    ids=["none", "empty", "named", "the backend's own"],
)
def test_valid_options_are_returned_unchanged(options):
    assert checked_options(options) == (options or {})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("seed", "^Invalid model_options: 'seed'. It must be a dict"),
        ({None: 1}, "^Invalid model_options: None. Each key must be a str"),
        (
            {"temprature": 1},
            "^Invalid model_options: 'temprature'. There is no option of that name, but ModelOption.TEMPERATURE",
        ),
        ({"SEED": 1}, "but ModelOption.SEED"),
    ],
)
def test_a_misspelt_option_raises_an_error(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        checked_options(options)


async def test_a_run_passes_options_to_the_backend_with_stream():
    backend = Asked()
    options = {"top_p": 0.5, ModelOption.STREAM: False}
    await (await stream_with_chunking("Go.", backend, SimpleContext(), model_options=options)).acomplete()
    assert backend.options == {"top_p": 0.5, "stream": True}
    assert options[ModelOption.STREAM] is False


async def test_a_run_with_invalid_options_starts_nothing():
    backend = Asked()
    with pytest.raises(InvalidArgumentError):
        await stream_with_chunking("Go.", backend, SimpleContext(), model_options={"temprature": 1})
    assert not hasattr(backend, "options")
