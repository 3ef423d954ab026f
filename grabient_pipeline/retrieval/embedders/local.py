"""The embedding model on this machine: needs no key and no network, and is there in a quarter of a second.

WordLlama's 256 numbers for each of 32,000 tokens, averaged over a text, from the files that its package ships. They are
read here with the two libraries that their formats belong to. Importing the package itself would take longer than all
of that, turn on logging for the whole process, and bring code that downloads what it does not find.
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
from grabient_pipeline.retrieval.embedders.base import Embedded, EmbeddingModel, Vectors, unit_length

_WEIGHTS: Final = Path("weights/l2_supercat_256.safetensors")
_TOKENIZER: Final = Path("tokenizers/l2_supercat_tokenizer_config.json")

# Of 256 texts the vectors of all tokens take some 40 MB before they are averaged.
_TEXTS_AT_A_TIME: Final = 256


class LocalEmbedder:
    """The average of a text's tokens."""

    def __init__(self, model: EmbeddingModel, tokenizer: Tokenizer, of_tokens: Vectors) -> None:
        self.model = model
        self._tokenizer = tokenizer
        self._of_tokens = of_tokens

    def embed_texts(self, texts: Sequence[str]) -> Embedded:
        vectors = np.empty((len(texts), self.model.dimension), dtype=np.float32)
        tokens = 0
        for start in range(0, len(texts), _TEXTS_AT_A_TIME):
            encodings = self._tokenizer.encode_batch_fast(
                [text.lower() for text in texts[start : start + _TEXTS_AT_A_TIME]], add_special_tokens=False
            )
            for place, encoding in enumerate(encodings, start):
                ids = encoding.ids
                tokens += len(ids)
                vectors[place] = self._of_tokens[ids].mean(axis=0) if ids else 0
        return Embedded(unit_length(vectors), tokens)

    def embed_queries(self, queries: Sequence[str]) -> Vectors:
        return self.embed_texts(queries).vectors


def local_embedder(model: EmbeddingModel) -> LocalEmbedder:
    """Load the model.

    Raises:
        SettingsError: the package that has the files is not installed.
    """
    # Looks for the package without importing it.
    package = importlib.util.find_spec("wordllama")
    folders = package.submodule_search_locations if package else None
    if not folders or not all((Path(folders[0]) / file).is_file() for file in (_WEIGHTS, _TOKENIZER)):
        raise SettingsError("the package wordllama is not there or not whole; install the requirements again (make)")
    folder = Path(folders[0])
    of_tokens = load_file(folder / _WEIGHTS)["embedding.weight"].astype(np.float32)
    return LocalEmbedder(model, Tokenizer.from_file(str(folder / _TOKENIZER)), of_tokens)
