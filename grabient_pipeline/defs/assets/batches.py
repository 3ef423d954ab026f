"""The four provider assets, from one factory: each asks the models of its provider for whatever is missing."""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.assets.metadata import OWNERS, provider_metadata
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.resources import PipelineResource, explained
from grabient_pipeline.pipeline import BackfillRequest
from grabient_pipeline.providers.catalogue import Provider, load_catalogue


class SubmissionConfig(dg.Config):
    """What whatever costs money has in common."""

    max_cost_usd: float | None = Field(
        default=None,
        description="The cost cap in US dollars: if the estimate, with all that is under way already, is above it, "
        "nothing is submitted. By default GRABIENT_MAX_COST_USD, or 25.",
    )
    include_retired: bool | None = Field(
        default=None,
        description="Ask models too that their provider has retired. By default only on the sandbox, which has them.",
    )
    direct: bool = Field(
        default=False,
        description="Ask by ordinary calls at the full price, where there is no batch access; the run takes as long "
        "as they do. By default only the providers and models that GRABIENT_DIRECT names.",
    )
    dry_run: bool = Field(default=False, description="Only tell what would be submitted and what it would cost.")


class BackfillConfig(SubmissionConfig):
    """What to ask, how often, and for how much at most."""

    models: list[str] = Field(
        default=[],
        description="The models to ask, by id or as provider/id. With none: every enabled model of this provider.",
    )
    analysis_count: int | None = Field(
        default=None,
        description="How often each model describes each palette, from 1 to 20. By default the setting "
        "tag-analysis-count (grabient config get).",
    )
    limit: int | None = Field(
        default=None, description="Ask each model about so many palettes at most. By default about all."
    )


def build_provider_asset(provider: Provider) -> dg.AssetsDefinition:
    """The asset of one provider."""

    @dg.asset(
        name=f"{provider.key}_batches",
        group_name="batches",
        deps=[palettes],
        owners=OWNERS,
        kinds={"duckdb", provider.key},
        metadata={"dagster/table_name": "main.tag_batches"},
        # A provider without a key is left out: nothing is materialised, and nothing fails.
        output_required=False,
        description=f"The batches at {provider.name}: asks each of its models for every description of a palette that "
        "is missing, in batches of its own, and writes them down in the ledger before they are sent. Nothing is asked "
        f"twice. Needs {provider.key_variable}. {' '.join(provider.caveats)}",
    )
    def provider_batches(
        context: dg.AssetExecutionContext, config: BackfillConfig, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult[Any] | dg.AssetObservation]:
        with explained():
            opened = pipeline.open()
            if not opened.has_key(provider.key):
                left_out = f"{provider.name} left out: {provider.key_variable} is not set"
                context.log.warning(left_out)
                yield dg.AssetObservation(context.asset_key, description=left_out, metadata={"left out": left_out})
                return
            report = opened.backfill(
                BackfillRequest(
                    models=config.models,
                    providers=[provider.key],
                    analysis_count=config.analysis_count,
                    limit=config.limit,
                    max_cost_usd=config.max_cost_usd,
                    include_retired=config.include_retired,
                    dry_run=config.dry_run,
                    direct=config.direct,
                )
            )
            for line in report.left_out:
                context.log.warning(line)
            if report.failures:
                raise dg.Failure(
                    "; ".join(report.failures.values()),
                    metadata=provider_metadata(opened.settings.data_dir, provider, report),
                    allow_retries=False,
                )
            yield dg.MaterializeResult(metadata=provider_metadata(opened.settings.data_dir, provider, report))

    return provider_batches


provider_assets = [build_provider_asset(provider) for provider in load_catalogue().providers.values()]
