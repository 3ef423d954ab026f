"""Asset checks: what must be true of the tables, whatever was done to them. They read the published database."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import dagster as dg

from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.metadata import evaluation_metadata
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.refinement import palette_tag_consensus, palette_tag_refined
from grabient_pipeline.defs.assets.tags import palette_tags, tag_responses
from grabient_pipeline.defs.resources import PipelineResource, explained
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.palette.seed import InvalidSeedError, decode_seed
from grabient_pipeline.tagging import TAGGING_PROMPT
from grabient_pipeline.tagging.embed_text import MOST_WORDS
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, HARMONY, SEASONAL
from grabient_pipeline.warehouse import connect, sql

# So long the published file may be behind: whoever has just written publishes next.
_PUBLISHED_WITHIN_SECONDS = 60.0


@dg.asset_check(asset=palettes, description="Every seed can be read as a palette.")
def seeds_decode(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with connect(pipeline.open().settings.data_dir) as connection:
        seeds = [seed for (seed,) in connection.execute("SELECT seed FROM palettes").fetchall()]
    broken = [seed for seed in seeds if not _decodes(seed)]
    return dg.AssetCheckResult(
        passed=not broken,
        description=f"{len(broken):,} of {len(seeds):,} cannot be read",
        metadata={"palettes": dg.MetadataValue.int(len(seeds)), "broken": dg.MetadataValue.json(broken[:10])},
    )


def _decodes(seed: str) -> bool:
    try:
        decode_seed(seed)
    except InvalidSeedError:
        return False
    return True


@dg.asset_check(
    asset=tag_responses,
    description="Of no batch has it been unknown for more than an hour whether its provider has it.",
)
def no_orphaned_batch(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with connect(pipeline.open().settings.data_dir) as connection:
        ((orphans, since),) = connection.execute(sql(__package__, "orphaned_batches")).fetchall()
    said = pluralize(orphans, "batch", "batches") + (
        f", the oldest since {since:%Y-%m-%d %H:%M}: grabient reconcile" if orphans else ""
    )
    return dg.AssetCheckResult(
        passed=orphans == 0, description=said, metadata={"batches": dg.MetadataValue.int(orphans)}
    )


@dg.asset_check(asset=tag_responses, description="No batch is under way after the time that its provider promises.")
def nothing_overdue(pipeline: PipelineResource) -> dg.AssetCheckResult:
    overdue = [batch for batch in pipeline.open().status().open_batches if batch.overdue]
    return dg.AssetCheckResult(
        passed=not overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description=pluralize(len(overdue), "batch", "batches")
        + (": grabient cancel ends them and keeps what is done" if overdue else ""),
        metadata={"batches": dg.MetadataValue.json([batch.submission for batch in overdue])},
    )


@dg.asset_check(asset=tag_responses, description="What is under way is estimated to cost no more than the cost cap.")
def cost_is_within_the_cap(pipeline: PipelineResource) -> dg.AssetCheckResult:
    opened = pipeline.open()
    now, cap = opened.status(), opened.settings.max_cost_usd
    return dg.AssetCheckResult(
        passed=now.outstanding_usd <= cap,
        # Whoever raised the cap for one backfill meant it.
        severity=dg.AssetCheckSeverity.WARN,
        description=f"${now.outstanding_usd:.2f} is under way, the cap is ${cap:.2f}",
        metadata={
            "under way (USD)": dg.MetadataValue.float(now.outstanding_usd),
            "spent (USD)": dg.MetadataValue.float(now.cost_usd),
        },
    )


@dg.asset_check(asset=palette_tags, description="In the closed fields of an answer stand words of their lists only.")
def closed_vocabulary_valid(pipeline: PipelineResource) -> dg.AssetCheckResult:
    lists = {"harmony": HARMONY, "seasonal": SEASONAL, **ATTRIBUTES}
    with connect(pipeline.open().settings.data_dir) as connection:
        ((answers, outside),) = connection.execute(
            sql(__package__, "closed_vocabulary"), {name: list(words) for name, words in lists.items()}
        ).fetchall()
    return dg.AssetCheckResult(
        passed=outside == 0,
        description=f"{outside:,} of {answers:,} answers have others",
        metadata={"answers": dg.MetadataValue.int(answers), "outside": dg.MetadataValue.int(outside)},
    )


@dg.asset_check(
    asset=palette_tags,
    description="Every palette has been described by every model that was asked, as often as is wanted. A warning: "
    "what is missing may be under way, or is what the next backfill asks for.",
)
def palettes_have_all_their_analyses(pipeline: PipelineResource) -> dg.AssetCheckResult:
    opened = pipeline.open()
    wanted = {"prompt_version": TAGGING_PROMPT.version, "analysis_count": opened.analysis_count()}
    with connect(opened.settings.data_dir) as connection:
        ((all_palettes, complete),) = connection.execute(sql(__package__, "coverage"), wanted).fetchall()
    return dg.AssetCheckResult(
        passed=complete == all_palettes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{complete:,} of {all_palettes:,} palettes are complete",
        metadata={"palettes": dg.MetadataValue.int(all_palettes), "complete": dg.MetadataValue.int(complete)},
    )


@dg.asset_check(asset=palette_tags, description="The published file is in step with the working one.")
def published_copy_current(pipeline: PipelineResource) -> dg.AssetCheckResult:
    behind = pipeline.open().warehouse.seconds_behind()
    return dg.AssetCheckResult(
        passed=behind < _PUBLISHED_WITHIN_SECONDS,
        description=f"{behind:.0f} s behind",
        metadata={"seconds behind": dg.MetadataValue.float(behind)},
    )


@dg.asset_check(asset=palette_tag_consensus, description="The consensus counts every usable answer, and each once.")
def consensus_counts_every_usable_answer(pipeline: PipelineResource) -> dg.AssetCheckResult:
    with connect(pipeline.open().settings.data_dir) as connection:
        ((counted, usable),) = connection.execute(sql(__package__, "consensus_totals")).fetchall()
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
            sql(__package__, "embed_text_lengths"), {"most_words": MOST_WORDS}
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
def search_quality_not_regressed(pipeline: PipelineResource) -> dg.AssetCheckResult:
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


CHECKS = [
    seeds_decode,
    no_orphaned_batch,
    nothing_overdue,
    cost_is_within_the_cap,
    closed_vocabulary_valid,
    palettes_have_all_their_analyses,
    published_copy_current,
    consensus_counts_every_usable_answer,
    embed_texts_are_within_bounds,
    search_quality_not_regressed,
]
