"""Requests that have failed as often as is allowed: they rest, and cost nothing more, until a person frees them."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.warehouse import Warehouse, sql, transaction


@dataclass(frozen=True, slots=True)
class Resting:
    """Requests of one model that rest for the same kind of reason; `example` is one of the palettes."""

    stage: str
    provider: str
    model: str
    reason: str
    requests: int
    example: str


def resting(warehouse: Warehouse) -> list[Resting]:
    """What rests, and why: the kind of the last failure of each."""
    with warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "quarantine_reasons"), {"max_failures": MAX_FAILURES}).fetchall()
    return [Resting(*row) for row in rows]


def free(warehouse: Warehouse, provider: str | None = None, model: str | None = None) -> int:
    """Let what rests be asked again, as if it had never failed; how many requests that is.

    Args:
        provider: only this one's.
        model: only this one's, by its id.
    """
    chosen = {"max_failures": MAX_FAILURES, "provider": provider, "model": model}
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "choose_quarantined"), chosen)
        connection.execute(sql(__package__, "release_quarantined"))
        ((freed,),) = connection.execute("SELECT count(*) FROM chosen_resting").fetchall()
    return freed
