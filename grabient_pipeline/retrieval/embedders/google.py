"""Google's embedding API for Gemini."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google import genai
from google.genai import types

from grabient_pipeline.http_environment import tls_context
from grabient_pipeline.providers.transport.connection import Connection
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, to_unit_vectors

_API_VERSION: Final = "v1beta"
_TIMEOUT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5


class GoogleEmbedder:
    """Google, through google-genai, with an API key."""

    def __init__(self, model: EmbeddingModel, connection: Connection) -> None:
        self.model = model
        self._connection = connection
        options = types.HttpOptions(
            base_url=connection.base_url,
            api_version=_API_VERSION,
            timeout=int(_TIMEOUT_SECONDS * 1000),
            client_args={"verify": tls_context()},
            async_client_args={"ssl": tls_context()},
            # Unset means no retries.
            retry_options=types.HttpRetryOptions(attempts=_ATTEMPTS, max_delay=16.0),
        )
        self._client = genai.Client(vertexai=False, api_key=connection.secret, http_options=options)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        return self._embed(texts, "RETRIEVAL_DOCUMENT")

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self._embed(queries, "RETRIEVAL_QUERY").vectors

    def _embed(self, texts: Sequence[str], task_type: str) -> EmbeddingResult:
        with self._connection.translate_errors("embedding"):
            response = self._client.models.embed_content(
                model=self.model.id,
                contents=list(texts),
                config=types.EmbedContentConfig(task_type=task_type, output_dimensionality=self.model.dimension),
            )
            rows = [row.values or [] for row in response.embeddings or []]
            tokens = response.usage_metadata.prompt_token_count if response.usage_metadata else None
        # Gemini's shortened vectors do not have unit length.
        return EmbeddingResult(to_unit_vectors(rows, texts, self.model), tokens)
