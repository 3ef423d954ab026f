"""Counts what the models agree on into `palette_tag_consensus`.

A tag counts once per answer, and every model has one vote per tag, split evenly over its answers: analysing a palette
more often with one model does not give that model more weight. All counting is done in SQL. Scores of the models
belong to the scorecard package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import duckdb

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.tagging.vocabulary import FIELDS
from grabient_pipeline.warehouse import Warehouse, sql, transaction

_PALETTES_PER_PIECE = 4_000


@dataclass(frozen=True, slots=True)
class ConsensusReport:
    """The number of consensus rows (one per palette and prompt version), and how many are new or have changed."""

    palettes: int
    changed: int


def count_consensus(warehouse: Warehouse) -> ConsensusReport:
    """Count all usable answers and store the rows that changed."""
    with warehouse.connect() as connection, transaction(connection):
        tabulate_answers(connection)
        connection.execute(sql(__package__, "count_consensus"), {"piece_size": _PALETTES_PER_PIECE})
        ((palettes, changed),) = connection.execute(
            "SELECT (SELECT count(*) FROM counted_palettes), (SELECT count(*) FROM counted_changed)"
        ).fetchall()
        for piece in range(math.ceil(changed / _PALETTES_PER_PIECE)):
            connection.execute(sql(__package__, "count_piece"), {"piece": piece})
            connection.execute(sql(__package__, "merge_consensus"))
        connection.execute(sql(__package__, "delete_stale_consensus"))
        crash_point("consensus.counting")
    crash_point("consensus.counted")
    return ConsensusReport(palettes, changed)


def tabulate_answers(connection: duckdb.DuckDBPyConnection) -> None:
    """Create temporary tables of all usable answers, for this package and the scorecard.

    The type `tag_field` has the names of the tag fields, in the order of the vocabulary. Tables: `counted_palettes`
    (seed, prompt_version, palette), `counted_models` (provider, model, name, place, model_bits), `counted_analyses`
    (palette, place, analyses), `counted_answers`, and the view `counted_mentions` with one row per answer, field and
    tag.
    """
    connection.execute(sql(__package__, "tag_field_type"), {"fields": list(FIELDS)})
    connection.execute(sql(__package__, "tabulate_answers"))
