"""Building blocks of what an asset's page shows: tables, figures, swatches, text."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import base64
from collections.abc import Sequence
from typing import Any

import dagster as dg
import duckdb

from grabient_pipeline.batches.backfill import BackfillReport
from grabient_pipeline.batches.status import model_summaries
from grabient_pipeline.images.render import swatch
from grabient_pipeline.warehouse import sql

Metadata = dict[str, dg.MetadataValue[Any]]

# Metadata is stored for every run and never deleted, so it shows some rows and not all.
MAX_ROWS = 20
SAMPLE_ROWS = 10

MODEL_COLUMNS = ("model", "answers", "usable", "usable share", "cost (USD)")


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


def model_rows(connection: duckdb.DuckDBPyConnection, answers: str) -> list[tuple[str, int, int, float, float]]:
    """Return the rows of `MODEL_COLUMNS` for each model with responses in this table."""
    return [
        (
            f"{each.provider}/{each.model}",
            each.answers,
            each.usable,
            round(each.usable / each.answers, 4),
            round(each.cost_usd, 4),
        )
        for each in model_summaries(connection, answers)
    ]


def submission_metadata(report: BackfillReport) -> Metadata:
    """Show the batches of a backfill or refinement, and what they are estimated to cost."""
    prefix = "would be " if report.dry_run else ""
    rows = [
        (batch.model.id, batch.request_count, round(batch.estimated_cost_usd, 4), batch.batch_id or batch.error or "")
        for batch in report.batches
    ]
    return {
        f"batches {prefix}submitted": dg.MetadataValue.int(len(report.batches if prefix else report.submitted)),
        f"requests {prefix}submitted": dg.MetadataValue.int(report.request_count),
        "estimated cost (USD)": usd(report.estimated_cost_usd),
        "batches": rows_table(("model", "requests", "estimated cost (USD)", "batch id"), rows),
    }


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
