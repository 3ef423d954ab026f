"""`palette_embeddings`: what search goes through."""

from typing import Any

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.assets.metadata import OWNERS, palette_embeddings_metadata
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.refinement import palette_tag_refined
from grabient_pipeline.defs.resources import PipelineResource, explained


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
    deps=[palettes, palette_tag_refined],
    owners=OWNERS,
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
