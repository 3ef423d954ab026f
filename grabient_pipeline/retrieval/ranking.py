"""Scores palettes for a query by embedding, by tags and by colours, and blends the three scores.

The blend is a weighted sum. After that, palettes that look like the best results gain part of their score
(pseudo-relevance feedback): they probably suit the query too, even if their tags do not say so. The weights were chosen
by `scripts/choose_search_weights.py` on the evaluation set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.retrieval.colours import QueryColour, nearness
from grabient_pipeline.retrieval.embedders.base import Vectors
from grabient_pipeline.retrieval.index import SearchIndex
from grabient_pipeline.retrieval.query import Query

Floats = NDArray[np.float32]

# The largest OkLab distance at which a palette matches a colour; red and orange are 0.16 apart.
NEAR_ENOUGH: Final = 0.15
# Feedback: how many of the best palettes take part, the distance between looks at which a palette gains 1/e of their
# score, and the similarity that makes a palette a result without any other match.
_FEEDBACK_PALETTES: Final = 3
_ALIKE: Final = 0.12
_ALIKE_ENOUGH: Final = 0.5
# In words; no tag is longer.
_MAX_PHRASE_WORDS: Final = 4


@dataclass(frozen=True, slots=True)
class Weights:
    """The weights of the blended score.

    Attributes:
        vector: The weight of the embedding similarity; tags have weight 1.
        colours: The weight of the colours.
        tag: The score of a matching tag; a match in the palette's name scores 1.
        things: The weight of a colour that is named after an object ("wine"), relative to other colours.
        near: The OkLab distance at which a hex code scores 1/e.
        near_name: The same for a named colour, which is a region and not a point.
        share: The part of a colour's score that is its share of the palette; the rest is the nearest colour.
        alike: The part of the best scores that similar-looking palettes gain.
    """

    vector: float = 0.12
    colours: float = 2.0
    tag: float = 0.4
    things: float = 0.1
    near: float = 0.14
    near_name: float = 0.18
    share: float = 0.15
    alike: float = 0.5


WEIGHTS: Final = Weights()


@dataclass(frozen=True)
class Scores:
    """Scores from 0 to 1, (n,) each; `evidence` is whether a palette matches the query at all."""

    vector: Floats
    tags: Floats
    colours: Floats
    blend: Floats
    evidence: NDArray[np.bool_]


def score(
    index: SearchIndex, query: Query, query_vector: Vectors | None, floor: float, weights: Weights = WEIGHTS
) -> Scores:
    """Score every palette.

    Args:
        index: The palettes.
        query: The parsed query.
        query_vector: The embedding of the query's text, or None if it has no words.
        floor: The similarity that meaningless text reaches too (`SearchIndex.noise_floor`).
        weights: The weights of the blend.
    """
    count = len(index)
    nothing = np.zeros(count, dtype=np.float32)
    vector = nothing if query_vector is None else index.vectors @ query_vector
    tags = tag_scores(index, query.stems, weights) if query.words else nothing
    colours, near = colour_scores(index.oklab, query.colours, weights)
    evidence = (vector > floor) | (tags > 0) | near
    # The parts that a query does not have are left out of the total.
    by_colour = min(1.0, sum(_weight(colour, weights) for colour in query.colours))
    total = (weights.vector + 1 if query.words else 0.0) + weights.colours * by_colour or 1.0
    blend = np.float32(weights.vector) * vector.clip(0, 1) + tags + np.float32(weights.colours) * colours
    blend = (blend / total).astype(np.float32)
    if query.words and weights.alike:
        likeness = _likeness(index.looks, blend, evidence)
        evidence |= likeness > _ALIKE_ENOUGH
        blend += np.float32(weights.alike) * likeness * blend.max(initial=0, where=evidence)
        blend /= np.float32(1 + weights.alike)
    return Scores(vector, tags, colours, blend, evidence)


def _likeness(looks: Floats, blend: Floats, evidence: NDArray[np.bool_]) -> Floats:
    """How similar each palette looks to the best ones, from 0 to 1, weighted by their scores."""
    candidates = np.where(evidence, blend, 0)
    best = np.argpartition(-candidates, min(_FEEDBACK_PALETTES, len(blend) - 1))[:_FEEDBACK_PALETTES]
    total = float(candidates[best].sum())
    likeness = np.zeros(len(blend), dtype=np.float32)
    if total == 0:
        return likeness
    for palette in best.tolist():
        squared = np.zeros(len(blend), dtype=np.float32)
        for measure in looks:
            difference = measure - measure[palette]
            difference *= difference
            squared += difference
        squared *= np.float32(-1 / _ALIKE**2)
        likeness += np.float32(candidates[palette] / total) * np.exp(squared, out=squared)
    return likeness


def tag_scores(index: SearchIndex, stems: Sequence[str], weights: Weights) -> Floats:
    """The share of the query's words that each palette matches by name or tag, (n,); rare words weigh more."""
    sources = ((index.by_name, 1.0), (index.by_tag, weights.tag))
    matches = np.zeros((len(stems), len(index)), dtype=np.float32)
    for length in range(1, min(_MAX_PHRASE_WORDS, len(stems)) + 1):
        for start in range(len(stems) - length + 1):
            phrase = " ".join(stems[start : start + length])
            for by_tag, weight in sources:
                palettes, strengths = by_tag.palettes_of(phrase)
                for word_matches in matches[start : start + length]:
                    word_matches[palettes] = np.maximum(word_matches[palettes], np.float32(weight) * strengths)
    rarities = [_rarity(matching, len(index)) for matching in np.count_nonzero(matches, axis=1).tolist()]
    return np.array(rarities, dtype=np.float32) @ matches / np.float32(sum(rarities))


def colour_scores(oklab: Floats, colours: Sequence[QueryColour], weights: Weights) -> tuple[Floats, NDArray[np.bool_]]:
    """The mean score of the colours for each palette, (n,), and whether the palette is near any of them."""
    total = np.zeros(oklab.shape[2], dtype=np.float32)
    near = np.zeros(oklab.shape[2], dtype=np.bool_)
    total_weight = 0.0
    for colour in colours:
        weight = _weight(colour, weights)
        width = weights.near_name if colour.by_name else weights.near
        share, distance = nearness(oklab, colour, width)
        near |= distance < NEAR_ENOUGH
        nearest = np.exp(-np.square(distance / np.float32(width)))
        total += np.float32(weight) * (np.float32(weights.share) * share + np.float32(1 - weights.share) * nearest)
        total_weight += weight
    # At least 1, so that a query with only a name of an object keeps a small colour score.
    return total / np.float32(max(total_weight, 1.0)), near


def _weight(colour: QueryColour, weights: Weights) -> float:
    return 1.0 if colour.certain else weights.things


def _rarity(matching: int, count: int) -> float:
    """The inverse document frequency, scaled to 1 for a word that at most one palette matches."""
    return math.log(1 + count / max(1, matching)) / math.log(1 + count)
