"""From a query to palettes, best first, each with what speaks for it."""

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
from grabient_pipeline.retrieval.ranking import NEAR_ENOUGH, Query, Scores, read_query, score
from grabient_pipeline.retrieval.words import stems_of
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
    """Find palettes for words, colour names and hex codes, in any mixture, in what has been published.

    Where it is looked for and with which model is read from the environment (`GRABIENT_DATA_DIR`,
    `GRABIENT_EMBEDDING_MODEL`). The first search of a process loads everything; the next ones take milliseconds.

    Returns:
        The palettes, best first, none for a query that nothing speaks for: palette_id, seed, name, score (0 to 1), tags
        (those that match), colours (those that are near, with their OkLab distance), hex, image_url.

    Raises:
        GrabientError: there is nothing to search, the index was made by another model, or the query is too long.
    """
    return find(Settings.from_environment(), os.environ, query, limit)


def find(settings: Settings, environment: Mapping[str, str], query: str, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
    """`search` with the settings and the environment given."""
    if limit < 1:
        raise SearchError(f"a search for {limit} palettes finds none; the limit is 1 or more")
    model = embedding_model(settings.embedding_model)
    asked = read_query(query)
    index = _indexes.get(settings.published, model)
    if not asked.words and not asked.colours:
        return pl.DataFrame(schema=SCHEMA)
    if asked.words:
        embedder = open_embedder(model, environment)
        scores = score(index, asked, embedder.embed_queries([asked.text])[0], index.noise_floor(embedder))
    else:
        scores = score(index, asked, None, 0.0)
    return _frame(index, asked, scores, limit)


def best(scores: Scores, limit: int) -> list[int]:
    """The palettes that something speaks for, best first, at most so many; ties in the order of their numbers."""
    candidates = np.flatnonzero(scores.evidence)
    if len(candidates) > limit:
        # Sorted are only those that can be among the best.
        least = np.partition(scores.blend[candidates], len(candidates) - limit)[len(candidates) - limit]
        candidates = candidates[scores.blend[candidates] >= least]
    order = np.argsort(-scores.blend[candidates], kind="stable")[:limit]
    return candidates[order].tolist()


def _frame(index: SearchIndex, asked: Query, scores: Scores, limit: int) -> pl.DataFrame:
    rows = best(scores, limit)
    found = index.palettes[rows]
    return pl.DataFrame(
        {
            "palette_id": found["palette_id"],
            "seed": found["seed"],
            "name": found["name"],
            "score": [round(float(scores.blend[row]), 4) for row in rows],
            "tags": [_matching_tags(index, row, asked) for row in rows],
            "colours": [_near_colours(index, row, asked) for row in rows],
            "hex": found["hex"],
            "image_url": found["image_url"],
        },
        schema=SCHEMA,
    )


def _matching_tags(index: SearchIndex, row: int, asked: Query) -> list[dict[str, str]]:
    """The tags that are asked for, whole ones before those that share a word."""
    stems = set(asked.stems)
    whole: list[dict[str, str]] = []
    in_part: list[dict[str, str]] = []
    for field, tag in index.tags_of(row):
        said = attribute_phrase(field, tag) if field in ATTRIBUTES else tag
        of_tag = set(stems_of(said))
        if of_tag and of_tag <= stems:
            whole.append({"field": field, "tag": said})
        elif of_tag & stems and field not in ATTRIBUTES:
            in_part.append({"field": field, "tag": said})
    return whole + in_part


def _near_colours(index: SearchIndex, row: int, asked: Query) -> list[dict[str, str | float]]:
    palette = index.oklab[:, :, row : row + 1]
    nearest = [(colour, float(np.sqrt(squared_distances(palette, colour).min()))) for colour in asked.colours]
    return [
        {"colour": colour.said, "distance": round(distance, 3)}
        for colour, distance in nearest
        if distance < NEAR_ENOUGH
    ]
