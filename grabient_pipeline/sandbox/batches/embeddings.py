"""Embedding calls, billed at once: the same for every provider. How vectors are made is in `model/vectors.py`."""

import math
from hashlib import blake2b

from grabient_pipeline.sandbox.batches.context import Context
from grabient_pipeline.sandbox.capabilities import EmbeddingModel
from grabient_pipeline.sandbox.model.prompt import tokens_of
from grabient_pipeline.sandbox.model.vectors import Vectors, shorten, vectors_of


def embed(
    context: Context, provider: str, model: EmbeddingModel, texts: list[str], tokens: list[int], sizes: list[int]
) -> list[Vectors]:
    """Bill texts and return their vectors, each of the requested size.

    Args:
        context: The sandbox.
        provider: The key of the provider that bills.
        model: The embedding model.
        texts: The texts.
        tokens: The tokens of each text.
        sizes: The length of each vector.
    """
    identities = [
        blake2b(f"{model.name}\0{size}\0{text}".encode(), digest_size=12).hexdigest()
        for text, size in zip(texts, sizes, strict=True)
    ]
    context.direct_calls.bill_embeddings(provider, list(zip(identities, tokens, strict=True)))
    vectors = vectors_of(model.name, texts, model.size)
    return [shorten(vector, size, model.normalises) for vector, size in zip(vectors, sizes, strict=True)]


def embedding_tokens(text: str) -> int:
    """The billed tokens of a text, at least one."""
    return max(1, math.ceil(tokens_of(text)))
