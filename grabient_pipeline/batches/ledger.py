"""State changes of a batch: each function is one short transaction on the working database.

A reserved batch is submitted or released; a submitted batch ends; an ended batch is collected. A person may abandon a
batch that is none of that.
"""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import polars as pl

from grabient_pipeline.errors import ProviderUncertain
from grabient_pipeline.providers.transport.errors import short_text
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

# A request that has failed this often is quarantined.
MAX_FAILURES = 3

# What a provider said must be recorded, however busy the database is: this wait is much longer than the usual one.
RECORD_WAIT_SECONDS = 600.0


def insert_batch(connection: duckdb.DuckDBPyConnection, columns: Mapping[str, object]) -> bool:
    """Record a batch, inside the caller's transaction; False if the ledger has it.

    Args:
        columns: of `tag_batches`. With a `batch_id` the batch was found at its provider; without, it is reserved.
    """
    optional = dict.fromkeys(
        (
            "batch_id",
            "evidence",
            "created_at",
            "clock_offset_seconds",
            "order_number",
            "service_tier",
            "window_hours",
        )
    )
    ((inserted,),) = connection.execute(sql(__package__, "insert_batch"), {**optional, **columns}).fetchall()
    return bool(inserted)


def identified_batches(connection: duckdb.DuckDBPyConnection) -> dict[str, frozenset[str]]:
    """Return by provider the ids of batches whose owner is known: this ledger, or another program or ledger."""
    rows = connection.execute(sql(__package__, "identified_batches")).fetchall()
    return {provider: frozenset(batch_ids) for provider, batch_ids in rows}


def record_submitted(warehouse: Warehouse, submission: str, batch_id: str) -> None:
    """Record that the provider has the batch, under this id.

    Raises:
        ProviderUncertain: another batch has the id, so it is unknown whether this one exists; nothing is recorded.
    """
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        _refuse_known_id(connection, submission, batch_id)
        connection.execute(sql(__package__, "record_submitted"), {"submission": submission, "batch_id": batch_id})


def record_uncertain(warehouse: Warehouse, submission: str, reason: str) -> None:
    """Record why it is unknown whether the provider has the batch; it stays reserved, so nothing is sent twice."""
    with warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        connection.execute("UPDATE tag_batches SET error = ? WHERE submission = ?", [reason, submission])


def record_evidence(
    warehouse: Warehouse, submission: str, evidence: str, wait_seconds: float = RECORD_WAIT_SECONDS
) -> None:
    """Record what looking for a lost batch has shown so far."""
    with warehouse.connect(wait_seconds) as connection:
        connection.execute(sql(__package__, "record_evidence"), {"submission": submission, "evidence": evidence})


def adopt(
    warehouse: Warehouse, submission: str, batch_id: str, evidence: str, wait_seconds: float = RECORD_WAIT_SECONDS
) -> bool:
    """Record that the provider has a lost batch after all; False if its outcome is already known.

    Raises:
        ProviderUncertain: another batch has the id; nothing is recorded.
    """
    with warehouse.connect(wait_seconds) as connection, transaction(connection):
        if not _is_lost(connection, submission):
            return False
        _refuse_known_id(connection, submission, batch_id)
        connection.execute(
            sql(__package__, "adopt_batch"), {"submission": submission, "batch_id": batch_id, "evidence": evidence}
        )
    return True


def release(warehouse: Warehouse, submission: str, reason: str, wait_seconds: float = RECORD_WAIT_SECONDS) -> None:
    """Free the requests of a batch that the provider certainly never had; does nothing unless it is lost."""
    with warehouse.connect(wait_seconds) as connection, transaction(connection):
        release_reserved(connection, submission, reason)


def release_reserved(connection: duckdb.DuckDBPyConnection, submission: str, reason: str) -> None:
    """Do what `release` does, inside the caller's transaction."""
    if not _is_lost(connection, submission):
        return
    connection.execute(sql(__package__, "release_batch"), {"submission": submission, "reason": reason})
    release_requests(connection, submission)


def release_requests(connection: duckdb.DuckDBPyConnection, submission: str) -> None:
    """Free the requests of a batch that are in flight, inside the caller's transaction."""
    connection.execute(sql(__package__, "release_requests"), {"submission": submission})
    free_claims(connection, submission)


def free_claims(connection: duckdb.DuckDBPyConnection, submission: str) -> None:
    """Free the claims of requests that failed or were released.

    Where an answer to an earlier attempt came after that was given up, the earlier attempt holds the claim again.
    """
    parameters = {"submission": submission}
    connection.execute(sql(__package__, "release_claims"), parameters)
    connection.execute(sql(__package__, "choose_answered_earlier"), parameters)
    connection.execute(sql(__package__, "claim_answered_earlier"))
    connection.execute(sql(__package__, "reinstate_answered_earlier"))


def record_trouble(warehouse: Warehouse, reasons: Mapping[str, str], wait_seconds: float = RECORD_WAIT_SECONDS) -> None:
    """Record by submission why calls about batches failed. Since when is kept until a call succeeds."""
    if not reasons:
        return
    troubled = pl.DataFrame(list(reasons.items()), schema={"submission": pl.String, "reason": pl.String}, orient="row")
    with warehouse.connect(wait_seconds) as connection, registered(connection, "troubled", troubled):
        connection.execute(sql(__package__, "record_trouble"))


def finish(connection: duckdb.DuckDBPyConnection, submission: str, *, settled: bool = True) -> float:
    """Record the counts and the cost of what came of a batch; the cost in US dollars.

    Args:
        settled: whether all of its requests are settled.
    """
    parameters = {"submission": submission}
    connection.execute(sql(__package__, "finish_batch"), {**parameters, "settled": settled})
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


def _is_lost(connection: duckdb.DuckDBPyConnection, submission: str) -> bool:
    """Whether it is unknown if the provider has the batch: it is reserved, or was abandoned in this state."""
    lost = "SELECT 1 FROM tag_batches WHERE submission = ? AND batch_id IS NULL AND status IN ('reserved', 'abandoned')"
    return bool(connection.execute(lost, [submission]).fetchall())


def _refuse_known_id(connection: duckdb.DuckDBPyConnection, submission: str, batch_id: str) -> None:
    """Raise `ProviderUncertain` if the id is another batch's, as when a gateway repeats an earlier response."""
    parameters = {"submission": submission, "batch_id": batch_id}
    rows = connection.execute(sql(__package__, "batch_with_id"), parameters).fetchall()
    if rows:
        ((provider,),) = rows
        known = f"the provider answered with the id of batch {short_text(batch_id, 100)}, which the ledger has already"
        raise ProviderUncertain(provider, known)
