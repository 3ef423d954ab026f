"""What the models agree on: `palette_tag_consensus`, counted in SQL from the parsed answers.

A tag counts once an answer, and every model has one vote, spread over its answers: who is asked more often has no more
to say. The counting is in `count_answers.sql`, `count_consensus.sql` and `count_piece.sql`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.warehouse import Warehouse, sql, transaction

# Palettes whose lists are put together at a time.
_PIECE = 4_000


@dataclass(frozen=True, slots=True)
class ConsensusReport:
    """How many palettes have a consensus (a prompt version each), and for how many it is new or has changed."""

    palettes: int
    changed: int


def count_consensus(warehouse: Warehouse) -> ConsensusReport:
    """Count all answers anew, and write down what has changed."""
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "count_answers"))
        connection.execute(sql(__package__, "count_consensus"), {"piece_size": _PIECE})
        ((palettes, changed),) = connection.execute(
            "SELECT (SELECT count(*) FROM counted_palettes), (SELECT count(*) FROM counted_changed)"
        ).fetchall()
        for piece in range(math.ceil(changed / _PIECE)):
            connection.execute(sql(__package__, "count_piece"), {"piece": piece})
            connection.execute(sql(__package__, "merge_consensus"))
        connection.execute(sql(__package__, "delete_stale_consensus"))
        crash_point("consensus.counting")
    crash_point("consensus.counted")
    return ConsensusReport(palettes, changed)
