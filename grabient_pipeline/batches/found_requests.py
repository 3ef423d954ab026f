"""The requests of adopted batches: the ledger lacks them, but their custom ids say what they are about."""

from __future__ import annotations

import duckdb

from grabient_pipeline.batches.custom_ids import CUSTOM_ID_PATTERN, model_digest
from grabient_pipeline.warehouse import Warehouse, sql, transaction


def find_requests(connection: duckdb.DuckDBPyConnection, submission: str, provider: str, model: str) -> None:
    """Record the requests that the view `staged` has results of, inside the caller's transaction.

    Results about palettes that are not imported are kept in `found_responses`.
    """
    of_batch = {"submission": submission}
    connection.execute(
        sql(__package__, "found_requests"),
        {**of_batch, "pattern": CUSTOM_ID_PATTERN, "model": model_digest(provider, model)},
    )
    connection.execute(sql(__package__, "keep_found_responses"), of_batch)
    connection.execute(sql(__package__, "claim_found_requests"))
    connection.execute(sql(__package__, "insert_found_requests"), of_batch)


def complete_basis(warehouse: Warehouse) -> int:
    """Give adopted refinements the full digest of the consensus that they are based on, once it is counted.

    Returns:
        how many were completed.
    """
    with warehouse.connect() as connection, transaction(connection):
        connection.execute(sql(__package__, "complete_basis"))
        ((completed,),) = connection.execute("SELECT count(*) FROM completed_basis").fetchall()
        if completed:
            for step in ("complete_requests", "complete_claims", "complete_refined"):
                connection.execute(sql(__package__, step))
    return completed
