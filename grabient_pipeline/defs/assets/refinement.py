"""The second stage: what the models agree on, and what a strong model makes of it."""

from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.assets.batches import SubmissionConfig
from grabient_pipeline.defs.assets.metadata import (
    OWNERS,
    palette_tag_consensus_metadata,
    palette_tag_refined_metadata,
    refinement_metadata,
)
from grabient_pipeline.defs.assets.tags import palette_tags, tag_responses
from grabient_pipeline.defs.resources import PipelineResource, explained
from grabient_pipeline.errors import UnknownModelError
from grabient_pipeline.pipeline import RefinementRequest
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import Settings


def refining_provider() -> set[str]:
    """Who refines, if anybody does: the asset bears its name, like the four others."""
    name = Settings.from_environment().refinement_model
    try:
        return {load_catalogue().model(name).provider} if name else set()
    except UnknownModelError:
        # A run says what is wrong with the name.
        return set()


@dg.asset(
    group_name="consensus",
    deps=[palette_tags],
    owners=OWNERS,
    kinds={"duckdb"},
    metadata={"dagster/table_name": "main.palette_tag_consensus"},
    description="What the models agree on: for each palette and prompt version every tag with its votes, answers and "
    "models. A tag counts once an answer, and each model has one vote, spread over its answers. Counted in SQL.",
)
def palette_tag_consensus(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.count_consensus()
        return dg.MaterializeResult(metadata=palette_tag_consensus_metadata(opened.settings.data_dir, report))


class RefinementConfig(SubmissionConfig):
    """Whom to ask to refine, and for how much at most."""

    model: str | None = Field(
        default=None,
        description="The refining model as provider/model. By default GRABIENT_REFINEMENT_MODEL, or "
        "anthropic/claude-opus-4-5-20251101.",
    )
    stale: bool = Field(
        default=False,
        description="Also refine anew the palettes whose consensus has changed since. That is paid for again; the last "
        "run tells how many they are and what it would cost.",
    )
    limit: int | None = Field(
        default=None, description="Refine so many palettes at most. By default all that are ready."
    )


@dg.asset(
    group_name="refinement",
    deps=[palette_tag_consensus],
    owners=OWNERS,
    kinds={"duckdb", *refining_provider()},
    metadata={"dagster/table_name": "main.tag_batches"},
    description="The batches of the second stage, in the same ledger: a strong model gets the colours and the counted "
    "tags of every palette that is ready, and condenses them. Ready is a palette with a usable answer and no tagging "
    "request under way. Nothing is asked twice; above the cost cap nothing is submitted, and the reason is told here.",
)
def refinement_batches(
    context: dg.AssetExecutionContext, config: RefinementConfig, pipeline: PipelineResource
) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        # Above the cap what follows goes on with what there is; when more has come in, this is tried again.
        report = opened.refine_within_cap(RefinementRequest(**config.model_dump()))
        for line in report.held_back:
            context.log.warning(line)
        metadata = refinement_metadata(opened.settings.data_dir, report)
        if report.batches.failures:
            raise dg.Failure("; ".join(report.batches.failures.values()), metadata=metadata, allow_retries=False)
        return dg.MaterializeResult(metadata=metadata)


@dg.asset(
    group_name="refinement",
    deps=[refinement_batches, tag_responses],
    owners=OWNERS,
    kinds={"duckdb", "polars"},
    metadata={"dagster/table_name": "main.palette_tag_refined"},
    description="A refined palette a row: its final tags, best first, and the text that it is found by, which the "
    "program composes. A pure function of tag_responses. Where the model gave nothing usable the row says why, and the "
    "palette is found by what is measured and counted.",
)
def palette_tag_refined(pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.refine_answers()
        return dg.MaterializeResult(metadata=palette_tag_refined_metadata(opened.settings.data_dir, report))
