"""OpenAI's embedding API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import openai

from grabient_pipeline.providers.registry import ProviderCredentials
from grabient_pipeline.providers.transport.errors import translate_errors
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, to_unit_vectors

_TIMEOUT_SECONDS: Final = 60.0
# A repeated call costs a fraction of a cent at worst; the SDK waits between attempts.
_RETRIES: Final = 4


class OpenAIEmbedder:
    """OpenAI, through its SDK."""

    def __init__(self, model: EmbeddingModel, credentials: ProviderCredentials) -> None:
        self.model = model
        self._secret = credentials.key
        self._client = openai.OpenAI(
            api_key=credentials.key, base_url=credentials.base_url, timeout=_TIMEOUT_SECONDS, max_retries=_RETRIES
        )

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        with translate_errors("openai", "embedding", self._secret):
            # The vectors come in any order, each with its index.
            response = self._client.embeddings.create(
                model=self.model.id, input=list(texts), dimensions=self.model.dimension
            )
        rows = [row.embedding for row in sorted(response.data, key=lambda row: row.index)]
        return EmbeddingResult(to_unit_vectors(rows, texts, self.model), response.usage.prompt_tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors
