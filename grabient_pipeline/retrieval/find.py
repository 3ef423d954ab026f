"""Searches the published palettes: the public function `search`, and the reasons for each result.

Scores come from `ranking.py`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final

import numpy as np
import polars as pl

from grabient_pipeline.errors import SearchError
from grabient_pipeline.retrieval.colours import squared_distances
from grabient_pipeline.retrieval.embedders.registry import embedding_model, open_embedder
from grabient_pipeline.retrieval.index import IndexCache, SearchIndex
from grabient_pipeline.retrieval.query import Query, read_query
from grabient_pipeline.retrieval.ranking import NEAR_ENOUGH, Scores, score
from grabient_pipeline.retrieval.words import stem_words
from grabient_pipeline.settings import Settings
from grabient_pipeline.tagging.embed_text import attribute_phrase
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES

DEFAULT_LIMIT: Final = 12

SCHEMA: Final = {
    "palette_id": pl.String(),
    "seed": pl.String(),
    "name": pl.String(),
    "score": pl.Float64(),
    "tags": pl.List(pl.Struct({"field": pl.String(), "tag": pl.String()})),
    "colours": pl.List(pl.Struct({"colour": pl.String(), "distance": pl.Float64()})),
    "hex": pl.List(pl.String()),
    "image_url": pl.String(),
}

_indexes = IndexCache()


def search(query: str, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
    """Search the published palettes by words, colour names and hex codes, in any combination.

    The data directory and the embedding model come from the environment (`GRABIENT_DATA_DIR`,
    `GRABIENT_EMBEDDING_MODEL`). The first search of a process loads the index; later ones take milliseconds.

    Returns:
        The palettes, best first: palette_id, seed, name, score (0 to 1), tags (the matching ones), colours (the near
        ones, with their OkLab distance), hex, image_url. Empty if nothing matches.

    Raises:
        GrabientError: There are no palettes, they were embedded by another model, or the query is too long.
    """
    return find(Settings.from_environment(), os.environ, query, limit)


def find(settings: Settings, environment: Mapping[str, str], query: str, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
    """Run `search` with explicit settings and environment."""
    if limit < 1:
        raise SearchError(f"the limit of a search is 1 or more, not {limit}")
    model = embedding_model(settings.embedding_model)
    parsed = read_query(query)
    index = _indexes.get(settings.published, model)
    if not parsed.words and not parsed.colours:
        return pl.DataFrame(schema=SCHEMA)
    if parsed.words:
        embedder = open_embedder(model, environment)
        scores = score(index, parsed, embedder.embed_queries([parsed.text])[0], index.noise_floor(embedder))
    else:
        scores = score(index, parsed, None, 0.0)
    return _result_frame(index, parsed, scores, limit)


def best_palettes(scores: Scores, limit: int) -> list[int]:
    """Return the numbers of the matching palettes, best first, at most `limit`; ties in ascending order."""
    candidates = np.flatnonzero(scores.evidence)
    if len(candidates) > limit:
        # Sort only those that can be among the best.
        least = np.partition(scores.blend[candidates], len(candidates) - limit)[len(candidates) - limit]
        candidates = candidates[scores.blend[candidates] >= least]
    order = np.argsort(-scores.blend[candidates], kind="stable")[:limit]
    return candidates[order].tolist()


def _result_frame(index: SearchIndex, query: Query, scores: Scores, limit: int) -> pl.DataFrame:
    rows = best_palettes(scores, limit)
    found = index.palettes[rows]
    return pl.DataFrame(
        {
            "palette_id": found["palette_id"],
            "seed": found["seed"],
            "name": found["name"],
            "score": [round(float(scores.blend[row]), 4) for row in rows],
            "tags": [_matching_tags(index, row, query) for row in rows],
            "colours": [_near_colours(index, row, query) for row in rows],
            "hex": found["hex"],
            "image_url": found["image_url"],
        },
        schema=SCHEMA,
    )


def _matching_tags(index: SearchIndex, row: int, query: Query) -> list[dict[str, str]]:
    """The tags that match the query: first those that match whole, then those that share a word with it."""
    stems = set(query.stems)
    whole: list[dict[str, str]] = []
    partial: list[dict[str, str]] = []
    for field, tag in index.tags_of(row):
        phrase = attribute_phrase(field, tag) if field in ATTRIBUTES else tag
        tag_stems = set(stem_words(phrase))
        if tag_stems and tag_stems <= stems:
            whole.append({"field": field, "tag": phrase})
        elif tag_stems & stems and field not in ATTRIBUTES:
            partial.append({"field": field, "tag": phrase})
    return whole + partial


def _near_colours(index: SearchIndex, row: int, query: Query) -> list[dict[str, str | float]]:
    palette = index.oklab[:, :, row : row + 1]
    nearest = [(colour, float(np.sqrt(squared_distances(palette, colour).min()))) for colour in query.colours]
    return [
        {"colour": colour.label, "distance": round(distance, 3)}
        for colour, distance in nearest
        if distance < NEAR_ENOUGH
    ]
