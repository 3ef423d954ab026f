"""How fast the answers of the models are counted."""

from __future__ import annotations

import time

import numpy as np
import polars as pl

from benchmarks.report import Measurement
from benchmarks.synthetic import ANALYSES, pipeline
from grabient_pipeline.consensus.counting import count_consensus
from grabient_pipeline.palette.names import known_colour_values
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, HARMONY, SEASONAL
from grabient_pipeline.warehouse import transaction

_LIMIT_SECONDS = 10.0
_PIECE = 100_000
_MODELS = 10
# Tags an answer, and how many different ones the answers to one palette have together. The sandbox's have 15, 16 and
# 18; models that are free to say what they like have more.
_OPEN_FIELDS = (("mood", 4, 20), ("style", 3, 20), ("associations", 5, 60))


def consensus(quick: bool) -> list[Measurement]:
    """`count_consensus` over 1,000,000 answers: of 12,500 palettes, each described 8 times by 10 models.

    Measured: everything is counted anew and merged into `palette_tag_consensus`, which is empty at first; and once
    more when nothing has changed. An answer has 18 tags; on its palette's words the models agree more or less.
    """
    palettes = 1_250 if quick else 12_500
    with pipeline(palettes) as opened:
        answers = _answer(opened)
        first = _counting(opened)
        again = _counting(opened)
        with opened.warehouse.connect() as connection:
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


def _counting(opened: Pipeline) -> float:
    started = time.perf_counter()
    count_consensus(opened.warehouse)
    return time.perf_counter() - started


def _answer(opened: Pipeline) -> int:
    """Fill `palette_tags`, a piece at a time; how many answers there are."""
    rng = np.random.default_rng(8)
    words = np.array(list(known_colour_values()), dtype=object)
    with opened.warehouse.connect() as connection:
        seeds = [seed for (seed,) in connection.execute("SELECT seed FROM palettes ORDER BY seed").fetchall()]
    asked = len(seeds) * _MODELS * ANALYSES
    for start in range(0, asked, _PIECE):
        numbers = np.arange(start, min(start + _PIECE, asked))
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
                    field: _drawn(rng, words, palette_numbers, count, different)
                    for field, count, different in _OPEN_FIELDS
                },
                "harmony": _drawn(rng, np.array(HARMONY, dtype=object), palette_numbers, 1, 4),
                "seasonal": _drawn(rng, np.array(SEASONAL, dtype=object), palette_numbers, 1, 4),
                **{name: rng.choice(values, size=len(numbers)).tolist() for name, values in ATTRIBUTES.items()},
            }
        )
        with opened.warehouse.connect() as connection, transaction(connection):
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
    return asked


def _drawn(rng: np.random.Generator, words: np.ndarray, palettes: np.ndarray, count: int, different: int) -> pl.Series:
    """A list of words a row, each out of the few of its palette, the first of them far more often than the last."""
    places = (different * rng.power(0.5, size=(len(palettes), count))).astype(int)
    return pl.Series(words[(palettes[:, np.newaxis] * 7 + places) % len(words)].tolist(), dtype=pl.List(pl.String))
