"""`palette_embeddings`, and whether the search over them is as good as it was."""

from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.assets.metadata import evaluation_metadata, palette_embeddings_metadata
from grabient_pipeline.assets.palettes import palettes
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.resources import PipelineResource, explained


class EmbeddingsConfig(dg.Config):
    """Which model embeds."""

    model: str | None = Field(
        default=None,
        description="The embedding model: local/wordllama-256 (no key, no network), openai/text-embedding-3-small or "
        "google/gemini-embedding-001. By default GRABIENT_EMBEDDING_MODEL, or the local one; search uses that one.",
    )


@dg.asset(
    group_name="search",
    # The palettes too: one without tags is embedded by what is measured.
    deps=[palettes, dg.AssetKey("palette_tags")],
    kinds={"duckdb", "numpy"},
    metadata={"dagster/table_name": "main.palette_embeddings"},
    description="Every palette as a vector: its embed text (what is measured, then its tags) through an embedding "
    "model. Only texts that are new or have changed are embedded; several models may stand side by side.",
)
def palette_embeddings(config: EmbeddingsConfig, pipeline: PipelineResource) -> dg.MaterializeResult[Any]:
    with explained():
        opened = pipeline.open()
        report = opened.embed_palettes(config.model)
        return dg.MaterializeResult(metadata=palette_embeddings_metadata(opened.settings.data_dir, report))


@dg.asset_check(
    asset=palette_embeddings,
    description="The search answers the evaluation queries as well as it once did. Needs the sample palettes, tagged "
    "and embedded; without them there is nothing to measure.",
)
def search_keeps_its_level(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with explained():
        try:
            evaluation = pipeline.open().evaluate_search()
        except GrabientError as error:
            return dg.AssetCheckResult(passed=True, description=f"not measured: {error}")
        return dg.AssetCheckResult(
            passed=not evaluation.below_level,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=evaluation_metadata(evaluation),
        )
