"""DSPy: `Predict` and a stream of one of its fields, with a model of each protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

from tests.frameworks.city import City  # noqa: TC001  # the signature below is evaluated
from tests.frameworks.driver import PROMPT, Call, Driver, texts_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_VERSIONS = {"openai": "", "anthropic": "/v1", "gemini": "/v1beta"}
"""The rest of the address for each protocol."""


class Answer(dspy.Signature):
    """Answer the question."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Question(dspy.Signature):
    """Answer the question with a city."""

    question: str = dspy.InputField()
    answer: City = dspy.OutputField()


class DSPy(Driver):
    """`dspy.Predict` with a model."""

    framework = "dspy"
    lacks = {  # noqa: RUF012  # read only
        "tools": "`dspy.ReAct` requests a tool as text, in a form of its own",
        "leaving": "`dspy.streamify` reads on",
        "thinking": "`dspy.ReAct` requests a tool as text, in a form of its own",
    }

    def written(self, steps: Sequence[Any]) -> list[Any]:
        """Return the steps with the marks of DSPy's fields."""
        pieces, others = texts_of(steps)
        marked = ["[[ ## answer ## ]]\n" + pieces[0], *pieces[1:]]
        return [*marked[:-1], marked[-1] + "\n\n[[ ## completed ## ]]\n", *others]

    def complete(self, text: str) -> str:
        """Return the text with the line ends that DSPy writes."""
        return "\n".join(text.splitlines())

    def _model(self, call: Call) -> dspy.LM:
        return dspy.LM(
            f"{self.protocol}/{call.model}",
            api_base=f"{call.url}{_VERSIONS[self.protocol]}",
            api_key="none",
            cache=False,
            timeout=call.seconds,
        )

    async def stream(self, call: Call) -> AsyncIterator[str]:
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        predict = dspy.streamify(dspy.Predict(Answer), stream_listeners=[listener])
        with dspy.context(lm=self._model(call), track_usage=True):
            async for piece in predict(question=PROMPT):
                if isinstance(piece, dspy.streaming.StreamResponse):
                    yield piece.chunk
                else:
                    _count(call, piece)

    async def whole(self, call: Call) -> str:
        with dspy.context(lm=self._model(call), track_usage=True):
            prediction = await dspy.Predict(Answer).acall(question=PROMPT)
        _count(call, prediction)
        return str(prediction.answer)

    async def structured(self, call: Call) -> tuple[str, int]:
        with dspy.context(lm=self._model(call)):
            city = (await dspy.Predict(Question).acall(question=PROMPT)).answer
        return city.name, city.population


def _count(call: Call, prediction: dspy.Prediction) -> None:
    for usage in (prediction.get_lm_usage() or {}).values():
        call.count(usage["prompt_tokens"], usage["completion_tokens"])


DRIVERS = [DSPy(f"LM('{protocol}/…')", protocol) for protocol in _VERSIONS]
