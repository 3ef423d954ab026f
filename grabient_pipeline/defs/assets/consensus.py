"""What the models agree on."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

from pathlib import Path

import dagster as dg

from grabient_pipeline.consensus import ConsensusReport
from grabient_pipeline.defs.assets.tags import palette_tags
from grabient_pipeline.defs.metadata import SAMPLE_ROWS, Metadata, swatch_table, table_metadata, text_lines
from grabient_pipeline.defs.steps import WAREHOUSE_POOL, step_asset
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.scorecard import read_places
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES
from grabient_pipeline.warehouse import connect, sql


@step_asset(
    group="consensus",
    deps=[palette_tags],
    table="palette_tag_consensus",
    kinds={"duckdb"},
    pool=WAREHOUSE_POOL,
    description="What the models agree on: for each palette and prompt version, every tag with its votes, answers and "
    "models. A tag counts once per answer, and each model has one vote, spread over its answers. Counted in SQL.",
)
def palette_tag_consensus(pipeline: dg.ResourceParam[Pipeline]) -> Metadata:
    return palette_tag_consensus_metadata(pipeline.settings.data_dir, pipeline.count_consensus())


def palette_tag_consensus_metadata(data_dir: Path, report: ConsensusReport) -> Metadata:
    """Show how far the models agree, with samples."""
    with connect(data_dir) as connection:
        ((_, models, analyses, *shares),) = connection.execute(sql(__package__, "consensus_summary")).fetchall()
        places = read_places(connection)
        samples = connection.execute(sql(__package__, "sample_consensus"), {"rows": SAMPLE_ROWS}).fetchall()
        agreement = zip([f"agreement on {attribute}" for attribute in ATTRIBUTES], shares, strict=True)
        figures = {"models a palette": models, "answers a palette": analyses, **dict(agreement)}
        return {
            **table_metadata(connection, "palette_tag_consensus"),
            "new or changed": dg.MetadataValue.int(report.changed),
            **{name: dg.MetadataValue.float(round(value, 3)) for name, value in figures.items() if value is not None},
            **text_lines("successors", [f"{model} in the place of {place}" for model, place in places.items()]),
            "sample": swatch_table(("palette", "models", "answers", "mood", "style", "associations"), samples),
        }
