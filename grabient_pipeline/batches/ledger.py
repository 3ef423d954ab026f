"""State changes of a batch: each function is one short transaction on the working database.

A reserved batch is submitted or released; a submitted batch ends; an ended batch is collected.
"""

from __future__ import annotations

import duckdb

from grabient_pipeline.warehouse import Warehouse, sql, transaction

# A request that has failed this often is quarantined.
MAX_FAILURES = 3

# What a provider said must be recorded, however busy the database is: this wait is much longer than the usual one.
RECORD_WAIT_SECONDS = 600.0


def record_submitted(warehouse: Warehouse, submission: str, batch_id: str) -> None:
    """Record that the provider has the batch, under this id."""
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        connection.execute(sql(__package__, "record_submitted"), {"submission": submission, "batch_id": batch_id})


def record_uncertain(warehouse: Warehouse, submission: str, reason: str) -> None:
    """Record why it is unknown whether the provider has the batch; it stays reserved, so nothing is sent twice."""
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        connection.execute("UPDATE tag_batches SET error = ? WHERE submission = ?", [reason, submission])


def record_evidence(
    warehouse: Warehouse, submission: str, evidence: str, wait_seconds: float = RECORD_WAIT_SECONDS
) -> None:
    """Record what looking for a reserved batch has shown so far."""
    with warehouse.connect(wait_seconds) as connection:
        connection.execute(sql(__package__, "record_evidence"), {"submission": submission, "evidence": evidence})


def adopt(
    warehouse: Warehouse, submission: str, batch_id: str, evidence: str, wait_seconds: float = RECORD_WAIT_SECONDS
) -> bool:
    """Record that the provider has a reserved batch after all; False if it is no longer reserved."""
    with warehouse.connect(wait_seconds) as connection, transaction(connection):
        if not _is_reserved(connection, submission):
            return False
        connection.execute(
            sql(__package__, "adopt_batch"), {"submission": submission, "batch_id": batch_id, "evidence": evidence}
        )
    return True


def release(warehouse: Warehouse, submission: str, reason: str, wait_seconds: float = RECORD_WAIT_SECONDS) -> None:
    """Free the requests of a batch that the provider certainly never had; does nothing unless it is reserved."""
    with warehouse.connect(wait_seconds) as connection:
        release_reserved(connection, submission, reason)


def release_reserved(connection: duckdb.DuckDBPyConnection, submission: str, reason: str) -> None:
    """Do what `release` does, on a connection of the caller's."""
    with transaction(connection):
        if not _is_reserved(connection, submission):
            return
        connection.execute(sql(__package__, "release_batch"), {"submission": submission, "reason": reason})
        connection.execute(sql(__package__, "release_requests"), {"submission": submission})
        connection.execute(sql(__package__, "release_claims"), {"submission": submission})


def finish(connection: duckdb.DuckDBPyConnection, submission: str) -> float:
    """Record the counts and the cost of a batch whose requests are settled; the cost in US dollars."""
    parameters = {"submission": submission}
    connection.execute(sql(__package__, "finish_batch"), parameters)
    ((cost_usd,),) = connection.execute(
        "SELECT coalesce(cost_usd, 0) FROM tag_batches WHERE submission = $submission", parameters
    ).fetchall()
    return cost_usd


def is_collected(connection: duckdb.DuckDBPyConnection, submission: str) -> bool:
    """Whether another process has collected the batch already."""
    ((collected_at,),) = connection.execute(
        "SELECT collected_at FROM tag_batches WHERE submission = ?", [submission]
    ).fetchall()
    return collected_at is not None


def _is_reserved(connection: duckdb.DuckDBPyConnection, submission: str) -> bool:
    return bool(
        connection.execute(
            "SELECT 1 FROM tag_batches WHERE submission = ? AND status = 'reserved'", [submission]
        ).fetchall()
    )
