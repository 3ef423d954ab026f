"""What came back: the raw answers, and what is made of them."""

from typing import Any

import dagster as dg

from grabient_pipeline.defs.assets.batches import provider_assets
from grabient_pipeline.defs.assets.metadata import OWNERS, palette_tags_metadata, tag_responses_metadata
from grabient_pipeline.defs.resources import PipelineResource, explained


@dg.asset(
    group_name="tags",
    deps=provider_assets,
    owners=OWNERS,
    kinds={"duckdb", "polars"},
    metadata={"dagster/table_name": "main.tag_responses"},
    description="What came back for each request, untouched. Fetches the results of every batch that has ended, whole "
    "or in part, and settles each of its requests: answered, failed, or free to be asked again. The sensor "
    "poll_batches asks for this when one has ended.",
)
def tag_responses(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.collect()
        metadata = tag_responses_metadata(opened.settings.data_dir, report)
        for reason in report.failures.values():
            context.log.error(reason)
        if report.failures and not report.batches:
            raise dg.Failure("; ".join(report.failures.values()), metadata=metadata, allow_retries=False)
        return dg.MaterializeResult(metadata=metadata)


@dg.asset(
    group_name="tags",
    deps=[tag_responses],
    owners=OWNERS,
    kinds={"duckdb", "polars"},
    metadata={"dagster/table_name": "main.palette_tags"},
    description="A tagging answer a row, parsed and checked against the closed lists, with what it cost. A pure "
    "function of tag_responses: a better parser is another materialisation, not another bill.",
)
def palette_tags(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.parse_answers()
        return dg.MaterializeResult(metadata=palette_tags_metadata(opened.settings.data_dir, report))
