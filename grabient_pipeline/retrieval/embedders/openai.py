"""OpenAI's embedding API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import openai

from grabient_pipeline.providers.registry import ProviderCredentials
from grabient_pipeline.providers.transport.errors import translate_errors
from grabient_pipeline.retrieval.embedders.base import Embedded, EmbeddingModel, Vectors, answered_vectors

_TIMEOUT_SECONDS: Final = 60.0
# Nothing is kept at the provider, so asking again costs a fraction of a cent at worst; the SDK waits in between.
_RETRIES: Final = 4


class OpenAIEmbedder:
    """OpenAI, through its SDK."""

    def __init__(self, model: EmbeddingModel, access: ProviderCredentials) -> None:
        self.model = model
        self._secret = access.key
        self._client = openai.OpenAI(
            api_key=access.key, base_url=access.base_url, timeout=_TIMEOUT_SECONDS, max_retries=_RETRIES
        )

    def embed_texts(self, texts: Sequence[str]) -> Embedded:
        with translate_errors("openai", "embedding", self._secret):
            # In any order, each with its place.
            answer = self._client.embeddings.create(
                model=self.model.id, input=list(texts), dimensions=self.model.dimension
            )
        rows = [row.embedding for row in sorted(answer.data, key=lambda row: row.index)]
        return Embedded(answered_vectors(rows, texts, self.model), answer.usage.prompt_tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors
