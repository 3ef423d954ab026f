"""The local embedding model: needs neither a key nor the network, and loads in a quarter of a second.

It averages WordLlama's vectors, 256 components for each of 32,000 tokens, over a text. The files come in the package
wordllama and are read directly: importing the package takes longer, turns on logging for the whole process, and brings
code that downloads missing files.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]
from tokenizers import Tokenizer

from grabient_pipeline.errors import SettingsError
from grabient_pipeline.retrieval.embedders.base import EmbeddingModel, EmbeddingResult, Vectors, unit_length

_WEIGHTS: Final = Path("weights/l2_supercat_256.safetensors")
_TOKENIZER: Final = Path("tokenizers/l2_supercat_tokenizer_config.json")

# The token vectors of 256 texts take about 40 MB before they are averaged.
_TEXTS_PER_CHUNK: Final = 256


class LocalEmbedder:
    """Embeds a text as the average of its token vectors."""

    def __init__(self, model: EmbeddingModel, tokenizer: Tokenizer, token_vectors: Vectors) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._token_vectors = token_vectors

    def embed_texts(self, texts: Sequence[str]) -> EmbeddingResult:
        vectors = np.empty((len(texts), self.model.dimension), dtype=np.float32)
        tokens = 0
        for start in range(0, len(texts), _TEXTS_PER_CHUNK):
            encodings = self._tokenizer.encode_batch_fast(
                [text.lower() for text in texts[start : start + _TEXTS_PER_CHUNK]], add_special_tokens=False
            )
            for place, encoding in enumerate(encodings, start):
                ids = encoding.ids
                tokens += len(ids)
                vectors[place] = self._token_vectors[ids].mean(axis=0) if ids else 0
        return EmbeddingResult(unit_length(vectors), tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors


def open_local_embedder(model: EmbeddingModel) -> LocalEmbedder:
    """Load the model.

    Raises:
        SettingsError: The package that contains its files is not installed.
    """
    # Finds the package without importing it.
    package = importlib.util.find_spec("wordllama")
    folders = package.submodule_search_locations if package else None
    if not folders or not all((Path(folders[0]) / file).is_file() for file in (_WEIGHTS, _TOKENIZER)):
        raise SettingsError("the package wordllama is not there or not whole; install the requirements again (make)")
    folder = Path(folders[0])
    token_vectors = load_file(folder / _WEIGHTS)["embedding.weight"].astype(np.float32)
    return LocalEmbedder(model, Tokenizer.from_file(str(folder / _TOKENIZER)), token_vectors)
