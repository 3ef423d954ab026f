"""What came back: the raw responses, and the tags parsed from them."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from pathlib import Path

import dagster as dg

from grabient_pipeline.batches.collect import CollectReport
from grabient_pipeline.batches.parse import ParseReport
from grabient_pipeline.defs.assets.batches import provider_assets
from grabient_pipeline.defs.metadata import (
    MAX_ROWS,
    MODEL_COLUMNS,
    SAMPLE_ROWS,
    Metadata,
    model_rows,
    rows_table,
    swatch_table,
    table_metadata,
    text_lines,
    told,
    usd,
)
from grabient_pipeline.defs.steps import WAREHOUSE_POOL, step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.warehouse import connect, sql

_TOKENS = ("cached input tokens", "reasoning tokens")
_OUTCOME_COLUMNS = ("model", "succeeded", "errored", "missing", "expired", "cancelled", *_TOKENS)
_STATES = ("succeeded", "failed", "released")


@step_asset(
    group="tags",
    deps=provider_assets,
    table="tag_responses",
    kinds={"duckdb", "polars"},
    description="The raw response to each request, untouched. Fetches the results of every ended batch, complete or "
    "partial, and settles each of its requests as succeeded, failed or released. Waits for results that a provider "
    "still owes. The sensor poll_batches runs this when a batch has ended.",
)
def tag_responses(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    report = pipeline.collect()
    metadata = tag_responses_metadata(pipeline.settings.data_dir, report)
    for reason in report.failures.values():
        context.log.error(reason)
    for line in [*report.waiting.values(), *_reasons(report)]:
        context.log.warning(line)
    if report.failures and not report.batches:
        raise dg.Failure("; ".join(report.failures.values()), metadata=metadata, allow_retries=False)
    return metadata


@step_asset(
    group="tags",
    deps=[tag_responses],
    table="palette_tags",
    kinds={"duckdb", "polars"},
    pool=WAREHOUSE_POOL,
    description="The tagging responses, parsed and checked against the closed vocabularies, with their cost. A pure "
    "function of tag_responses: a better parser costs a run, not another bill.",
)
def palette_tags(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return palette_tags_metadata(pipeline.settings.data_dir, pipeline.parse_answers())


def tag_responses_metadata(data_dir: Path, report: CollectReport) -> Metadata:
    """Show the batches collected, and the outcomes by model."""
    rows = [
        (
            f"{batch.provider}/{batch.model}",
            batch.status,
            *(batch.states.get(state, 0) for state in _STATES),
            sum(batch.findings.values()),
            round(batch.cost_usd, 4),
        )
        for batch in report.batches
    ]
    with connect(data_dir) as connection:
        outcomes = [
            (*counts, told(cached), told(reasoning))
            for *counts, cached, reasoning in connection.execute(sql(__package__, "outcomes")).fetchall()
        ]
        return {
            **table_metadata(connection, "tag_responses"),
            "batches collected": dg.MetadataValue.int(len(report.batches)),
            "cost (USD)": usd(sum(batch.cost_usd for batch in report.batches)),
            "batches": rows_table(("model", "status", *_STATES, "odd rows", "cost (USD)"), rows),
            "outcomes": rows_table(_OUTCOME_COLUMNS, outcomes),
            **text_lines("could not be collected", list(report.failures.values())),
            **text_lines("waited for", list(report.waiting.values())),
            **text_lines("reasons of failure", _reasons(report)),
        }


def _reasons(report: CollectReport) -> list[str]:
    return [f"{batch.provider}/{batch.model}: {line}" for batch in report.batches for line in batch.complaints]


def palette_tags_metadata(data_dir: Path, report: ParseReport) -> Metadata:
    """Show how much of the responses is usable, by model, with samples."""
    with connect(data_dir) as connection:
        models = model_rows(connection, "palette_tags")
        reasons = connection.execute(sql(__package__, "failure_reasons"), {"rows": MAX_ROWS}).fetchall()
        samples = connection.execute(sql(__package__, "sample_tags"), {"rows": SAMPLE_ROWS}).fetchall()
        return {
            **table_metadata(connection, "palette_tags"),
            "answers": dg.MetadataValue.int(sum(answers for _, answers, *_ in models)),
            "usable": dg.MetadataValue.int(sum(usable for _, _, usable, *_ in models)),
            "parsed": dg.MetadataValue.int(report.answers),
            "models": rows_table(MODEL_COLUMNS, models),
            "reasons of failure": rows_table(("model", "reason", "answers"), reasons),
            "sample": swatch_table(("palette", "model", "mood", "style", "associations"), samples),
        }
