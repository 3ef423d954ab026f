"""Google's embedding API for Gemini."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google import genai
from google.genai import types

from grabient_pipeline.providers.registry import ProviderCredentials
from grabient_pipeline.providers.transport.errors import translate_errors
from grabient_pipeline.retrieval.embedders.base import Embedded, EmbeddingModel, Vectors, answered_vectors

_API_VERSION: Final = "v1beta"
_TIMEOUT_SECONDS: Final = 60.0
_ATTEMPTS: Final = 5


class GoogleEmbedder:
    """Google, through google-genai, with an API key."""

    def __init__(self, model: EmbeddingModel, access: ProviderCredentials) -> None:
        self.model = model
        self._secret = access.key
        options = types.HttpOptions(
            base_url=access.base_url,
            api_version=_API_VERSION,
            timeout=int(_TIMEOUT_SECONDS * 1000),
            # Unset means no second try.
            retry_options=types.HttpRetryOptions(attempts=_ATTEMPTS, max_delay=16.0),
        )
        self._client = genai.Client(vertexai=False, api_key=access.key, http_options=options)

    def embed_texts(self, texts: Sequence[str]) -> Embedded:
        return self._embedded(texts, "RETRIEVAL_DOCUMENT")

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self._embedded(queries, "RETRIEVAL_QUERY").vectors

    def _embedded(self, texts: Sequence[str], task_type: str) -> Embedded:
        with translate_errors("google", "embedding", self._secret):
            answer = self._client.models.embed_content(
                model=self.model.id,
                contents=list(texts),
                config=types.EmbedContentConfig(task_type=task_type, output_dimensionality=self.model.dimension),
            )
        rows = [row.values or [] for row in answer.embeddings or []]
        tokens = answer.usage_metadata.prompt_token_count if answer.usage_metadata else None
        # Shortened vectors of Gemini's do not come at unit length.
        return Embedded(answered_vectors(rows, texts, self.model), tokens)
