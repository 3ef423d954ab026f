"""Asset checks: what must be true of the published tables. A check only reads; none publishes or opens the ledger."""

# pyright: reportUnknownMemberType=false
# (Dagster leaves a type argument open in the signatures of `MetadataValue`.)

import datetime as dt

import dagster as dg

from grabient_pipeline.batches.status import read_status
from grabient_pipeline.defs.assets.catalogue import catalogue_findings, findings_table
from grabient_pipeline.defs.assets.consensus import palette_tag_consensus
from grabient_pipeline.defs.assets.embeddings import palette_embeddings
from grabient_pipeline.defs.assets.palettes import palettes
from grabient_pipeline.defs.assets.refinement import palette_tag_refined
from grabient_pipeline.defs.assets.tags import palette_tags, tag_responses
from grabient_pipeline.defs.metadata import Metadata, rows_table
from grabient_pipeline.errors import GrabientError, WarehouseError
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.palette.seed import InvalidSeedError, decode_seed
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.retrieval.evaluation import RANKERS, Evaluation
from grabient_pipeline.tagging import TAGGING_PROMPT
from grabient_pipeline.tagging.embed_text import MOST_WORDS
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, HARMONY, SEASONAL
from grabient_pipeline.warehouse import connect, sql

# A step that has just written publishes next, so the published copy may be behind for a moment.
_PUBLISHED_WITHIN_SECONDS = 60.0

_BACKUP_WITHIN = dt.timedelta(days=2)
_FIRST_BACKUP_WITHIN = dt.timedelta(hours=2)


@dg.asset_check(
    asset=catalogue_findings,
    description="The catalogue agrees with the newest answers of the providers and of the price list, and names a "
    "successor of every model in use that ends within 60 days.",
)
def catalogue_current(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    findings = pipeline.catalogue_findings()
    to_change = {each.model for each in findings if each.in_use and each.line}
    return dg.AssetCheckResult(
        passed=not to_change,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{pluralize(len(to_change), 'model')} in use to change in catalogue.toml",
        metadata={"findings": findings_table(findings), "models": dg.MetadataValue.json(sorted(to_change))},
    )


@dg.asset_check(asset=palettes, description="Every seed can be decoded as a palette.")
def seeds_decode(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    with connect(pipeline.settings.data_dir) as connection:
        seeds = [seed for (seed,) in connection.execute("SELECT seed FROM palettes").fetchall()]
    broken = [seed for seed in seeds if not _decodes(seed)]
    return dg.AssetCheckResult(
        passed=not broken,
        description=f"{len(broken):,} of {len(seeds):,} cannot be decoded",
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
    description="It is not unknown of any batch for more than an hour whether its provider has it.",
)
def no_orphaned_batch(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    with connect(pipeline.settings.data_dir) as connection:
        ((orphans, since),) = connection.execute(sql(__package__, "orphaned_batches")).fetchall()
    description = pluralize(orphans, "batch", "batches") + (
        f", the oldest since {since:%Y-%m-%d %H:%M}: grabient reconcile" if orphans else ""
    )
    return dg.AssetCheckResult(
        passed=orphans == 0, description=description, metadata={"batches": dg.MetadataValue.int(orphans)}
    )


@dg.asset_check(asset=tag_responses, description="No batch is pending after the time that its provider promises.")
def nothing_overdue(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    overdue = [batch for batch in read_status(pipeline.settings.data_dir).open_batches if batch.overdue]
    return dg.AssetCheckResult(
        passed=not overdue,
        severity=dg.AssetCheckSeverity.WARN,
        description=pluralize(len(overdue), "batch", "batches")
        + (": grabient cancel ends them and keeps what is finished" if overdue else ""),
        metadata={"batches": dg.MetadataValue.json([batch.submission for batch in overdue])},
    )


@dg.asset_check(
    asset=tag_responses, description="Every answer that a provider counts as completed is kept, or still waited for."
)
def paid_answers_are_kept(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    now = read_status(pipeline.settings.data_dir)
    waiting = sum(batch.waiting or 0 for batch in now.open_batches)
    return dg.AssetCheckResult(
        passed=now.paid_and_not_kept <= waiting,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{pluralize(now.paid_and_not_kept, 'answer')} paid for and not kept, {waiting:,} waited for",
        metadata={"not kept": dg.MetadataValue.int(now.paid_and_not_kept), "waiting": dg.MetadataValue.int(waiting)},
    )


@dg.asset_check(asset=tag_responses, description="No model is paused.")
def no_model_paused(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    paused = read_status(pipeline.settings.data_dir).paused
    return dg.AssetCheckResult(
        passed=not paused,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(each.left_out for each in paused) or "none",
        metadata={"models": dg.MetadataValue.json([each.name for each in paused])},
    )


@dg.asset_check(asset=tag_responses, description="The estimated cost of pending batches is within the cost cap.")
def cost_is_within_the_cap(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    now, cap = read_status(pipeline.settings.data_dir), pipeline.settings.max_cost_usd
    return dg.AssetCheckResult(
        passed=now.outstanding_usd <= cap,
        # A warning only: the cap may have been raised for one backfill.
        severity=dg.AssetCheckSeverity.WARN,
        description=f"${now.outstanding_usd:.2f} is outstanding, the cap is ${cap:.2f}",
        metadata={
            "outstanding (USD)": dg.MetadataValue.float(now.outstanding_usd),
            "spent (USD)": dg.MetadataValue.float(now.cost_usd),
        },
    )


@dg.asset_check(
    asset=palette_tags, description="The closed fields of every answer contain only words of their vocabularies."
)
def closed_vocabulary_valid(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    lists = {"harmony": HARMONY, "seasonal": SEASONAL, **ATTRIBUTES}
    with connect(pipeline.settings.data_dir) as connection:
        ((answers, outside),) = connection.execute(
            sql(__package__, "closed_vocabulary"), {name: list(words) for name, words in lists.items()}
        ).fetchall()
    return dg.AssetCheckResult(
        passed=outside == 0,
        description=f"{outside:,} of {answers:,} answers contain other words",
        metadata={"answers": dg.MetadataValue.int(answers), "outside": dg.MetadataValue.int(outside)},
    )


@dg.asset_check(
    asset=palette_tags,
    description="Every palette has as many answers of every requested model as the analysis count says. A warning: "
    "what is missing may be pending, or is what the next backfill requests.",
)
def palettes_have_all_their_analyses(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    with connect(pipeline.settings.data_dir) as connection:
        ((all_palettes, complete),) = connection.execute(
            sql(__package__, "coverage"), {"prompt_version": TAGGING_PROMPT.version}
        ).fetchall()
    return dg.AssetCheckResult(
        passed=complete == all_palettes,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{complete:,} of {all_palettes:,} palettes are complete",
        metadata={"palettes": dg.MetadataValue.int(all_palettes), "complete": dg.MetadataValue.int(complete)},
    )


@dg.asset_check(asset=palette_tags, description="The published copy has what is in the working database.")
def published_copy_current(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    try:
        behind = pipeline.warehouse.seconds_behind()
    except WarehouseError as error:
        return dg.AssetCheckResult(passed=False, description=str(error))
    return dg.AssetCheckResult(
        passed=behind < _PUBLISHED_WITHIN_SECONDS,
        description=f"{behind:.0f} s behind",
        metadata={"seconds behind": dg.MetadataValue.float(behind)},
    )


@dg.asset_check(
    asset=tag_responses,
    description="There is a backup of the ledger that is not older than two days, unless nothing has changed since.",
)
def backup_is_recent(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    backups = read_status(pipeline.settings.data_dir).backups
    with connect(pipeline.settings.data_dir) as connection:
        ((revision, begun_at),) = connection.execute(sql(__package__, "ledger_progress")).fetchall()
    newest_at, now = backups.newest_at, dt.datetime.now(dt.UTC)
    if newest_at is None:
        # The first one is made when the ledger is an hour old.
        passed, description = now - begun_at < _FIRST_BACKUP_WITHIN, "there is none: grabient backup"
    else:
        passed = now - newest_at < _BACKUP_WITHIN or backups.newest_revision == revision
        hours = (now - newest_at).total_seconds() / 3600
        description = f"the newest is {hours:,.1f} hours old" + ("" if passed else ": grabient backup")
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={
            "newest": dg.MetadataValue.path(backups.newest or ""),
            "backups": dg.MetadataValue.int(backups.count),
            "size (MB)": dg.MetadataValue.float(backups.megabytes),
            "revision of the newest": dg.MetadataValue.int(backups.newest_revision or 0),
            "revision of the ledger": dg.MetadataValue.int(revision),
        },
    )


@dg.asset_check(asset=palette_tag_consensus, description="The consensus counts every usable answer, and each once.")
def consensus_counts_every_usable_answer(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    with connect(pipeline.settings.data_dir) as connection:
        ((counted, usable),) = connection.execute(sql(__package__, "consensus_totals")).fetchall()
    return dg.AssetCheckResult(
        passed=counted == usable,
        description=f"{counted:,} counted, {usable:,} usable",
        metadata={"counted": dg.MetadataValue.int(counted), "usable": dg.MetadataValue.int(usable)},
    )


@dg.asset_check(
    asset=palette_tag_refined,
    description=f"Every refined palette has an embed text of 1 to {MOST_WORDS} words, none of them twice.",
)
def embed_texts_are_within_bounds(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    with connect(pipeline.settings.data_dir) as connection:
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
    description="Search is as good on the evaluation queries as the recorded baseline. Needs the sample palettes, "
    "tagged and embedded; without them nothing is measured.",
)
def search_quality_not_regressed(pipeline: dg.ResourceParam[Pipeline]) -> dg.AssetCheckResult:
    try:
        evaluation = pipeline.evaluate_search()
    except GrabientError as error:
        return dg.AssetCheckResult(passed=True, description=f"not measured: {error}")
    return dg.AssetCheckResult(
        passed=not evaluation.below_baseline,
        severity=dg.AssetCheckSeverity.WARN,
        metadata=_evaluation_metadata(evaluation),
    )


def _evaluation_metadata(evaluation: Evaluation) -> Metadata:
    figures = [
        (each.kind, each.queries, *(round(each.ndcg[ranker], 3) for ranker in RANKERS), round(each.recall["blend"], 3))
        for each in evaluation.kinds
    ]
    return {
        "nDCG@10": dg.MetadataValue.float(round(evaluation.overall.ndcg["blend"], 4)),
        "recall@10": dg.MetadataValue.float(round(evaluation.overall.recall["blend"], 4)),
        "recorded nDCG@10": dg.MetadataValue.float(evaluation.baseline.ndcg if evaluation.baseline else 0.0),
        "model": dg.MetadataValue.text(evaluation.embedding_model),
        "nDCG@10 by kind of query": rows_table(("query", "number", *RANKERS, "recall@10"), figures),
    }


CHECKS = [
    catalogue_current,
    seeds_decode,
    no_orphaned_batch,
    nothing_overdue,
    paid_answers_are_kept,
    no_model_paused,
    cost_is_within_the_cap,
    closed_vocabulary_valid,
    palettes_have_all_their_analyses,
    published_copy_current,
    backup_is_recent,
    consensus_counts_every_usable_answer,
    embed_texts_are_within_bounds,
    search_quality_not_regressed,
]
