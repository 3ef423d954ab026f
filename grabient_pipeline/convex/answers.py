"""Write imported answers into the ledger and `palette_tags`: from an export, an adopted batch, or the migration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import duckdb
import polars as pl

from grabient_pipeline.batches.costs import define_token_cost
from grabient_pipeline.convex.report import TableReport
from grabient_pipeline.convex.rows import AnswerRow, price_columns, timestamp
from grabient_pipeline.providers.prices import Price
from grabient_pipeline.warehouse import registered, sql

_CONFLICTS: Final = {
    "lost to a usable one": "two answers for one key: the usable one won over an error",
    "lost to an earlier one": "two answers for one key: the one that came first stays",
}


def import_answers(
    connection: duckdb.DuckDBPyConnection, report: TableReport, on_conflict: Callable[[str, int, str], None]
) -> None:
    """Merge the table `incoming_answers` into the ledger and `palette_tags`, and add the counts to the report.

    Args:
        connection: in a transaction of the caller.
        report: the report of the answers' table.
        on_conflict: called for each answer that lost, with its document id, its line and the reason.
    """
    connection.execute(sql(__package__, "rank_answers"))
    insert_responses(connection)
    connection.execute(sql(__package__, "insert_answers"))
    update_batches(connection)
    imported = count_imported(connection, report)
    ((replaced,),) = connection.execute("SELECT count(*) FROM accepted_answers WHERE verdict <> 'new'").fetchall()
    if replaced:
        report.conflicts["two answers for one key: the usable one replaced the error"] += replaced
    lost = connection.execute(
        "SELECT convex_id, line_number, verdict FROM ranked_answers WHERE starts_with(verdict, 'lost') "
        "ORDER BY line_number"
    ).fetchall()
    for convex_id, line_number, verdict in lost:
        on_conflict(convex_id, line_number, _CONFLICTS[verdict])
    ((read,),) = connection.execute("SELECT count(*) FROM incoming_answers").fetchall()
    report.already_there += read - imported - len(lost)


def insert_responses(connection: duckdb.DuckDBPyConnection) -> None:
    """Insert the raw responses of `accepted_answers`, at the prices of their batches."""
    define_token_cost(connection)
    connection.execute(sql(__package__, "insert_responses"))


def count_imported(connection: duckdb.DuckDBPyConnection, report: TableReport) -> int:
    """Add `accepted_answers` and their repairs to the report, and return how many they are."""
    imported = 0
    for repair, count in connection.execute("SELECT repair, count(*) FROM accepted_answers GROUP BY repair").fetchall():
        imported += count
        if repair:
            report.repaired[repair] += count
    report.imported += imported
    return imported


def update_batches(connection: duckdb.DuckDBPyConnection) -> None:
    """Add `accepted_answers` to the counts of their batches, and record which parser read them."""
    connection.execute(sql(__package__, "count_batches"))
    connection.execute(sql(__package__, "record_parses"))


def insert_answer_batches(
    connection: duckdb.DuckDBPyConnection,
    stage: str,
    answers: Sequence[AnswerRow],
    price: Callable[[str, str], Price],
) -> None:
    """Insert a batch for each of these answers unless it exists; `price` maps provider and model to their price."""
    frame = pl.DataFrame(
        {
            "submission": [row.submission for row in answers],
            "stage": [stage] * len(answers),
            "provider": [row.provider for row in answers],
            "model": [row.model for row in answers],
            "prompt_version": [row.prompt_version for row in answers],
            "created": [row.created for row in answers],
        },
        schema_overrides={"created": pl.Int64},
    ).with_columns(
        timestamp("created").alias("convex_created_at"),
        *price_columns([price(row.provider, row.model) for row in answers]),
    )
    with registered(connection, "answer_batches", frame):
        connection.execute(sql(__package__, "insert_batches"))
