"""The protocol of embedders, their models and vectors, and what the implementations share.

Each implementation is a module of its own; `registry.py` lists the models and opens them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.prices import input_usd_per_million

Vectors = NDArray[np.float32]

# Tags are short, rare words, which take more tokens than prose. Deliberately conservative.
CHARACTERS_PER_TOKEN: Final = 3.0

# OpenAI accepts 300,000 tokens per request, and in some scripts a character is more than one token.
CHARACTERS_PER_REQUEST: Final = 150_000


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """An embedding model whose vectors have `dimension` components; `provider` is None for the local one.

    `texts_per_request` is the most that its API accepts in one call.
    """

    provider: str | None
    id: str
    dimension: int
    texts_per_request: int

    @property
    def name(self) -> str:
        """The name that people use and that the table stores: `provider/id`."""
        return f"{self.provider or 'local'}/{self.id}"

    @property
    def usd_per_million_tokens(self) -> float:
        """The price of input tokens; 0 for the local model."""
        return 0.0 if self.provider is None else input_usd_per_million(self.provider, self.id)

    def cost(self, tokens: float) -> float:
        """US dollars for this number of tokens."""
        return tokens * self.usd_per_million_tokens / 1_000_000


@dataclass(frozen=True, slots=True)
class EmbeddingResult:
    """Vectors (n, dimension) of unit length, and the billed tokens; None where the API does not report them."""

    vectors: Vectors
    tokens: int | None


class Embedder(Protocol):
    """An embedding model that is ready to use.

    Its methods raise `ProviderError` if an API refuses the call or cannot be reached.
    """

    @property
    def model(self) -> EmbeddingModel:
        """The model."""
        ...

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        """Embed texts to be searched, at most `texts_per_request` of them."""
        ...

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        """Embed search queries: (n, dimension), of unit length, or zero where the model knows no word of a query."""
        ...


def estimate_tokens(characters: int) -> float:
    """Estimate the tokens of texts from their total number of characters."""
    return characters / CHARACTERS_PER_TOKEN


def split_into_requests(texts: Sequence[str], model: EmbeddingModel) -> Iterator[Sequence[str]]:
    """Split texts into groups that fit into one request each."""
    start = characters = 0
    for place, text in enumerate(texts):
        characters += len(text)
        if place - start == model.texts_per_request or (characters > CHARACTERS_PER_REQUEST and place > start):
            yield texts[start:place]
            start, characters = place, len(text)
    if start < len(texts):
        yield texts[start:]


def to_unit_vectors(rows: Sequence[Sequence[float]], texts: Sequence[str], model: EmbeddingModel) -> Vectors:
    """Convert an API's vectors to (n, dimension) of unit length.

    Raises:
        ProviderUncertain: There is not one finite vector of the model's dimension for each text.
    """
    if len(rows) == len(texts) and all(len(row) == model.dimension for row in rows):
        vectors = np.array(rows, dtype=np.float32)
        if np.isfinite(vectors).all():
            return unit_length(vectors)
    raise ProviderUncertain(
        model.provider or "local", f"{model.id} did not answer {len(texts)} texts with {model.dimension} numbers each"
    )


def unit_length(vectors: Vectors) -> Vectors:
    """Scale vectors (..., dimension) to length 1; zero vectors stay zero."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(lengths > 0, lengths, 1)).astype(np.float32)
