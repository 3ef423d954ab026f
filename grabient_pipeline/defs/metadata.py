"""Building blocks of what an asset's page shows: tables, figures, swatches, text."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import base64
import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

import dagster as dg
import duckdb

from grabient_pipeline.batches.backfill import BackfillReport
from grabient_pipeline.batches.order_status import OrderStatus, PartStatus, read_order_status
from grabient_pipeline.batches.status import model_summaries
from grabient_pipeline.batches.submit import BatchReport
from grabient_pipeline.images.render import swatch
from grabient_pipeline.warehouse import sql

Metadata = dict[str, dg.MetadataValue[Any]]

# Metadata is stored for every run and never deleted, so it shows some rows and not all.
MAX_ROWS = 20
SAMPLE_ROWS = 10

_ORDER_COLUMNS = ("order", "model", "sent", "answered", "waiting", "waits for", "in use", "likely end (UTC)")
_TOKEN_COLUMNS = ("input tokens", "cached", "output tokens", "reasoning")
MODEL_COLUMNS = ("model", "answers", "usable", "usable share", *_TOKEN_COLUMNS, "cost (USD)")


def table_metadata(connection: duckdb.DuckDBPyConnection, table: str) -> Metadata:
    """Show the row count and the columns of a table, with their comments."""
    columns = connection.execute(sql(__package__, "column_schema"), {"table": table}).fetchall()
    ((rows,),) = connection.execute(sql(__package__, "row_count"), {"table": table}).fetchall()
    schema = dg.TableSchema(
        columns=[dg.TableColumn(name=name, type=kind, description=comment) for name, kind, comment in columns]
    )
    return {
        "dagster/row_count": dg.MetadataValue.int(rows),
        "dagster/column_schema": dg.TableSchemaMetadataValue(schema),
    }


def rows_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue[Any]:
    """Show rows as a table."""
    records = [
        dg.TableRecord(
            {
                column: value if isinstance(value, int | float) else str(value or "")
                for column, value in zip(columns, row, strict=True)
            }
        )
        for row in rows
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(column) for column in columns]))


def model_rows(connection: duckdb.DuckDBPyConnection, answers: str) -> list[tuple[Any, ...]]:
    """Return the rows of `MODEL_COLUMNS` for each model with responses in this table.

    Cached tokens are part of the input, reasoning tokens of the output.
    """
    return [
        (
            f"{each.provider}/{each.model}",
            each.answers,
            each.usable,
            round(each.usable / each.answers, 4),
            each.input_tokens,
            told(each.cached_input_tokens),
            each.output_tokens,
            told(each.reasoning_tokens),
            round(each.cost_usd, 4),
        )
        for each in model_summaries(connection, answers)
    ]


def told(tokens: int | None) -> int | str:
    """Return a count of tokens that providers may not tell."""
    return "not known" if tokens is None else tokens


def submission_metadata(connection: duckdb.DuckDBPyConnection, report: BackfillReport, provider: str = "") -> Metadata:
    """Show the batches of a backfill or refinement, what they are estimated to cost, and the open orders.

    Args:
        connection: to the published database.
        report: of the backfill or refinement.
        provider: whose part of the orders is shown; by default all of them.
    """
    orders = read_order_status(connection, report.orders)
    parts = [(order, part) for order in orders for part in order.parts if part.provider == (provider or part.provider)]
    batches, late = report.batches if report.dry_run else report.submitted, report.late_cost_usd
    return {
        **batches_metadata(batches, report.batches, is_estimate=report.dry_run),
        **({} if late is None else {"late rest by ordinary calls, at most (USD)": usd(late)}),
        **text_lines("models that end soon", report.ending),
        **orders_metadata(parts),
    }


def batches_metadata(
    counted: Sequence[BatchReport], shown: Sequence[BatchReport] | None = None, *, is_estimate: bool = False
) -> Metadata:
    """Show batches and what they are estimated to cost.

    Args:
        counted: those that are submitted, or would be.
        shown: those in the table, failed ones included; by default the same.
        is_estimate: whether nothing was submitted.
    """
    prefix = "would be " if is_estimate else ""
    rows = [
        (batch.model.id, batch.request_count, round(batch.estimated_cost_usd, 4), batch.batch_id or batch.error or "")
        for batch in (counted if shown is None else shown)
    ]
    return {
        f"batches {prefix}submitted": dg.MetadataValue.int(len(counted)),
        f"requests {prefix}submitted": dg.MetadataValue.int(sum(batch.request_count for batch in counted)),
        "estimated cost (USD)": usd(sum(batch.estimated_cost_usd for batch in counted)),
        "batches": rows_table(("model", "requests", "estimated cost (USD)", "batch id"), rows),
    }


def orders_metadata(parts: Iterable[tuple[OrderStatus, PartStatus]]) -> Metadata:
    """Show how far these models of open orders are; nothing if there are none."""
    shown = list(parts)
    if not shown:
        return {}
    orders = {order.number: order for order, _ in shown}
    rows = [
        (
            order.number,
            part.model.partition("/")[2],
            part.sent,
            part.answered,
            part.waiting,
            part.ended or (part.waits_for if part.is_stuck else None) or part.wait_words,
            part.room_words,
            _end(part),
        )
        for order, part in shown
    ]
    return {
        "open orders": rows_table(_ORDER_COLUMNS, rows),
        "requests waiting": dg.MetadataValue.int(sum(part.waiting for _, part in shown)),
        "expected cost of the open orders (USD)": usd(sum(order.expected_usd for order in orders.values())),
    }


def _end(part: PartStatus) -> str:
    if part.latest_at is None:
        return ""
    latest = f"{part.latest_at.astimezone(dt.UTC):%d %b %H:%M}"
    if part.likely_at is None:
        return f"at most {latest}"
    return f"{part.likely_at.astimezone(dt.UTC):%d %b %H:%M} (90% by {latest})"


def picture(name: str, png: bytes) -> dg.MetadataValue[Any]:
    """Show a PNG, which becomes part of the metadata: tens of kilobytes at most."""
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def swatch_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MetadataValue[Any]:
    """Show rows of (colours, text, ...) as a table with the colours as a swatch; texts lose what may be markup."""
    lines = ["| | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for hexes, *texts in rows:
        image = f"![](data:image/png;base64,{base64.b64encode(swatch(hexes)).decode()})"
        lines.append(" | ".join(["", image, *map(_without_markup, texts), ""]).strip())
    return dg.MetadataValue.md("\n".join(lines))


def usd(amount: float) -> dg.MetadataValue[Any]:
    """Show US dollars."""
    return dg.MetadataValue.float(round(float(amount), 4))


def text_lines(name: str, lines: Sequence[str]) -> Metadata:
    """Show several lines as one entry; no entry if there are none."""
    return {name: dg.MetadataValue.text("\n".join(lines))} if lines else {}


def _without_markup(text: object) -> str:
    return "".join(each if each.isalnum() or each in " ,.;'-/" else " " for each in str(text or ""))
