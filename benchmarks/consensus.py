"""Throughput of counting the consensus."""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from benchmarks.report import Measurement
from benchmarks.synthetic import ANALYSES, open_pipeline
from grabient_pipeline.consensus import count_consensus
from grabient_pipeline.palette.names import known_colour_values
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, HARMONY, SEASONAL
from grabient_pipeline.warehouse import transaction

_LIMIT_SECONDS = 10.0
_CHUNK_SIZE = 100_000
_MODELS = 10
# Field, tags per response, and distinct tags over all responses for a palette. The sandbox gives 15, 16 and 18 distinct
# tags; real models give more.
_OPEN_FIELDS = (("mood", 4, 20), ("style", 3, 20), ("associations", 5, 60))


def consensus(quick: bool) -> list[Measurement]:
    """Measure `count_consensus` over 1,000,000 responses: 12,500 palettes, each described 8 times by 10 models.

    The first count fills an empty `palette_tag_consensus`; the second one finds nothing changed. A response has 18
    tags, on which the models agree to varying degrees.
    """
    palettes = 1_250 if quick else 12_500
    with open_pipeline(palettes) as pipeline:
        answers = _insert_responses(pipeline)
        first = _time_count(pipeline)
        again = _time_count(pipeline)
        with pipeline.warehouse.connect() as connection:
            ((counted,),) = connection.execute("SELECT sum(total_analyses) FROM palette_tag_consensus").fetchall()
        assert counted == answers, counted
    limit = _LIMIT_SECONDS * answers / 1_000_000
    return [
        Measurement(
            f"consensus: {answers:,} answers",
            f"{first:.1f} s ({answers / first:,.0f}/s)",
            target=f"< {limit:g} s",
            met=first < limit,
        ),
        Measurement("consensus: once more, nothing new", f"{again:.1f} s"),
    ]


def _time_count(pipeline: Pipeline) -> float:
    started = time.perf_counter()
    count_consensus(pipeline.warehouse)
    return time.perf_counter() - started


def _insert_responses(pipeline: Pipeline) -> int:
    """Fill `palette_tags` in chunks, and return the number of responses."""
    rng = np.random.default_rng(8)
    words = np.array(list(known_colour_values()), dtype=object)
    with pipeline.warehouse.connect() as connection:
        seeds = [seed for (seed,) in connection.execute("SELECT seed FROM palettes ORDER BY seed").fetchall()]
    total = len(seeds) * _MODELS * ANALYSES
    for start in range(0, total, _CHUNK_SIZE):
        numbers = np.arange(start, min(start + _CHUNK_SIZE, total))
        palette_numbers = numbers // (_MODELS * ANALYSES)
        frame = pl.DataFrame(
            {
                "seed": pl.Series(seeds).gather(palette_numbers),
                "provider": "groq",
                "model": pl.Series([f"model {number}" for number in range(_MODELS)]).gather(
                    numbers // ANALYSES % _MODELS
                ),
                "analysis_index": numbers % ANALYSES,
                "custom_id": [f"{number:012}" for number in numbers.tolist()],
                **{
                    field: _draw_tags(rng, words, palette_numbers, count, different)
                    for field, count, different in _OPEN_FIELDS
                },
                "harmony": _draw_tags(rng, np.array(HARMONY, dtype=object), palette_numbers, 1, 4),
                "seasonal": _draw_tags(rng, np.array(SEASONAL, dtype=object), palette_numbers, 1, 4),
                **{name: rng.choice(values, size=len(numbers)).tolist() for name, values in ATTRIBUTES.items()},
            }
        )
        with pipeline.warehouse.connect() as connection, transaction(connection):
            connection.register("answered", frame)
            connection.execute(
                """
                INSERT INTO palette_tags BY NAME
                SELECT
                    seed, provider, model, analysis_index, custom_id, 'v' AS prompt_version, 0.0 AS cost_usd,
                    {
                        'mood': mood, 'style': style, 'harmony': harmony, 'temperature': temperature,
                        'contrast': contrast, 'brightness': brightness, 'saturation': saturation,
                        'seasonal': seasonal, 'associations': associations
                    } AS tags,
                    now() AS created_at
                FROM answered
                """
            )
    return total


def _draw_tags(
    rng: np.random.Generator, words: np.ndarray, palettes: np.ndarray, count: int, different: int
) -> pl.Series:
    """Draw a list of words for each row from the few words of its palette, the first ones most often."""
    places = (different * rng.power(0.5, size=(len(palettes), count))).astype(int)
    return pl.Series(words[(palettes[:, np.newaxis] * 7 + places) % len(words)].tolist(), dtype=pl.List(pl.String))
