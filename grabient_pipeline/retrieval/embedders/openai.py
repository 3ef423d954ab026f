"""OpenAI's embedding API."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import openai

from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.transport.connection import Connection
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, to_unit_vectors

_TIMEOUT_SECONDS: Final = 60.0
# A repeated call costs a fraction of a cent at worst; the SDK waits between attempts.
_RETRIES: Final = 4


class OpenAIEmbedder:
    """OpenAI, through its SDK."""

    def __init__(self, model: EmbeddingModel, connection: Connection) -> None:
        self.model = model
        self._connection = connection
        self._client = openai.OpenAI(
            api_key=connection.secret,
            base_url=connection.base_url,
            timeout=_TIMEOUT_SECONDS,
            max_retries=_RETRIES,
            http_client=openai.DefaultHttpxClient(verify=tls_context()),
        )

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        with self._connection.translate_errors("embedding"):
            response = self._client.embeddings.create(
                model=self.model.id, input=list(texts), dimensions=self.model.dimension
            )
            # The vectors come in any order, each with its index.
            rows = [row.embedding for row in sorted(response.data, key=lambda row: row.index)]
            tokens = response.usage.prompt_tokens
        return EmbeddingResult(to_unit_vectors(rows, texts, self.model), tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors
