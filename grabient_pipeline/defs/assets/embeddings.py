"""`palette_embeddings`: the vectors that search compares."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from pathlib import Path

import dagster as dg
from pydantic import Field

from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.refinement import palette_tag_refined
from grabient_pipeline.defs.metadata import (
    SAMPLE_ROWS,
    Metadata,
    rows_table,
    swatch_table,
    table_metadata,
    text_lines,
    usd,
)
from grabient_pipeline.defs.steps import step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.retrieval.embed_palettes import EmbedReport
from grabient_pipeline.warehouse import connect, sql

_MODEL_COLUMNS = ("model", "dimension", "palettes", "refined", "counted", "measured", "cost (USD)")


class EmbeddingsConfig(dg.Config):
    """Which model embeds."""

    model: str | None = Field(
        default=None,
        description="The embedding model: local/wordllama-256 (no key, no network), openai/text-embedding-3-small or "
        "google/gemini-embedding-001. By default GRABIENT_EMBEDDING_MODEL, or the local one; search uses that one.",
    )


@step_asset(
    group="search",
    # The palettes too: one without tags is embedded by what is measured.
    deps=[palettes, palette_tag_refined],
    table="palette_embeddings",
    kinds={"duckdb", "numpy"},
    description="Every palette as a vector: its embed text (what is measured, then its tags) through an embedding "
    "model. Only new and changed texts are embedded; several models may stand side by side.",
)
def palette_embeddings(
    context: dg.AssetExecutionContext, config: EmbeddingsConfig, pipeline: dg.ResourceParam[Pipeline]
) -> Metadata:
    report = pipeline.embed_palettes(config.model)
    if report.held_back:
        context.log.warning(report.held_back)
    return palette_embeddings_metadata(pipeline.settings.data_dir, report)


def palette_embeddings_metadata(data_dir: Path, report: EmbedReport) -> Metadata:
    """Show what was embedded, with sample texts."""
    with connect(data_dir) as connection:
        models = connection.execute(sql(__package__, "embedding_summary")).fetchall()
        samples = connection.execute(
            sql(__package__, "sample_embed_texts"), {"model": report.model, "rows": SAMPLE_ROWS}
        ).fetchall()
        return {
            **table_metadata(connection, "palette_embeddings"),
            "model": dg.MetadataValue.text(report.model),
            "embedded": dg.MetadataValue.int(report.embedded),
            "removed": dg.MetadataValue.int(report.removed),
            "cost (USD)": usd(report.cost_usd),
            **text_lines("held back", [report.held_back] if report.held_back else []),
            "models": rows_table(_MODEL_COLUMNS, models),
            "sample": swatch_table(("palette", "text from", "embed text"), samples),
        }
