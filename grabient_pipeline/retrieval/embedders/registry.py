"""The embedding models, and how to open one by name.

A new model of a known provider is a row in `MODELS`. SDKs are imported when a model is opened, not before.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from typing import Final

from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.http_environment import explain_client_errors
from grabient_pipeline.providers.registry import provider_connection
from grabient_pipeline.providers.transport.connection import Connection
from grabient_pipeline.retrieval.embedders.base import Embedder, EmbeddingModel

# Both APIs shorten their vectors on request with little loss; a search over 100,000 of them has to be fast.
MODELS: Final = (
    EmbeddingModel(None, "wordllama-256", 256, 4_096),
    EmbeddingModel("openai", "text-embedding-3-small", 512, 2_048),
    EmbeddingModel("google", "gemini-embedding-001", 768, 100),
)


def embedding_model(name: str) -> EmbeddingModel:
    """Return a model by `provider/id`, or by its id alone.

    Raises:
        UnknownModelError: There is no such model.
    """
    for model in MODELS:
        if name in (model.name, model.id):
            return model
    raise UnknownModelError(
        f"there is no embedding model {name!r}; GRABIENT_EMBEDDING_MODEL is one of "
        f"{', '.join(model.name for model in MODELS)}"
    )


def open_embedder(model: EmbeddingModel, environment: Mapping[str, str] = os.environ) -> Embedder:
    """Open a model. What it needs is imported here and not before.

    Raises:
        MissingKeyError: The API key of its provider is not set; the message names the variable.
        SettingsError: The key, the base URL, the certificates or a proxy cannot be used, or the files of the local
            model are missing.
    """
    if model.provider is None:
        return _open_once(model, None)
    connection = provider_connection(model.provider, environment)
    with explain_client_errors():
        return _open_once(model, connection)


def open_embedder_named(name: str, environment: Mapping[str, str] = os.environ) -> Embedder:
    """Open a model by `provider/id`. Raises what `embedding_model` and `open_embedder` raise."""
    return open_embedder(embedding_model(name), environment)


def is_free(name: str) -> bool:
    """Whether a model costs nothing: it is known, and runs on this machine."""
    return any(name in (model.name, model.id) and model.provider is None for model in MODELS)


@cache
def _open_once(model: EmbeddingModel, connection: Connection | None) -> Embedder:
    """Open a model and keep it: a notebook searches many times, and an SDK takes longer to start than a search."""
    match model.provider, connection:
        case None, None:
            from grabient_pipeline.retrieval.embedders.local import open_local_embedder

            return open_local_embedder(model)
        case "openai", Connection():
            from grabient_pipeline.retrieval.embedders.openai import OpenAIEmbedder

            return OpenAIEmbedder(model, connection)
        case "google", Connection():
            from grabient_pipeline.retrieval.embedders.google import GoogleEmbedder

            return GoogleEmbedder(model, connection)
        case _:
            raise UnknownModelError(f"no implementation for the embedding models of {model.provider!r}")
