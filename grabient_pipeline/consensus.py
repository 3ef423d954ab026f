"""What the models agree on: `palette_tag_consensus`, counted in SQL from the parsed answers.

A tag counts once an answer, and every model has one vote, spread over its answers: who is asked more often has no more
to say. The counting is in `count_answers.sql` and `count_consensus.sql`.
"""

from __future__ import annotations

from dataclasses import dataclass

from grabient_pipeline.moments import reached
from grabient_pipeline.warehouse import Warehouse, query, transaction


@dataclass(frozen=True, slots=True)
class ConsensusReport:
    """How many palettes have a consensus (a prompt version each), and for how many it is new or has changed."""

    palettes: int
    changed: int


def count_consensus(warehouse: Warehouse) -> ConsensusReport:
    """Count all answers anew, and write down what has changed."""
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(query("count_answers"))
        connection.execute(query("count_consensus"))
        connection.execute(query("merge_consensus"))
        connection.execute(query("forget_consensus"))
        ((palettes, changed),) = connection.execute(
            "SELECT (SELECT count(*) FROM counted_palettes), (SELECT count(*) FROM counted)"
        ).fetchall()
        reached("consensus.counting")
    reached("consensus.counted")
    return ConsensusReport(palettes, changed)
