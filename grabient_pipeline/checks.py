"""Asset checks: what must be true of the tables, whatever was done to them. They read the published database."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import dagster as dg

from grabient_pipeline.assets.embeddings import palette_embeddings
from grabient_pipeline.assets.metadata import evaluation_metadata
from grabient_pipeline.assets.refinement import palette_tag_consensus, palette_tag_refined
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.resources import PipelineResource, explained
from grabient_pipeline.tagging.embed_text import MOST_WORDS
from grabient_pipeline.warehouse import connect, query


@dg.asset_check(asset=palette_tag_consensus, description="The consensus counts every usable answer, and each once.")
def consensus_counts_every_usable_answer(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with connect(pipeline.open().settings.data_dir) as connection:
        ((counted, usable),) = connection.execute(query("check_consensus_totals")).fetchall()
    return dg.AssetCheckResult(
        passed=counted == usable,
        description=f"{counted:,} counted, {usable:,} usable",
        metadata={"counted": dg.MetadataValue.int(counted), "usable": dg.MetadataValue.int(usable)},
    )


@dg.asset_check(
    asset=palette_tag_refined,
    description=f"Every refined palette has an embed text of 1 to {MOST_WORDS} words, of which none is there twice.",
)
def embed_texts_are_within_bounds(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with connect(pipeline.open().settings.data_dir) as connection:
        ((texts, outside, longest),) = connection.execute(
            query("check_embed_texts"), {"most_words": MOST_WORDS}
        ).fetchall()
    return dg.AssetCheckResult(
        passed=outside == 0,
        description=f"{outside:,} of {texts:,} outside; the longest has {longest} words",
        metadata={"texts": dg.MetadataValue.int(texts), "outside": dg.MetadataValue.int(outside)},
    )


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


CHECKS = [consensus_counts_every_usable_answer, embed_texts_are_within_bounds, search_keeps_its_level]
