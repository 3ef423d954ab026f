"""Embeddings out of nothing but words: texts that share words are near each other, and that is all they know.

A text is a bag of words. Each word has a direction of its own, drawn from its hash: a fixed random projection of the
space that has an axis for every word there could be. Directions of different words are close to a right angle.
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
    """One row of length one a text. A text without words points in the direction of the empty word."""
    bags = [Counter(_WORD.findall(text.lower())) or Counter([""]) for text in texts]
    places = {word: place for place, word in enumerate(dict.fromkeys(word for bag in bags for word in bag))}
    directions = np.stack([_direction(model, word, size) for word in places]).astype(np.float32)
    rows = np.empty((len(texts), size), dtype=np.float32)
    for row, bag in zip(rows, bags, strict=True):
        # What is said ten times is not ten times as important.
        weights = 1.0 + np.log(np.fromiter(bag.values(), dtype=np.float32, count=len(bag)))
        np.matmul(weights, directions[[places[word] for word in bag]], out=row)
    return _long_as_one(rows)


def shortened(vector: Vectors, size: int, normalise: bool) -> Vectors:
    """The beginning of a vector, which is made as long as one again if so wanted."""
    if size == vector.shape[-1]:
        return vector
    beginning = np.ascontiguousarray(vector[..., :size])
    return _long_as_one(beginning) if normalise else beginning


def _long_as_one(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    lengths[lengths == 0] = 1
    return vectors / lengths


@lru_cache(maxsize=8192)
def _direction(model: str, word: str, size: int) -> NDArray[np.int8]:
    """Numbers between -128 and 127 from the hash, so that words hardly ever cancel out exactly."""
    return np.frombuffer(shake_256(f"{model}\0{word}".encode()).digest(size), dtype=np.int8)
