"""How well each palette answers a query: by its vector, by its tags and by its colours, and the blend of the three.

The three are measured on scales of their own and added up. Then the palettes that answer best lend some of their score
to those that look like them: who asks for a mood would be glad of them, whatever their tags say. The weights of it all,
`WEIGHTS`, were chosen by `scripts/choose_search_weights.py` on the evaluation set.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from grabient_pipeline.errors import SearchError
from grabient_pipeline.retrieval.colours import MOST_COLOURS, QueryColour, named_colours, nearness, without_hex_codes
from grabient_pipeline.retrieval.embedders.base import Vectors
from grabient_pipeline.retrieval.index import SearchIndex
from grabient_pipeline.retrieval.words import stem, telling_words, words_of

Floats = NDArray[np.float32]

LONGEST_QUERY: Final = 500
_MOST_WORDS: Final = 32
# Farther than this no colour of a palette is called near, in OkLab; from red to orange it is 0.16.
NEAR_ENOUGH: Final = 0.15
# So many of the best palettes lend of their score, to those within this distance of their looks; at half of the loan
# looks alone speak for a palette.
_LENDERS: Final = 3
_ALIKE: Final = 0.12
_ALIKE_ENOUGH: Final = 0.5
# The longest tags have so many words.
_LONGEST_PHRASE: Final = 4


@dataclass(frozen=True, slots=True)
class Query:
    """A query, read: the words that say something, and the colours. `text` is what is embedded."""

    words: tuple[str, ...]
    colours: tuple[QueryColour, ...]

    @property
    def text(self) -> str:
        return " ".join(self.words)

    @property
    def stems(self) -> tuple[str, ...]:
        return tuple(stem(word) for word in self.words)


@dataclass(frozen=True, slots=True)
class Weights:
    """What the blend is made of.

    `vector`, `colours`: their weight where that of the tags is 1. `tag`: how well a tag answers, where the name that
    somebody gave the palette answers with 1. `things`: how much of its weight the colour of a thing has ("wine").
    `near`: the OkLab distance at which a colour counts a third (1/e); `near_name`: of a colour that was named, which is
    a region and not a point. `share`: how much of the score of a colour is its share of the palette, the rest being how
    near the nearest comes. `alike`: how much of their score the best lend to what looks like them.
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
    """How well each palette answers, 0 to 1 each, and whether anything speaks for it at all."""

    vector: Floats
    tags: Floats
    colours: Floats
    blend: Floats
    evidence: NDArray[np.bool_]


def read_query(text: str) -> Query:
    """Read a query.

    Raises:
        SearchError: it is too long.
    """
    if len(text) > LONGEST_QUERY:
        raise SearchError(f"the query has {len(text):,} characters; a query has at most {LONGEST_QUERY}")
    rest, by_code = without_hex_codes(text)
    by_name = named_colours(words_of(rest))
    words = tuple(dict.fromkeys(telling_words(rest)))[:_MOST_WORDS]
    return Query(words, tuple(by_code + by_name)[:MOST_COLOURS])


def score(
    index: SearchIndex, query: Query, query_vector: Vectors | None, floor: float, weights: Weights = WEIGHTS
) -> Scores:
    """Score every palette.

    Args:
        query_vector: None where the query has no words.
        floor: the similarity that a query without meaning reaches as well.
    """
    count = len(index)
    nothing = np.zeros(count, dtype=np.float32)
    vector = nothing if query_vector is None else index.vectors @ query_vector
    tags = tag_scores(index, query.stems, weights) if query.words else nothing
    colours, near = colour_scores(index.oklab, query.colours, weights)
    evidence = (vector > floor) | (tags > 0) | near
    # What a query does not ask for cannot be missed.
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
    """How much each palette looks like the best ones, 0 to 1, the better ones counting for more."""
    candidates = np.where(evidence, blend, 0)
    best = np.argpartition(-candidates, min(_LENDERS, len(blend) - 1))[:_LENDERS]
    total = float(candidates[best].sum())
    lent = np.zeros(len(blend), dtype=np.float32)
    if total == 0:
        return lent
    for lender in best.tolist():
        squared = np.zeros(len(blend), dtype=np.float32)
        for measure in looks:
            difference = measure - measure[lender]
            difference *= difference
            squared += difference
        squared *= np.float32(-1 / _ALIKE**2)
        lent += np.float32(candidates[lender] / total) * np.exp(squared, out=squared)
    return lent


def tag_scores(index: SearchIndex, stems: Sequence[str], weights: Weights) -> Floats:
    """The share of the query's words that a palette's name and tags meet, rare words counting more than common ones."""
    sources = ((index.by_name, 1.0), (index.by_tag, weights.tag))
    met = np.zeros((len(stems), len(index)), dtype=np.float32)
    for length in range(1, min(_LONGEST_PHRASE, len(stems)) + 1):
        for start in range(len(stems) - length + 1):
            phrase = " ".join(stems[start : start + length])
            for by_tag, weight in sources:
                palettes, strengths = by_tag.palettes_of(phrase)
                for of_word in met[start : start + length]:
                    of_word[palettes] = np.maximum(of_word[palettes], np.float32(weight) * strengths)
    rarities = [_rarity(having, len(index)) for having in np.count_nonzero(met, axis=1).tolist()]
    return np.array(rarities, dtype=np.float32) @ met / np.float32(sum(rarities))


def colour_scores(oklab: Floats, colours: Sequence[QueryColour], weights: Weights) -> tuple[Floats, NDArray[np.bool_]]:
    """How much of each palette is near the colours, on their average, and whether any colour comes near any of them."""
    total = np.zeros(oklab.shape[2], dtype=np.float32)
    near = np.zeros(oklab.shape[2], dtype=np.bool_)
    asked = 0.0
    for colour in colours:
        weight = _weight(colour, weights)
        width = weights.near_name if colour.by_name else weights.near
        share, distance = nearness(oklab, colour, width)
        near |= distance < NEAR_ENOUGH
        nearest = np.exp(-np.square(distance / np.float32(width)))
        total += np.float32(weight) * (np.float32(weights.share) * share + np.float32(1 - weights.share) * nearest)
        asked += weight
    # What is asked for by the name of a thing alone stays small.
    return total / np.float32(max(asked, 1.0)), near


def _weight(colour: QueryColour, weights: Weights) -> float:
    return 1.0 if colour.surely else weights.things


def _rarity(having: int, count: int) -> float:
    """1 for a word that one palette has, or none; less the more have it."""
    return math.log(1 + count / max(1, having)) / math.log(1 + count)
