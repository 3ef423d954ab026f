"""Quarantine: requests that have failed as often as is allowed. They cost nothing more until a person releases them."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.warehouse import Warehouse, sql, transaction


@dataclass(frozen=True, slots=True)
class QuarantinedRequests:
    """Requests of one model that failed for the same kind of reason, in the provider's words where it gave one.

    `example`: one of the palettes.
    """

    stage: str
    provider: str
    model: str
    reason: str
    requests: int
    example: str


def quarantined(warehouse: Warehouse) -> list[QuarantinedRequests]:
    """Return what is in quarantine, grouped by the kind of its last failure."""
    with warehouse.connect() as connection:
        return failing_requests(connection, MAX_FAILURES)


def failing_requests(connection: duckdb.DuckDBPyConnection, failures: int) -> list[QuarantinedRequests]:
    """Return the requests that failed at least so often and are not pending, by the kind of the last failure."""
    rows = connection.execute(sql(__package__, "failing_requests"), {"failures": failures}).fetchall()
    return [QuarantinedRequests(*row) for row in rows]


def release(warehouse: Warehouse, provider: str | None = None, model: str | None = None) -> int:
    """Let quarantined requests be submitted again, as if they had never failed; return how many.

    Args:
        provider: only requests to this provider.
        model: only requests to this model, by its id.
    """
    chosen = {"max_failures": MAX_FAILURES, "provider": provider, "model": model}
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "choose_quarantined"), chosen)
        connection.execute(sql(__package__, "release_quarantined"))
        ((released,),) = connection.execute("SELECT count(*) FROM chosen_requests").fetchall()
    return released
