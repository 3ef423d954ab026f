"""What an embedder is: the protocol, its models and vectors, and what the implementations share.

The implementations are modules of their own; `registry.py` knows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.errors import ProviderUncertain

Vectors = NDArray[np.float32]

# Tags are short and rare words, of which more tokens are made than of prose. On the dear side.
CHARACTERS_A_TOKEN: Final = 3.0

# OpenAI takes 300,000 tokens a request, and there are scripts in which a character is more than one.
CHARACTERS_A_REQUEST: Final = 150_000


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model that makes vectors of `dimension` numbers; `provider` is None for the one on this machine.

    `texts_a_request`: the most that its API takes at a time.
    """

    provider: str | None
    id: str
    dimension: int
    texts_a_request: int

    @property
    def name(self) -> str:
        """`provider/id`: how people name it, and how it stands in the table."""
        return f"{self.provider or 'local'}/{self.id}"

    @property
    def usd_per_million_tokens(self) -> float:
        """What it costs, from genai-prices; nothing for the one on this machine."""
        return 0.0 if self.provider is None else _usd_per_million_tokens(self.provider, self.id)

    def cost(self, tokens: float) -> float:
        """US dollars for that many tokens."""
        return tokens * self.usd_per_million_tokens / 1_000_000


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors (n, dimension) of unit length, and the tokens that were paid for; None where the API does not say."""

    vectors: Vectors
    tokens: int | None


class Embedder(Protocol):
    """A model, ready to use.

    Its methods raise `ProviderError` if an API says no or cannot be reached.
    """

    @property
    def model(self) -> EmbeddingModel:
        """Which one."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> Embedded:
        """What is to be found, at most `texts_a_request` of them."""
        ...

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        """What is looked for: (n, dimension), each of unit length, or all zero if the model makes nothing of it."""
        ...


def estimated_tokens(characters: int) -> float:
    """Tokens of texts with that many characters together."""
    return characters / CHARACTERS_A_TOKEN


def requests_of(texts: Sequence[str], model: EmbeddingModel) -> Iterator[Sequence[str]]:
    """The texts, as many at a time as a request takes."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(text)
        if place - start == model.texts_a_request or (characters > CHARACTERS_A_REQUEST and place > start):
            yield texts[start:place]
            start, characters = place, len(text)
    if start < len(texts):
        yield texts[start:]


def answered_vectors(rows: Sequence[Sequence[float]], texts: Sequence[str], model: EmbeddingModel) -> Vectors:
    """What an API answered, as vectors of unit length.

    Raises:
        ProviderUncertain: it is not a vector of the model's dimension for each text.
    """
    if len(rows) == len(texts) and all(len(row) == model.dimension for row in rows):
        vectors = np.array(rows, dtype=np.float32)
        if np.isfinite(vectors).all():
            return unit_length(vectors)
    raise ProviderUncertain(
        model.provider or "local", f"{model.id} did not answer {len(texts)} texts with {model.dimension} numbers each"
    )


def unit_length(vectors: Vectors) -> Vectors:
    """The vectors (..., dimension) at length 1; what is all zero stays so."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)


@cache
def _usd_per_million_tokens(provider: str, model_id: str) -> float:
    # Loading the price list takes a quarter of a second: only those who ask for a price pay it.
    from genai_prices import Usage, calc_price

    return float(calc_price(Usage(input_tokens=1_000_000), model_ref=model_id, provider_id=provider).total_price)
