"""What an asset's page shows of a run: counts, cost, the schema of the table, a small table of what happened."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from grabient_pipeline.batches.backfill import BackfillReport
from grabient_pipeline.batches.collect import CollectReport
from grabient_pipeline.batches.parse import ParseReport
from grabient_pipeline.consensus.counting import ConsensusReport
from grabient_pipeline.gallery import GalleryReport
from grabient_pipeline.images.render import contact_sheet, swatch
from grabient_pipeline.images.sync import PictureReport
from grabient_pipeline.imports.palettes import ImportReport
from grabient_pipeline.pipeline import RefinementReport
from grabient_pipeline.providers.catalogue import Provider
from grabient_pipeline.retrieval.embed_palettes import EmbedReport
from grabient_pipeline.retrieval.evaluation import WAYS, Evaluation
from grabient_pipeline.scorecard import ModelScore
from grabient_pipeline.scorecard.plot import plot_scores
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES
from grabient_pipeline.warehouse import connect, sql

Metadata = dict[str, dg.MetadataValue[Any]]

# Who answers for the assets, as Dagster writes teams.
OWNERS = ["team:grabient"]

# Metadata is kept for ever, for every run: it shows some rows, not all.
_ROWS = 20
_ON_A_SHEET = 48


def table_of(asset: str) -> str:
    """The table that an asset brings up to date; the four provider assets write into one ledger."""
    return "tag_batches" if asset.endswith("_batches") else asset


def palettes_metadata(data_dir: Path, report: ImportReport) -> Metadata:
    with connect(data_dir) as connection:
        newest = connection.execute(sql(__package__, "newest_palettes"), {"rows": _ROWS}).fetchall()
        colours = connection.execute(sql(__package__, "newest_colours"), {"rows": _ON_A_SHEET}).fetchall()
        return {
            **_table_metadata(connection, "palettes"),
            "imported": dg.MetadataValue.int(report.imported),
            "already there": dg.MetadataValue.int(report.already_there),
            "invalid": dg.MetadataValue.int(len(report.invalid)),
            **_lines("invalid rows", [str(row) for row in report.invalid[:_ROWS]]),
            "newest": _table(("name", "seed", "colours", "harmony", "source"), newest),
            "contact sheet": _picture("the newest palettes", contact_sheet([hexes for (hexes,) in colours])),
        }


def palette_images_metadata(report: PictureReport, folder: Path) -> Metadata:
    return {
        "dagster/row_count": dg.MetadataValue.int(report.pictures),
        "drawn": dg.MetadataValue.int(report.written),
        "folder": dg.MetadataValue.path(str(folder)),
        **(
            {}
            if report.in_bucket is None
            else {
                "in the bucket": dg.MetadataValue.int(report.in_bucket),
                "uploaded": dg.MetadataValue.int(report.uploaded),
            }
        ),
    }


def provider_metadata(data_dir: Path, provider: Provider, report: BackfillReport) -> Metadata:
    with connect(data_dir) as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM tag_batches WHERE provider = ?", [provider.key]
        ).fetchall()
        return {
            **_table_metadata(connection, "tag_batches"),
            "dagster/row_count": dg.MetadataValue.int(count),
            **_submitted(report),
            **_lines("left out", report.left_out),
            **_lines("limits", [_limits(provider)]),
            **_lines("good to know", provider.caveats),
        }


def _limits(provider: Provider) -> str:
    return (
        f"A batch has at most {provider.max_requests:,} requests and {provider.max_bytes / 1e6:,.0f} MB, ends within "
        f"{provider.window_hours} hours, and its results are kept for {provider.retention_days} days."
    )


def tag_responses_metadata(data_dir: Path, report: CollectReport) -> Metadata:
    rows = [
        (
            f"{batch.provider}/{batch.model}",
            batch.status,
            *(batch.states.get(state, 0) for state in ("succeeded", "failed", "released")),
            sum(batch.findings.values()),
            round(batch.cost_usd, 4),
        )
        for batch in report.batches
    ]
    columns = ("model", "ended as", "succeeded", "failed", "free again", "odd rows", "cost (USD)")
    with connect(data_dir) as connection:
        outcomes = connection.execute(sql(__package__, "outcomes")).fetchall()
        return {
            **_table_metadata(connection, "tag_responses"),
            "batches collected": dg.MetadataValue.int(len(report.batches)),
            "cost (USD)": _dollars(sum(batch.cost_usd for batch in report.batches)),
            "batches": _table(columns, rows),
            "outcomes": _table(("model", "succeeded", "errored", "missing", "expired", "cancelled"), outcomes),
            **_lines("could not be collected", list(report.failures.values())),
        }


def palette_tags_metadata(data_dir: Path, report: ParseReport) -> Metadata:
    with connect(data_dir) as connection:
        models = _models(connection, "palette_tags")
        reasons = connection.execute(sql(__package__, "failure_reasons"), {"rows": _ROWS}).fetchall()
        samples = connection.execute(sql(__package__, "sample_tags"), {"rows": 10}).fetchall()
        return {
            **_table_metadata(connection, "palette_tags"),
            "answers": dg.MetadataValue.int(sum(answers for _, answers, *_ in models)),
            "usable": dg.MetadataValue.int(sum(usable for _, _, usable, *_ in models)),
            "read anew": dg.MetadataValue.int(report.answers),
            "models": _table(_MODEL_COLUMNS, models),
            "reasons of failure": _table(("model", "reason", "answers"), reasons),
            "sample": _with_swatches(("palette", "model", "mood", "style", "associations"), samples),
        }


def palette_tag_consensus_metadata(data_dir: Path, report: ConsensusReport) -> Metadata:
    with connect(data_dir) as connection:
        ((_, models, analyses, *shares),) = connection.execute(sql(__package__, "consensus_summary")).fetchall()
        samples = connection.execute(sql(__package__, "sample_consensus"), {"rows": 10}).fetchall()
        return {
            **_table_metadata(connection, "palette_tag_consensus"),
            "new or changed": dg.MetadataValue.int(report.changed),
            **{
                name: dg.MetadataValue.float(round(value, 3))
                for name, value in (
                    ("models a palette", models),
                    ("answers a palette", analyses),
                    *zip([f"agreement on {attribute}" for attribute in ATTRIBUTES], shares, strict=True),
                )
                if value is not None
            },
            "sample": _with_swatches(("palette", "models", "answers", "mood", "style", "associations"), samples),
        }


def model_scorecard_metadata(data_dir: Path, scores: Sequence[ModelScore]) -> Metadata:
    columns = ("model", "worth it", "usable share", "right", "overlap", "alpha", "cost / 1,000 usable (USD)", "hours")
    rows = [
        (
            score.name,
            "yes" if score.efficient else "",
            *(
                "" if value is None else round(value, 4)
                for value in (
                    score.usable_share,
                    score.measured_agreement,
                    score.open_overlap,
                    score.alpha_with_others,
                    None if score.cost_per_usable_usd is None else 1000 * score.cost_per_usable_usd,
                    score.median_hours,
                )
            ),
        )
        for score in scores
    ]
    picture = plot_scores(scores)
    with connect(data_dir) as connection:
        return {
            **_table_metadata(connection, "model_scorecard"),
            "scorecard": _table(columns, rows),
            **({"quality against cost": _picture("quality against cost", picture)} if picture else {}),
        }


def refinement_metadata(data_dir: Path, report: RefinementReport) -> Metadata:
    with connect(data_dir) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM tag_batches WHERE stage = 'refinement'").fetchall()
        return {
            **_table_metadata(connection, "tag_batches"),
            "dagster/row_count": dg.MetadataValue.int(count),
            **_submitted(report.batches),
            "stale palettes": dg.MetadataValue.int(report.stale_palettes),
            "refining them again would cost (USD)": _dollars(report.stale_cost_usd),
            **_lines("held back", report.held_back),
        }


def palette_tag_refined_metadata(data_dir: Path, report: ParseReport) -> Metadata:
    with connect(data_dir) as connection:
        models = _models(connection, "palette_tag_refined")
        newest = connection.execute(sql(__package__, "sample_refined"), {"rows": 10}).fetchall()
        return {
            **_table_metadata(connection, "palette_tag_refined"),
            "usable": dg.MetadataValue.int(sum(usable for _, _, usable, *_ in models)),
            "cost (USD)": _dollars(sum(cost for *_, cost in models)),
            "read anew": dg.MetadataValue.int(report.answers),
            "models": _table(_MODEL_COLUMNS, models),
            "newest": _with_swatches(("palette", "model", "mood", "associations", "embed text"), newest),
        }


def palette_gallery_metadata(report: GalleryReport) -> Metadata:
    return {
        "dagster/row_count": dg.MetadataValue.int(report.palettes),
        "palettes": dg.MetadataValue.int(report.palettes),
        "size (kB)": dg.MetadataValue.int(round(report.size / 1000)),
        "path": dg.MetadataValue.path(str(report.path)),
        "written anew": dg.MetadataValue.bool(report.written),
    }


_MODEL_COLUMNS = ("model", "answers", "usable", "usable share", "cost (USD)")


def _models(connection: duckdb.DuckDBPyConnection, answers: str) -> list[tuple[str, int, int, float, float]]:
    """How each model has done whose answers are in this table."""
    rows = connection.execute(sql("grabient_pipeline.batches", "model_summary"), {"answers": answers}).fetchall()
    return [
        (f"{provider}/{model}", count, usable, round(usable / count, 4), round(cost, 4))
        for provider, model, count, usable, _, _, cost in rows
    ]


def palette_embeddings_metadata(data_dir: Path, report: EmbedReport) -> Metadata:
    with connect(data_dir) as connection:
        models = connection.execute(sql(__package__, "embedding_summary")).fetchall()
        samples = connection.execute(
            sql(__package__, "sample_embed_texts"), {"model": report.model, "rows": 10}
        ).fetchall()
        return {
            **_table_metadata(connection, "palette_embeddings"),
            "model": dg.MetadataValue.text(report.model),
            "embedded anew": dg.MetadataValue.int(report.embedded),
            "removed": dg.MetadataValue.int(report.removed),
            "cost (USD)": _dollars(report.cost_usd),
            "models": _table(
                ("model", "dimension", "palettes", "refined", "counted", "measured", "cost (USD)"), models
            ),
            "sample": _with_swatches(("palette", "text from", "embed text"), samples),
        }


def evaluation_metadata(evaluation: Evaluation) -> Metadata:
    figures = [
        (each.kind, each.queries, *(round(each.ndcg[way], 3) for way in WAYS), round(each.recall["blend"], 3))
        for each in evaluation.kinds
    ]
    return {
        "nDCG@10": dg.MetadataValue.float(round(evaluation.overall.ndcg["blend"], 4)),
        "recall@10": dg.MetadataValue.float(round(evaluation.overall.recall["blend"], 4)),
        "recorded nDCG@10": dg.MetadataValue.float(evaluation.level.ndcg if evaluation.level else 0.0),
        "model": dg.MetadataValue.text(evaluation.embedding_model),
        "nDCG@10 by kind of query": _table(("query", "number", *WAYS, "recall@10"), figures),
    }


def _table_metadata(connection: duckdb.DuckDBPyConnection, table: str) -> Metadata:
    columns = connection.execute(sql(__package__, "column_schema"), {"table": table}).fetchall()
    ((rows,),) = connection.execute(sql(__package__, "row_count"), {"table": table}).fetchall()
    schema = dg.TableSchema(
        columns=[dg.TableColumn(name=name, type=kind, description=comment) for name, kind, comment in columns]
    )
    return {
        "dagster/row_count": dg.MetadataValue.int(rows),
        "dagster/column_schema": dg.TableSchemaMetadataValue(schema),
    }


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue[Any]:
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


def _submitted(report: BackfillReport) -> Metadata:
    would = "would be " if report.dry_run else ""
    rows = [
        (batch.model.id, batch.request_count, round(batch.estimated_cost_usd, 4), batch.batch_id or batch.error or "")
        for batch in report.batches
    ]
    return {
        f"batches {would}submitted": dg.MetadataValue.int(len(report.batches if would else report.submitted)),
        f"requests {would}submitted": dg.MetadataValue.int(report.request_count),
        "estimated cost (USD)": _dollars(report.estimated_cost_usd),
        "batches": _table(("model", "requests", "estimated cost (USD)", "batch id"), rows),
    }


def _picture(name: str, png: bytes) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(f"![{name}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _with_swatches(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> dg.MetadataValue[Any]:
    """A table whose rows have the colours of a palette before their texts, without what may be mark-up in these."""
    lines = ["| | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 1) + "|"]
    for hexes, *texts in rows:
        picture = f"![](data:image/png;base64,{base64.b64encode(swatch(hexes)).decode()})"
        lines.append(" | ".join(["", picture, *map(_plain, texts), ""]).strip())
    return dg.MetadataValue.md("\n".join(lines))


def _plain(text: object) -> str:
    return "".join(each if each.isalnum() or each in " ,.;'-/" else " " for each in str(text or ""))


def _dollars(amount: float) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.float(round(float(amount), 4))


def _lines(name: str, lines: Sequence[str]) -> Mapping[str, dg.MetadataValue[Any]]:
    """Several lines as one entry; none at all where there are no lines."""
    return {name: dg.MetadataValue.text("\n".join(lines))} if lines else {}
