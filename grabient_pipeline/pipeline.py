"""The steps of the pipeline, each of which brings something up to what the world offers now.

The command line, the Dagster assets and the tests all call these and add nothing of their own. Every step can be run at
any time, twice, or after a crash, and does only what is missing; at its end what it changed is published.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from grabient_pipeline.batches.backfill import (
    BackfillOrder,
    BackfillReport,
    backfill,
    check_analysis_count,
    work_on_direct_batches,
)
from grabient_pipeline.batches.cancel import CancelledBatch, cancel
from grabient_pipeline.batches.collect import CollectReport, EndedBatch, collect, ended_batches
from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.parse import ParseReport, parse_answers
from grabient_pipeline.batches.plan import ModelPlan, Plan, answers_by_model
from grabient_pipeline.batches.poll import BUDGET_SECONDS, PollReport, poll
from grabient_pipeline.batches.prompt_versions import PromptVersion, count_prompts, find_prompt, list_prompts
from grabient_pipeline.batches.quarantine import Resting, free, resting
from grabient_pipeline.batches.reconcile import BUDGET_SECONDS as RECONCILE_SECONDS
from grabient_pipeline.batches.reconcile import MARGIN_SECONDS, ReconcileReport, reconcile
from grabient_pipeline.batches.refinement_results import recompose_stale_texts
from grabient_pipeline.batches.spool_cleanup import remove_stale
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING, Stage, renewing
from grabient_pipeline.consensus.counting import ConsensusReport, count_consensus
from grabient_pipeline.convex.adopted_batches import fetch_any
from grabient_pipeline.convex.importer import import_convex
from grabient_pipeline.convex.report import ConvexReport
from grabient_pipeline.convex.run_numbers import (
    RunNumberCheck,
    RunNumberReport,
    check_run_numbers,
    clear_run_numbers,
    migrate_run_numbers,
    waiting_answers,
)
from grabient_pipeline.errors import CostCapError, GrabientError, MigrationError, WarehouseBusy
from grabient_pipeline.exports.palettes import FORMATS, ExportReport, export_palettes
from grabient_pipeline.gallery import GalleryReport, build_gallery
from grabient_pipeline.images.bucket import Bucket
from grabient_pipeline.images.sync import PictureReport, upload_pictures, write_missing_pictures
from grabient_pipeline.imports.d1 import SOURCE as D1_SOURCE
from grabient_pipeline.imports.d1 import D1Access, d1_rows
from grabient_pipeline.imports.files import read_rows
from grabient_pipeline.imports.palettes import ImportReport, import_files, import_rows
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider
from grabient_pipeline.providers.catalogue import Selection, load_catalogue, select_models
from grabient_pipeline.providers.direct import DirectCalls, nobody_works_on
from grabient_pipeline.providers.registry import open_provider, provider_keys
from grabient_pipeline.retrieval.embed_palettes import EmbedReport, embed_palettes
from grabient_pipeline.retrieval.embedders.base import Embedder
from grabient_pipeline.retrieval.embedders.registry import embedding_model, open_embedder
from grabient_pipeline.retrieval.find import DEFAULT_LIMIT, find
from grabient_pipeline.scorecard import ModelScore, score_models
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, connect, sql

if TYPE_CHECKING:
    import polars as pl

    from grabient_pipeline.retrieval.evaluation import Evaluation


_BATCHES = "grabient_pipeline.batches"


@dataclass(frozen=True)
class BackfillRequest:
    """What a person asks a backfill for; what is left out is taken from the settings.

    `models`: `provider/model` names, else every enabled one. `providers`: only theirs. `analysis_count`: how often each
    model describes each palette. `limit`: at most so many palettes for each model. `max_cost_usd`: the cap in US
    dollars. `include_retired`: by default only on the sandbox. `direct`: by ordinary calls, at the full price; by
    default only those that GRABIENT_DIRECT names.
    """

    models: Sequence[str] = ()
    providers: Sequence[str] = ()
    analysis_count: int | None = None
    limit: int | None = None
    max_cost_usd: float | None = None
    include_retired: bool | None = None
    dry_run: bool = False
    direct: bool = False


@dataclass(frozen=True)
class RefinementRequest:
    """What a person asks a refinement for; what is left out is taken from the settings.

    `model`: as `provider/model`. `stale`: also refine anew what was refined from another consensus than today's, which
    is paid for again. `limit`: at most so many palettes. `max_cost_usd`: the cap in US dollars.
    """

    model: str | None = None
    stale: bool = False
    limit: int | None = None
    max_cost_usd: float | None = None
    include_retired: bool | None = None
    dry_run: bool = False
    direct: bool = False


@dataclass(frozen=True)
class RefinementReport:
    """What a refinement submitted, and what stays stale until somebody asks for it: palettes, and US dollars.

    `held_back`: why nothing, or not all, was submitted; a line each.
    """

    batches: BackfillReport = field(default_factory=BackfillReport)
    stale_palettes: int = 0
    stale_cost_usd: float = 0.0
    held_back: tuple[str, ...] = ()


@dataclass(frozen=True)
class FollowUp:
    """What was done after a collection: how far each step that follows from it came."""

    consensus: ConsensusReport
    scores: Sequence[ModelScore]
    refinement: RefinementReport
    refined: ParseReport
    gallery: GalleryReport
    embedded: EmbedReport | None = None
    not_embedded: str = ""


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that is under way or waits for a hand.

    `likely_at`, `latest_at`: when half of its provider's earlier batches would have ended, and nine of ten; None while
    there have been none.
    """

    submission: str
    stage: str
    provider: str
    model: str
    access: str
    batch_id: str | None
    status: str
    provider_status: str | None
    request_count: int
    completed_count: int | None
    estimated_cost_usd: float
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    error: str | None
    likely_at: dt.datetime | None = None
    latest_at: dt.datetime | None = None

    @property
    def due_at(self) -> dt.datetime | None:
        """When its provider's window ends; None while it is not known to be there."""
        if self.status != "submitted" or self.submitted_at is None or self.access == "direct":
            return None
        return self.submitted_at + dt.timedelta(hours=load_catalogue().provider(self.provider).window_hours)

    @property
    def overdue(self) -> bool:
        """Still under way after its provider's window."""
        return self.due_at is not None and self.due_at < dt.datetime.now(dt.UTC)


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """When the last pending batch of a provider is likely to end: when half of the earlier ones would, and 90 %."""

    provider: str
    pending: int
    likely_at: dt.datetime
    latest_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ModelSummary:
    """How a model has done in one of the stages. Costs are US dollars."""

    provider: str
    model: str
    answers: int
    usable: int
    input_tokens: int
    output_tokens: int
    cost_usd: float


@dataclass(frozen=True)
class Status:
    """What is done, what is under way, what it cost (US dollars), and what rests after failing too often.

    `paid_and_not_kept`: answers that providers say they gave and that never came back.
    """

    palettes: int
    requests: Mapping[str, int]
    batches: Mapping[str, int]
    answers: int
    usable_answers: int
    consensus: int
    refined: int
    stale: int
    embedded: int
    cost_usd: float
    outstanding_usd: float
    paid_and_not_kept: int
    resting_requests: int
    findings: Mapping[str, int]
    open_batches: tuple[OpenBatch, ...]
    models: tuple[ModelSummary, ...]
    refining_models: tuple[ModelSummary, ...]


class Pipeline:
    """The steps, on one data directory and with the providers that an environment gives access to."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self.settings = settings
        self.warehouse = Warehouse.at(settings)
        self._environment = environment

    @classmethod
    def from_environment(cls) -> Pipeline:
        return cls(Settings.from_environment())

    def open_provider(self, api: str) -> BatchProvider:
        """A provider's batch API, or with `:direct` after its name its ordinary calls.

        Raises:
            MissingKeyError: it has no key.
        """
        key, _, access = api.partition(":")
        provider = open_provider(key, self._environment)
        return DirectCalls(provider, self.settings.direct_dir) if access == "direct" else provider

    def has_key(self, provider: str) -> bool:
        """Whether a provider's key is set."""
        return provider in provider_keys(self._environment)

    # Palettes

    def import_palettes(
        self, files: Sequence[Path] = (), *, d1: bool = False, d1_query: str | None = None
    ) -> ImportReport:
        """Import files; with nothing named, an empty table gets the sample palettes, and a filled one stays as it is.

        Args:
            d1: also from Cloudflare D1.
            d1_query: what D1, or an export of it, is asked; by default for the palettes that the site's admins like.
        """
        access = D1Access.from_environment(self._environment) if d1 else None
        if not files and not access and self._count_palettes() == 0:
            files = (SAMPLE_PALETTES,)
        report = import_files(self.warehouse, files, d1_query)
        if access:
            import_rows(self.warehouse, d1_rows(access, d1_query), D1_SOURCE, report)
        self.warehouse.publish()
        return report

    def import_sample_palettes(self, count: int | None = None) -> ImportReport:
        """Import the first so many of the palettes that come with the project, or all of them."""
        report = ImportReport()
        import_rows(self.warehouse, islice(read_rows(SAMPLE_PALETTES), count), SAMPLE_PALETTES.name, report)
        self.warehouse.publish()
        return report

    def write_pictures(self, *, progress: Progress = SILENT) -> PictureReport:
        """Draw the palettes that have no picture yet; with a bucket, put there what it does not have."""
        # Looked for first, so that half a setting is told before any work is done.
        bucket = None if self.settings.sandbox else Bucket.from_environment(self._environment)
        report = write_missing_pictures(self.warehouse, self.settings.images_dir, progress=progress)
        if bucket is None:
            return report
        in_bucket, uploaded = upload_pictures(self.warehouse, self.settings.images_dir, bucket, progress=progress)
        self.warehouse.publish()
        return replace(report, in_bucket=in_bucket, uploaded=uploaded)

    # The earlier system

    def import_convex(self, path: Path, *, dry_run: bool = False, progress: Progress = SILENT) -> ConvexReport:
        """Import what is new in a Convex export; a dry run only tells what that would come to."""
        report = import_convex(self.warehouse, path, dry_run=dry_run, progress=progress)
        if not dry_run:
            self.count_consensus()
        return report

    def check_run_numbers(self) -> RunNumberCheck:
        """What numbers the imported answers, and what `migrate_run_numbers` would change."""
        return check_run_numbers(self.warehouse)

    def migrate_run_numbers(self) -> RunNumberReport:
        """Give the imported answers that have none their analysis index, and count them."""
        report = migrate_run_numbers(self.warehouse)
        self.count_consensus()
        return report

    def clear_run_numbers(self) -> int:
        """Forget the legacy run numbers. Raises `MigrationError` while an answer has nothing else."""
        cleared = clear_run_numbers(self.warehouse)
        self.warehouse.publish()
        return cleared

    # Batches

    def backfill(self, request: BackfillRequest, *, progress: Progress = SILENT) -> BackfillReport:
        """Reserve and submit what is missing. Raises `CostCapError` if that is estimated to cost more than the cap."""
        if waiting := waiting_answers(self.warehouse, TAGGING.prompt.version):
            raise MigrationError(
                f"{waiting:,} imported answers to this very prompt have no analysis index yet, and would be paid for "
                "again; run grabient migrate run-number first"
            )
        selection = self._selected(request.models, request.providers, request.include_retired)
        order = BackfillOrder(
            models=selection.models,
            analysis_count=request.analysis_count if request.analysis_count is not None else self.analysis_count(),
            max_cost_usd=self._cap(request.max_cost_usd),
            limit=request.limit,
            dry_run=request.dry_run,
            direct=self._direct(request.direct, selection),
        )
        report = replace(self._submit(order, TAGGING, progress), left_out=selection.left_out)
        self._publish_unless(request.dry_run)
        return report

    def refine(self, request: RefinementRequest, *, progress: Progress = SILENT) -> RefinementReport:
        """Reserve and submit the refinement of what is ready for it.

        Raises:
            CostCapError: that is estimated to cost more than the cap.
        """
        model = request.model or self.settings.refinement_model
        if model is None:
            return RefinementReport(held_back=("refinement is off (GRABIENT_REFINEMENT_MODEL is none)",))
        selection = self._selected([model], (), request.include_retired)
        order = BackfillOrder(
            models=selection.models,
            analysis_count=1,
            max_cost_usd=self._cap(request.max_cost_usd),
            limit=request.limit,
            dry_run=request.dry_run,
            direct=self._direct(request.direct, selection),
        )
        stage = renewing(REFINEMENT) if request.stale else REFINEMENT
        report = replace(self._submit(order, stage, progress), left_out=selection.left_out)
        self._publish_unless(request.dry_run)
        if request.stale:
            return RefinementReport(report, held_back=selection.left_out)
        stale = self._submit(replace(order, limit=None, dry_run=True), renewing(REFINEMENT, only_stale=True), SILENT)
        return RefinementReport(report, stale.request_count, stale.estimated_cost_usd, selection.left_out)

    def refine_within_cap(self, request: RefinementRequest, *, progress: Progress = SILENT) -> RefinementReport:
        """The same for those who go on in any case: above the cap nothing is submitted, and the report says so."""
        try:
            return self.refine(request, progress=progress)
        except CostCapError as error:
            return RefinementReport(held_back=(str(error),))

    def follow_up(self, *, progress: Progress = SILENT) -> FollowUp:
        """All that follows from collected answers, as far as it can go now, from the consensus to the gallery."""
        consensus = self.count_consensus()
        scores = self.score_models()
        refinement = self.refine_within_cap(RefinementRequest(), progress=progress)
        refined = self.refine_answers(progress=progress)
        try:
            embedded, not_embedded = self.embed_palettes(progress=progress), ""
        except GrabientError as error:
            # An embedding API that says no concerns the search only.
            embedded, not_embedded = None, str(error)
        return FollowUp(consensus, scores, refinement, refined, self.build_gallery(), embedded, not_embedded)

    def poll(self, *, budget_seconds: float = BUDGET_SECONDS, wait_seconds: float = 5.0) -> PollReport:
        """Ask the providers about what is under way. Raises `WarehouseBusy` rather than wait long."""
        return poll(self.warehouse, self.open_provider, budget_seconds=budget_seconds, wait_seconds=wait_seconds)

    def likely_ends(self, *, wait_seconds: float = 5.0) -> list[LikelyEnd]:
        """When what is pending is likely to end, by how long earlier batches of the same provider took."""
        with self.warehouse.connect(wait_seconds) as connection:
            return [LikelyEnd(*row) for row in connection.execute(sql(_BATCHES, "likely_ends")).fetchall()]

    def ended_batches(self, *, wait_seconds: float = 5.0) -> tuple[EndedBatch, ...]:
        """What has ended and waits to be collected."""
        return tuple(ended_batches(self.warehouse, wait_seconds))

    def reconcile(
        self,
        *,
        margin_seconds: float = MARGIN_SECONDS,
        budget_seconds: float = RECONCILE_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
    ) -> ReconcileReport:
        """Look for batches whose creation was not answered; adopt them, or release what is not there."""
        report = reconcile(
            self.warehouse,
            self.settings.spool_dir,
            self.open_provider,
            margin_seconds=margin_seconds,
            budget_seconds=budget_seconds,
            wait_seconds=wait_seconds,
        )
        if report.adopted or report.released or report.waiting:
            self.warehouse.publish(wait_seconds)
        return report

    def cancel(self, names: Collection[str] | None = None) -> list[CancelledBatch]:
        """Ask for the end of these batches, or of all. Raises `UnknownBatchError` for a name that is none."""
        outcomes = cancel(self.warehouse, self.open_provider, names)
        self.warehouse.publish()
        return outcomes

    def resting(self) -> list[Resting]:
        """Requests that have failed as often as is allowed."""
        return resting(self.warehouse)

    def free(self, model: str | None = None) -> int:
        """Let what rests be asked again; how many requests. Raises `UnknownModelError`.

        Args:
            model: only this model's, as `provider/model`.
        """
        chosen = load_catalogue().model(model) if model is not None else None
        freed = free(self.warehouse, *(() if chosen is None else (chosen.provider, chosen.id)))
        self.warehouse.publish()
        return freed

    def collect(self, *, progress: Progress = SILENT) -> CollectReport:
        """Fetch and settle what has ended; ordinary calls that nobody is making any more are made first."""
        remove_stale(self.settings.spool_dir)
        failures = work_on_direct_batches(self.warehouse, self.open_provider, progress=progress)
        if self.stalled_direct_batches():
            self.poll()
        report = collect(
            self.warehouse, self.settings.spool_dir, self.open_provider, fetch=fetch_any, progress=progress
        )
        self.warehouse.publish()
        return replace(report, failures={**report.failures, **failures})

    def stalled_direct_batches(self, *, wait_seconds: float = WAIT_SECONDS) -> list[str]:
        """The submissions of ordinary calls that are not finished, and that nobody is making."""
        with self.warehouse.connect(wait_seconds) as connection:
            batches = connection.execute(sql(_BATCHES, "direct_batches")).fetchall()
        folder = self.settings.direct_dir
        return [submission for submission, _, batch_id in batches if nobody_works_on(folder, batch_id)]

    def parse_answers(self, *, progress: Progress = SILENT) -> ParseReport:
        """Read the raw answers that this version of the parser has not read."""
        report = parse_answers(self.warehouse, self.settings.spool_dir, TAGGING, progress=progress)
        self.warehouse.publish()
        return report

    def count_consensus(self) -> ConsensusReport:
        """Count what the models agree on."""
        report = count_consensus(self.warehouse)
        self.warehouse.publish()
        return report

    def score_models(self) -> list[ModelScore]:
        """Work out which tagging models are worth their money; the best quality first."""
        scores = score_models(self.warehouse)
        self.warehouse.publish()
        return scores

    def refine_answers(self, *, progress: Progress = SILENT) -> ParseReport:
        """Read the refined answers that this version of the parser has not read, and compose the embed texts."""
        report = parse_answers(self.warehouse, self.settings.spool_dir, REFINEMENT, progress=progress)
        recompose_stale_texts(self.warehouse)
        self.warehouse.publish()
        return report

    # Search

    def embed_palettes(self, model: str | None = None, *, progress: Progress = SILENT) -> EmbedReport:
        """Embed the texts that are new or have changed, with a model or with that of the settings.

        Raises:
            UnknownModelError: there is no such model.
            CostCapError: that is estimated to cost more than the cap.
        """
        report = embed_palettes(self.warehouse, self._embedder(model), self.settings.max_cost_usd, progress=progress)
        self.warehouse.publish()
        return report

    def search(self, query: str, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
        """Find palettes in what has been published; see `grabient_pipeline.retrieval.find.search`."""
        return find(self.settings, self._environment, query, limit)

    def evaluate_search(self) -> Evaluation:
        """How well the search does on queries whose answers are known.

        Raises:
            SearchError: the sample palettes are not published, tagged and embedded.
        """
        from grabient_pipeline.retrieval.evaluation import evaluate

        return evaluate(self.settings.data_dir, self._embedder())

    def _embedder(self, model: str | None = None) -> Embedder:
        return open_embedder(embedding_model(model or self.settings.embedding_model), self._environment)

    # To look at

    def build_gallery(self) -> GalleryReport:
        """Bring the gallery up to what there is."""
        self.warehouse.publish()
        return build_gallery(self.settings.data_dir, self.settings.gallery)

    # Prompt versions

    def list_prompts(self) -> list[PromptVersion]:
        """All versions of the prompts, with what was made of them."""
        return list_prompts(self.warehouse)

    def find_prompt(self, version: str) -> PromptVersion:
        """A version by its beginning. Raises `UnknownPromptError`."""
        return find_prompt(self.warehouse, version)

    def count_prompts(self, versions: Sequence[str]) -> list[PromptVersion]:
        """Let only these versions count; with none, all do. Raises `UnknownPromptError`."""
        counting = count_prompts(self.warehouse, versions)
        self.warehouse.publish()
        return counting

    def plan(self, analysis_count: int | None = None, *, include_retired: bool | None = None) -> Plan:
        """What today's prompts make stale and what having it anew would cost. Asks nobody; needs no key."""
        count = self.analysis_count() if analysis_count is None else analysis_count
        # A dry run sends nothing, so that any word will do for a key that is not there.
        stand_ins = {provider.key_variable: "plan" for provider in load_catalogue().providers.values()}
        planning = Pipeline(self.settings, {**stand_ins, **{k: v for k, v in self._environment.items() if v.strip()}})
        backfill = planning.backfill(
            BackfillRequest(analysis_count=count, include_retired=include_retired, dry_run=True)
        )
        refinement = planning.refine(RefinementRequest(stale=True, include_retired=include_retired, dry_run=True))
        only_new = planning.refine(RefinementRequest(include_retired=include_retired, dry_run=True))
        answers = answers_by_model(self.warehouse, TAGGING.prompt.version)
        by_model = {model.name: model for model in planning._selected((), (), include_retired).models}
        asked = {name: [batch for batch in backfill.batches if batch.model.name == name] for name in by_model}
        return Plan(
            tagging_prompt=TAGGING.prompt.version,
            refinement_prompt=REFINEMENT.prompt.version,
            analysis_count=count,
            models=tuple(
                ModelPlan(
                    model.provider,
                    model.id,
                    *answers.get((model.provider, model.id), (0, 0)),
                    requests=sum(batch.request_count for batch in asked[name]),
                    estimated_cost_usd=sum(batch.estimated_cost_usd for batch in asked[name]),
                    has_key=self.has_key(model.provider),
                )
                for name, model in by_model.items()
            ),
            left_out=backfill.left_out,
            refining_model=self.settings.refinement_model,
            refinements=refinement.batches.request_count,
            stale_refinements=only_new.stale_palettes,
            refinement_cost_usd=refinement.batches.estimated_cost_usd,
        )

    # What goes out

    def export(
        self,
        folder: Path | None = None,
        formats: Collection[str] = FORMATS,
        *,
        embedding_model: str | None = None,
        only_refined: bool = False,
    ) -> ExportReport:
        """Write refined tags, embed texts and vectors as files; by default into `export/` of the data directory."""
        self.warehouse.publish()
        return export_palettes(
            self.settings.data_dir,
            folder or self.settings.data_dir / "export",
            formats,
            embedding_model=embedding_model,
            only_refined=only_refined,
        )

    # Settings and state

    def analysis_count(self) -> int:
        """How often each model describes each palette, unless a backfill says otherwise."""
        with self.warehouse.connect() as connection:
            ((count,),) = connection.execute("SELECT tag_analysis_count FROM config").fetchall()
        return count

    def set_analysis_count(self, count: int) -> None:
        """Change it. Raises `SettingsError` if it is not from 1 to 20."""
        check_analysis_count(count)
        with self.warehouse.connect() as connection:
            connection.execute("UPDATE config SET tag_analysis_count = ?, updated_at = now()", [count])
        self.warehouse.publish()

    def status(self) -> Status:
        """How things stand. Never waits for a busy database: then it tells of the last published state."""
        try:
            with self.warehouse.connect(wait_seconds=2.0):
                # A new database has its tables now.
                pass
            self.warehouse.publish(wait_seconds=2.0)
        except WarehouseBusy:
            if not self.settings.published.exists():
                raise
        with connect(self.settings.data_dir) as connection:
            return _status(connection)

    def failure_reasons(self) -> dict[str, int]:
        """Why answers could not be used, as far as published, the most frequent reason first."""
        with connect(self.settings.data_dir) as connection:
            return dict(connection.execute(sql(_BATCHES, "failure_kinds")).fetchall())

    def _selected(self, models: Sequence[str], providers: Sequence[str], include_retired: bool | None) -> Selection:
        return select_models(
            models,
            providers,
            include_retired=self.settings.sandbox if include_retired is None else include_retired,
            keys=provider_keys(self._environment),
        )

    def _direct(self, every: bool, selection: Selection) -> frozenset[str]:
        """Who is asked by ordinary calls. Raises `UnknownModelError` for a name that is neither provider nor model."""
        for name in self.settings.direct:
            if name not in load_catalogue().providers:
                load_catalogue().model(name)
        return frozenset(model.name for model in selection.models) if every else self.settings.direct

    def _cap(self, asked_for: float | None) -> float:
        return self.settings.max_cost_usd if asked_for is None else asked_for

    def _submit(self, order: BackfillOrder, stage: Stage, progress: Progress) -> BackfillReport:
        return backfill(
            self.warehouse, self.settings.spool_dir, self.open_provider, order, stage=stage, progress=progress
        )

    def _publish_unless(self, dry_run: bool) -> None:
        if not dry_run:
            self.warehouse.publish()

    def _count_palettes(self) -> int:
        with self.warehouse.connect() as connection:
            ((count,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
        return count


def _status(connection: duckdb.DuckDBPyConnection) -> Status:
    def rows(name: str, parameters: Mapping[str, object] | None = None) -> list[Any]:
        return connection.execute(sql(_BATCHES, name), parameters).fetchall()

    def counts(text: str) -> dict[str, int]:
        return dict(connection.execute(text).fetchall())

    def models_of(stage: Stage) -> tuple[ModelSummary, ...]:
        return tuple(ModelSummary(*row) for row in rows("model_summary", {"answers": stage.answers}))

    ((palettes, answers, usable, consensus, refined, stale, embedded, cost, outstanding, not_kept),) = rows(
        "status_counts"
    )
    ((resting,),) = rows("quarantined_count", {"max_failures": MAX_FAILURES})
    return Status(
        palettes=palettes,
        requests=counts("SELECT state, count(*) FROM tag_requests GROUP BY state ORDER BY state"),
        batches=counts("SELECT status, count(*) FROM tag_batches GROUP BY status ORDER BY status"),
        answers=answers,
        usable_answers=usable,
        consensus=consensus,
        refined=refined,
        stale=stale,
        embedded=embedded,
        cost_usd=cost,
        outstanding_usd=outstanding,
        paid_and_not_kept=not_kept,
        resting_requests=resting,
        findings=counts("SELECT kind, count(*) FROM collection_findings GROUP BY kind ORDER BY kind"),
        open_batches=tuple(OpenBatch(*row) for row in rows("open_batches")),
        models=models_of(TAGGING),
        refining_models=models_of(REFINEMENT),
    )
