"""Bag-of-words embeddings: texts that share words are near each other, synonyms are not.

Each word has a direction derived from its hash. This is a fixed random projection of the space with one axis per
possible word; the directions of different words are nearly orthogonal.
"""

import re
from collections import Counter
from functools import lru_cache
from hashlib import shake_256

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]

_WORD = re.compile(r"\w+")


def vectors_of(model: str, texts: list[str], size: int) -> Vectors:
    """Unit vectors, one row per text, `size` columns. A text without words has the direction of the empty word."""
    bags = [Counter(_WORD.findall(text.lower())) or Counter([""]) for text in texts]
    places = {word: place for place, word in enumerate(dict.fromkeys(word for bag in bags for word in bag))}
    directions = np.stack([_direction(model, word, size) for word in places]).astype(np.float32)
    rows = np.empty((len(texts), size), dtype=np.float32)
    for row, bag in zip(rows, bags, strict=True):
        # A word that occurs ten times is not ten times as important.
        weights = 1.0 + np.log(np.fromiter(bag.values(), dtype=np.float32, count=len(bag)))
        np.matmul(weights, directions[[places[word] for word in bag]], out=row)
    return _normalise(rows)


def shorten(vector: Vectors, size: int, normalise: bool) -> Vectors:
    """The first `size` numbers of a vector, scaled to length one if `normalise` is set."""
    if size == vector.shape[-1]:
        return vector
    beginning = np.ascontiguousarray(vector[..., :size])
    return _normalise(beginning) if normalise else beginning


def _normalise(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    lengths[lengths == 0] = 1
    return vectors / lengths


@lru_cache(maxsize=8192)
def _direction(model: str, word: str, size: int) -> NDArray[np.int8]:
    """Numbers from -128 to 127 taken from the hash; with so many values, words hardly ever cancel out exactly."""
    return np.frombuffer(shake_256(f"{model}\0{word}".encode()).digest(size), dtype=np.int8)
