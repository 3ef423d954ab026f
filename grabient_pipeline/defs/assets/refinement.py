"""The second stage: what a strong model makes of the consensus."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from pathlib import Path

import dagster as dg
from pydantic import Field

from grabient_pipeline.batches.orders import RefinementRequest
from grabient_pipeline.batches.parse import ParseReport
from grabient_pipeline.batches.refine import RefinementReport
from grabient_pipeline.defs.assets.batches import SubmissionConfig
from grabient_pipeline.defs.assets.consensus import palette_tag_consensus
from grabient_pipeline.defs.assets.tags import tag_responses
from grabient_pipeline.defs.metadata import (
    MODEL_COLUMNS,
    SAMPLE_ROWS,
    Metadata,
    model_rows,
    rows_table,
    submission_metadata,
    swatch_table,
    table_metadata,
    text_lines,
    usd,
)
from grabient_pipeline.defs.resources import LogProgress
from grabient_pipeline.defs.steps import WAREHOUSE_POOL, step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.settings import DEFAULT_REFINEMENT_MODEL
from grabient_pipeline.warehouse import connect, sql


class RefinementConfig(SubmissionConfig):
    """Which model refines, and for how much at most."""

    model: str | None = Field(
        default=None,
        description="The refining model as provider/model. By default GRABIENT_REFINEMENT_MODEL, or "
        f"{DEFAULT_REFINEMENT_MODEL} and, when that has ended, its successor.",
    )
    stale: bool = Field(
        default=False,
        description="Also refine palettes again whose consensus or prompt has changed since. That is paid for again; "
        "the last run shows how many they are and what it would cost.",
    )
    now: bool = Field(
        default=False,
        description="Do not wait for outstanding answers. Palettes refined before they arrive will be stale then; the "
        "run shows how many.",
    )
    limit: int | None = Field(default=None, description="The most palettes to refine. By default all that are ready.")


@step_asset(
    group="refinement",
    deps=[palette_tag_consensus],
    table="tag_batches",
    kinds={"duckdb"},
    description="The batches of the second stage, in the same ledger: a strong model gets the colours and the counted "
    "tags of every palette that is ready, and condenses them. A palette is ready if it has a usable answer, no pending "
    "tagging request, and every analysis that an open order wants of it is answered, in quarantine or given up. A "
    "model that is paused or has no key delays it only until its newest answer is older than refine-after-hours, if at "
    "least refine-share of the models have answered (grabient config get). Nothing is requested twice; above the cost "
    "cap nothing is submitted, and the reason is shown here.",
)
def refinement_batches(
    context: dg.AssetExecutionContext, config: RefinementConfig, pipeline: dg.ResourceParam[Pipeline]
) -> Metadata:
    # Above the cap the steps after this one go on with what there is; the next run tries again.
    report = pipeline.refine_within_cap(RefinementRequest(**config.model_dump()), progress=LogProgress(context.log))
    for line in report.held_back:
        context.log.warning(line)
    metadata = refinement_metadata(pipeline.settings.data_dir, report)
    if report.batches.failures:
        raise dg.Failure("; ".join(report.batches.failures.values()), metadata=metadata, allow_retries=False)
    return metadata


@step_asset(
    group="refinement",
    deps=[refinement_batches, tag_responses],
    table="palette_tag_refined",
    kinds={"duckdb", "polars"},
    pool=WAREHOUSE_POOL,
    description="The refined palettes: their final tags, best first, and the embed text that search uses, which the "
    "program composes. A pure function of tag_responses. Where the model gave nothing usable the row says why, and the "
    "palette is found by what is measured and counted.",
)
def palette_tag_refined(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return palette_tag_refined_metadata(pipeline.settings.data_dir, pipeline.refine_answers())


def refinement_metadata(data_dir: Path, report: RefinementReport) -> Metadata:
    """Show what was submitted to be refined, and what is stale."""
    with connect(data_dir) as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM tag_batches WHERE stage = 'refinement'").fetchall()
        return {
            **table_metadata(connection, "tag_batches"),
            "dagster/row_count": dg.MetadataValue.int(count),
            **submission_metadata(connection, report.batches),
            **_unsettled_metadata(report),
            "stale palettes": dg.MetadataValue.int(report.stale_palettes),
            "refining them again would cost (USD)": usd(report.stale_cost_usd),
            **text_lines("held back", report.held_back),
        }


def _unsettled_metadata(report: RefinementReport) -> Metadata:
    if not report.unsettled_palettes:
        return {}
    return {"of them with answers outstanding, which would be stale": dg.MetadataValue.int(report.unsettled_palettes)}


def palette_tag_refined_metadata(data_dir: Path, report: ParseReport) -> Metadata:
    """Show how much of the refined responses is usable, with samples."""
    with connect(data_dir) as connection:
        models = model_rows(connection, "palette_tag_refined")
        newest = connection.execute(sql(__package__, "sample_refined"), {"rows": SAMPLE_ROWS}).fetchall()
        return {
            **table_metadata(connection, "palette_tag_refined"),
            "usable": dg.MetadataValue.int(sum(usable for _, _, usable, *_ in models)),
            "cost (USD)": usd(sum(cost for *_, cost in models)),
            "parsed": dg.MetadataValue.int(report.answers),
            "models": rows_table(MODEL_COLUMNS, models),
            "newest": swatch_table(("palette", "model", "stood on", "mood", "associations", "embed text"), newest),
        }
