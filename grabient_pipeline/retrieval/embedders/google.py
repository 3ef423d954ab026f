"""Google's embedding API for Gemini."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google import genai
from google.genai import types

from grabient_pipeline.providers.registry import ProviderCredentials
from grabient_pipeline.providers.transport.errors import translate_errors
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, to_unit_vectors

_API_VERSION: Final = "v1beta"
_TIMEOUT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5


class GoogleEmbedder:
    """Google, through google-genai, with an API key."""

    def __init__(self, model: EmbeddingModel, credentials: ProviderCredentials) -> None:
        self.model = model
        self._secret = credentials.key
        options = types.HttpOptions(
            base_url=credentials.base_url,
            api_version=_API_VERSION,
            timeout=int(_TIMEOUT_SECONDS * 1000),
            # Unset means no retries.
            retry_options=types.HttpRetryOptions(attempts=_ATTEMPTS, max_delay=16.0),
        )
        self._client = genai.Client(vertexai=False, api_key=credentials.key, http_options=options)

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        return self._embed(texts, "RETRIEVAL_DOCUMENT")

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self._embed(queries, "RETRIEVAL_QUERY").vectors

    def _embed(self, texts: Sequence[str], task_type: str) -> EmbeddingResult:
        with translate_errors("google", "embedding", self._secret):
            response = self._client.models.embed_content(
                model=self.model.id,
                contents=list(texts),
                config=types.EmbedContentConfig(task_type=task_type, output_dimensionality=self.model.dimension),
            )
        rows = [row.values or [] for row in response.embeddings or []]
        tokens = response.usage_metadata.prompt_token_count if response.usage_metadata else None
        # Gemini's shortened vectors do not have unit length.
        return EmbeddingResult(to_unit_vectors(rows, texts, self.model), tokens)
