"""The provider assets, from one factory: each submits what is missing of its provider's models."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `asset` and `MetadataValue`.)

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.batches.backfill import BackfillReport
from grabient_pipeline.batches.orders import BackfillRequest
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.metadata import Metadata, submission_metadata, table_metadata, text_lines
from grabient_pipeline.defs.resources import LogProgress, report_errors
from grabient_pipeline.defs.steps import OWNERS
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import Provider, load_catalogue
from grabient_pipeline.warehouse import connect


class SubmissionConfig(dg.Config):
    """What every step that costs money has in common."""

    max_cost_usd: float | None = Field(
        default=None,
        description="The cost cap in US dollars: nothing is submitted if the estimate and what is outstanding already "
        "exceed it. By default GRABIENT_MAX_COST_USD, or 25.",
    )
    include_retired: bool | None = Field(
        default=None,
        description="Include models that their provider has retired. By default only on the sandbox, which has them.",
    )
    direct: bool = Field(
        default=False,
        description="Use ordinary calls at full price, for accounts without batch access; the run takes as long as "
        "they do. By default only for the providers and models that GRABIENT_DIRECT names.",
    )
    ignore_unknown: bool = Field(
        default=False,
        description="Submit although the providers have batches that the ledger lacks; what these contain may be paid "
        "for twice.",
    )
    deadline_hours: float | None = Field(
        default=None,
        description="Cancel batches that take longer than so many hours; what they finished is kept. By default none.",
    )
    when_late: str | None = Field(
        default=None,
        description="What happens to the rest of a late batch: direct (ordinary calls at full price, within the cap), "
        "again (as a batch, the default) or leave (nothing).",
    )
    anew: bool = Field(
        default=False,
        description="Also request what is answered already by a retired model in the same place, by another refining "
        "model, or to an older prompt. That is paid for again.",
    )
    dry_run: bool = Field(default=False, description="Only report what would be submitted and what it would cost.")


class BackfillConfig(SubmissionConfig):
    """Which models, how often, and for how much at most."""

    models: list[str] = Field(
        default=[],
        description="The models, by id or as provider/id. By default those of the panel (grabient panel).",
    )
    analysis_count: int | None = Field(
        default=None,
        description="Responses per palette and model, from 1 to 20. By default the setting tag-analysis-count "
        "(grabient config get).",
    )
    limit: int | None = Field(default=None, description="The most palettes per model. By default all.")
    with_image: bool = Field(
        default=False,
        description="Attach the picture of each palette. Asks models that take pictures everything once more; the "
        "others are left out.",
    )


def build_provider_asset(provider: Provider) -> dg.AssetsDefinition:
    """Build the asset of one provider."""

    @dg.asset(
        name=f"{provider.key}_batches",
        group_name="batches",
        deps=[palettes],
        owners=OWNERS,
        kinds={"duckdb", provider.key},
        metadata={"dagster/table_name": "main.tag_batches"},
        # Two runs at once would share the provider's rate limits; the others' submissions go on meanwhile.
        pool=f"{provider.key}_submit",
        # A provider without a key is left out: nothing is materialized, and nothing fails.
        output_required=False,
        description=f"The batches at {provider.name}. Submits batches for all missing responses of its models, and "
        "records every request in the ledger before it is sent, so nothing is requested twice. Needs "
        f"{provider.key_variable}. {' '.join(provider.caveats)}",
    )
    def provider_batches(
        context: dg.AssetExecutionContext, config: BackfillConfig, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetObservation]:
        if not pipeline.workspace.providers.has_key(provider.key):
            left_out = f"{provider.name} left out: {provider.key_variable} is not set"
            context.log.warning(left_out)
            yield dg.AssetObservation(context.asset_key, description=left_out, metadata={"left out": left_out})
            return
        with report_errors():
            report = pipeline.backfill(
                BackfillRequest(providers=[provider.key], **config.model_dump()), progress=LogProgress(context.log)
            )
        for line in report.left_out:
            context.log.warning(line)
        metadata = provider_metadata(pipeline.settings.data_dir, provider, report)
        if report.failures:
            raise dg.Failure("; ".join(report.failures.values()), metadata=metadata, allow_retries=False)
        yield dg.MaterializeResult(metadata=metadata)

    return provider_batches


provider_assets = [build_provider_asset(provider) for provider in load_catalogue().providers.values()]


def provider_metadata(data_dir: Path, provider: Provider, report: BackfillReport) -> Metadata:
    """Show what was submitted to a provider, what waits, and its limits."""
    with connect(data_dir) as connection:
        ((count,),) = connection.execute(
            "SELECT count(*) FROM tag_batches WHERE provider = ?", [provider.key]
        ).fetchall()
        return {
            **table_metadata(connection, "tag_batches"),
            "dagster/row_count": dg.MetadataValue.int(count),
            **submission_metadata(connection, report, provider.key),
            **text_lines("left out", report.left_out),
            **text_lines("limits", [_limits(provider)]),
            **text_lines("good to know", provider.caveats),
        }


def _choice(provider: Provider) -> str:
    most = provider.longest_window_hours
    return f" (up to {most} can be set)" if most > provider.window_hours else ""


def _limits(provider: Provider) -> str:
    return (
        f"A batch has at most {provider.max_requests:,} requests and {provider.max_bytes / 1e6:,.0f} MB, ends within "
        f"{provider.window_hours} hours{_choice(provider)}, and its results are kept for {provider.retention_days} "
        "days."
    )
