"""Embeddings: vectors that are made from texts or given by the test, in the formats of the providers.

A made vector depends on the text alone, so it is the same in every run and on every machine. Its length is 1, and the
vectors of texts that share words are nearer to each other than those of others.
"""

from __future__ import annotations

import re
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from math import isfinite, sqrt
from typing import TYPE_CHECKING, TypeAlias

from pytest_streamval.errors import InvalidArgumentError, excerpt
from pytest_streamval.wire.prompts import estimated_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

Embeddings: TypeAlias = Callable[[str], Sequence[float]] | Mapping[str, Sequence[float]]
"""The vectors of texts: a function of the text, or a dict. A text that the dict does not have gets a made vector."""

_DIMENSIONS = {"openai": 1536, "gemini": 3072, "ollama": 768}  # text-embedding-3-small, gemini-embedding-001, nomic
_MOST_DIMENSIONS = 16_384
_WORD = re.compile(r"\w+")
_FEATURES = 4  # numbers of a vector that a word changes
_OWN = 0.25  # the weight of the complete text, which distinguishes texts of the same words


class InvalidInputError(ValueError):
    """A request for embeddings without a valid input."""


class Embedder:
    """The source of the vectors of one server."""

    def __init__(self, given: Embeddings | None = None) -> None:
        """Create it from the argument of a server.

        Raises:
            InvalidArgumentError: A `TypeError`. If it is neither a function nor a dict.
        """
        if given is not None and not isinstance(given, Mapping) and not callable(given):
            rule = 'It must be a function of a text, or a dict: {"Hello.": [0.1, 0.2]}.'
            raise InvalidArgumentError("embeddings", excerpt(given), rule)
        self._given = given

    def vector(self, text: str, dimensions: int) -> list[float]:
        """Return the vector of a text. One that the test gives keeps its own number of dimensions.

        Raises:
            InvalidArgumentError: If the given vector is not a list of finite numbers.
            Exception: If the function of the test raises it.
        """
        given = self._given.get(text) if isinstance(self._given, Mapping) else self._given and self._given(text)
        return made_vector(text, dimensions) if given is None else _checked(given)

    def openai(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of `/v1/embeddings`, which Voyage has too.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        texts = _texts(body.get("input"), "input")
        size = _size(body, ("dimensions", "output_dimension"), "openai")
        vectors = [self.vector(text, size) for text in texts]
        is_packed = body.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if is_packed else vector}
            for index, vector in enumerate(vectors)
        ]
        count = sum(estimated_tokens(len(text)) for text in texts)
        usage = {"prompt_tokens": count, "total_tokens": count}
        return {"object": "list", "data": data, "model": body.get("model"), "usage": usage}

    def gemini(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of `embedContent`.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        return {"embedding": self._gemini_values(body)}

    def gemini_batch(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of `batchEmbedContents`.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        requests = _objects(body.get("requests"), "requests")
        return {"embeddings": [self._gemini_values(each) for each in requests]}

    def vertex(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of Vertex AI's `predict`.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        parameters = body.get("parameters")
        size = _size(parameters if isinstance(parameters, Mapping) else {}, ("outputDimensionality",), "gemini")
        found = []
        for instance in _objects(body.get("instances"), "instances"):
            (text,) = _texts(instance.get("content"), "instances[].content", most=1)
            statistics = {"truncated": False, "token_count": estimated_tokens(len(text))}
            found.append({"embeddings": {"values": self.vector(text, size), "statistics": statistics}})
        return {"predictions": found}

    def _gemini_values(self, body: Mapping[str, object]) -> dict[str, object]:
        content = body.get("content")
        parts = content.get("parts") if isinstance(content, Mapping) else None
        texts = [part.get("text") for part in _objects(parts, "content.parts")]
        text = "".join(each for each in texts if isinstance(each, str))
        size = _size(body, ("outputDimensionality", "output_dimensionality"), "gemini")
        return {"values": self.vector(text, size)}

    def ollama(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of `/api/embed`.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        texts = _texts(body.get("input"), "input")
        size = _size(body, ("dimensions",), "ollama")
        count = sum(estimated_tokens(len(text)) for text in texts)
        times = {"total_duration": 1_000_000, "load_duration": 100_000, "prompt_eval_count": count}
        return {"model": body.get("model"), "embeddings": [self.vector(text, size) for text in texts], **times}

    def ollama_prompt(self, body: Mapping[str, object]) -> dict[str, object]:
        """Return the response of `/api/embeddings`, the older path of Ollama.

        Raises:
            InvalidInputError: If the request is invalid.
        """
        (text,) = _texts(body.get("prompt"), "prompt", most=1)
        return {"embedding": self.vector(text, _DIMENSIONS["ollama"])}


def made_vector(text: str, dimensions: int) -> list[float]:
    """Return a vector of length 1 that depends on the text alone, in numbers of 32 bits."""
    numbers = [0.0] * dimensions
    for feature, weight in _features(text):
        digest = blake2b(feature.encode(errors="surrogatepass"), digest_size=4 * _FEATURES).digest()
        for (number,) in struct.iter_unpack("<I", digest):
            numbers[(number >> 1) % dimensions] += weight if number & 1 else -weight
    length = sqrt(sum(number * number for number in numbers))
    if not length:  # features that cancel each other out, in few dimensions
        numbers[0] = length = 1.0
    return list(struct.unpack(f"<{dimensions}f", struct.pack(f"<{dimensions}f", *(each / length for each in numbers))))


def _features(text: str) -> Iterator[tuple[str, float]]:
    yield f"text {text}", _OWN
    for word in _WORD.finditer(text.lower()):
        yield f"word {word[0]}", 1.0


def _packed(vector: Sequence[float]) -> str:
    """Return a vector in base64, as numbers of 32 bits."""
    return b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _checked(vector: object) -> list[float]:
    numbers = list(vector) if isinstance(vector, Sequence) and not isinstance(vector, str | bytes) else None
    if not numbers or not all(isinstance(each, int | float) and isfinite(each) for each in numbers):
        raise InvalidArgumentError("embedding", excerpt(vector), "It must be a list of finite numbers: [0.1, 0.2].")
    return [float(each) for each in numbers]


def _texts(given: object, name: str, *, most: int = 2048) -> list[str]:
    """Return the texts of an input: one, several, or lists of tokens, whose numbers are their text."""
    if isinstance(given, list) and given and all(type(each) is int for each in given):
        given = [given]
    values = given if isinstance(given, list) else [given]
    found = [text for text in map(_text_of, values) if text is not None]
    if not found or len(found) < len(values) or len(found) > most:
        wanted = "a text" if most == 1 else "a text, or a list of texts"
        raise InvalidInputError(f"Invalid {name}: {excerpt(given)}. It must be {wanted}.")
    return found


def _text_of(value: object) -> str | None:
    """Return a text, or the numbers of tokens as text, or None for anything else."""
    if isinstance(value, list) and value and all(type(each) is int for each in value):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else None


def _objects(given: object, name: str) -> list[Mapping[str, object]]:
    found = [each for each in given if isinstance(each, Mapping)] if isinstance(given, list) else []
    if not found or not isinstance(given, list) or len(found) < len(given):
        raise InvalidInputError(f"Invalid {name}: {excerpt(given)}. It must be a list of objects.")
    return found


def _size(body: Mapping[str, object], names: Sequence[str], provider: str) -> int:
    """Return the number of dimensions of a request, or the provider's own."""
    name, size = next(((name, body[name]) for name in names if body.get(name) is not None), ("", None))
    if size is None:
        return _DIMENSIONS[provider]
    if type(size) is not int or not 1 <= size <= _MOST_DIMENSIONS:
        raise InvalidInputError(f"Invalid {name}: {excerpt(size)}. It must be from 1 to {_MOST_DIMENSIONS:,}.")
    return size
