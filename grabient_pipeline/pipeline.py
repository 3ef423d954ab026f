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
from typing import Any

import duckdb

from grabient_pipeline.batches.backfill import BackfillOrder, BackfillReport, backfill, check_analysis_count
from grabient_pipeline.batches.cancel import CancelledBatch, cancel
from grabient_pipeline.batches.collect import CollectReport, EndedBatch, collect, ended_batches
from grabient_pipeline.batches.ledger import MAX_FAILURES
from grabient_pipeline.batches.leftovers import sweep
from grabient_pipeline.batches.parse import ParseReport, parse_answers
from grabient_pipeline.batches.poll import BUDGET_SECONDS, PollReport, poll
from grabient_pipeline.batches.quarantine import Resting, free, resting
from grabient_pipeline.batches.reconcile import BUDGET_SECONDS as RECONCILE_SECONDS
from grabient_pipeline.batches.reconcile import MARGIN_SECONDS, ReconcileReport, reconcile
from grabient_pipeline.batches.refined import compose_anew
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING, Stage, renewing
from grabient_pipeline.consensus import ConsensusReport, count_consensus
from grabient_pipeline.errors import CostCapError, WarehouseBusy
from grabient_pipeline.imports.files import read_rows
from grabient_pipeline.imports.palettes import ImportReport, import_files, import_rows
from grabient_pipeline.imports.pictures import PictureReport, write_missing_pictures
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.access import open_provider, provider_keys
from grabient_pipeline.providers.base import BatchProvider
from grabient_pipeline.providers.catalogue import Selection, load_catalogue, select_models
from grabient_pipeline.scorecard import ModelScore, score_models
from grabient_pipeline.settings import SAMPLE_PALETTES, Settings
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, connect, query


@dataclass(frozen=True)
class BackfillRequest:
    """What a person asks a backfill for; what is left out is taken from the settings.

    `models`: `provider/model` names, else every enabled one. `providers`: only theirs. `analysis_count`: how often each
    model describes each palette. `limit`: at most so many palettes for each model. `max_cost_usd`: the cap in US
    dollars. `include_retired`: by default only on the sandbox.
    """

    models: Sequence[str] = ()
    providers: Sequence[str] = ()
    analysis_count: int | None = None
    limit: int | None = None
    max_cost_usd: float | None = None
    include_retired: bool | None = None
    dry_run: bool = False


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
    """What was done after a collection: how far each step of the second stage came."""

    consensus: ConsensusReport
    scores: Sequence[ModelScore]
    refinement: RefinementReport
    refined: ParseReport


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """A batch that is under way or waits for a hand."""

    submission: str
    stage: str
    provider: str
    model: str
    batch_id: str | None
    status: str
    provider_status: str | None
    request_count: int
    completed_count: int | None
    estimated_cost_usd: float
    created_at: dt.datetime
    submitted_at: dt.datetime | None
    error: str | None

    @property
    def due_at(self) -> dt.datetime | None:
        """When its provider's window ends; None while it is not known to be there."""
        if self.status != "submitted" or self.submitted_at is None:
            return None
        return self.submitted_at + dt.timedelta(hours=load_catalogue().provider(self.provider).window_hours)

    @property
    def overdue(self) -> bool:
        """Still under way after its provider's window."""
        return self.due_at is not None and self.due_at < dt.datetime.now(dt.UTC)


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

    def open_provider(self, key: str) -> BatchProvider:
        """A provider's batch API. Raises `MissingKeyError` if it has no key."""
        return open_provider(key, self._environment)

    def has_key(self, provider: str) -> bool:
        """Whether a provider's key is set."""
        return provider in provider_keys(self._environment)

    # Palettes

    def import_palettes(self, files: Sequence[Path] = ()) -> ImportReport:
        """Import files; with none named, an empty table gets the sample palettes, and a filled one stays as it is."""
        if not files and self._count_palettes() == 0:
            files = (SAMPLE_PALETTES,)
        report = import_files(self.warehouse, files)
        self.warehouse.publish()
        return report

    def import_sample_palettes(self, count: int | None = None) -> ImportReport:
        """Import the first so many of the palettes that come with the project, or all of them."""
        report = ImportReport()
        import_rows(self.warehouse, islice(read_rows(SAMPLE_PALETTES), count), SAMPLE_PALETTES.name, report)
        self.warehouse.publish()
        return report

    def write_pictures(self, *, progress: Progress = SILENT) -> PictureReport:
        """Draw the palettes that have no picture yet."""
        return write_missing_pictures(self.warehouse, self.settings.images_dir, progress=progress)

    # Batches

    def backfill(self, request: BackfillRequest, *, progress: Progress = SILENT) -> BackfillReport:
        """Reserve and submit what is missing. Raises `CostCapError` if that is estimated to cost more than the cap."""
        selection = self._selected(request.models, request.providers, request.include_retired)
        order = BackfillOrder(
            models=selection.models,
            analysis_count=request.analysis_count if request.analysis_count is not None else self.analysis_count(),
            max_cost_usd=self._cap(request.max_cost_usd),
            limit=request.limit,
            dry_run=request.dry_run,
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
        """All that follows from collected answers, as far as it can go now: consensus, refinement, embed texts."""
        consensus = self.count_consensus()
        scores = self.score_models()
        refinement = self.refine_within_cap(RefinementRequest(), progress=progress)
        return FollowUp(consensus, scores, refinement, self.refine_answers(progress=progress))

    def poll(self, *, budget_seconds: float = BUDGET_SECONDS, wait_seconds: float = 5.0) -> PollReport:
        """Ask the providers about what is under way. Raises `WarehouseBusy` rather than wait long."""
        return poll(self.warehouse, self.open_provider, budget_seconds=budget_seconds, wait_seconds=wait_seconds)

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
        """Fetch and settle what has ended."""
        sweep(self.settings.spool_dir)
        report = collect(self.warehouse, self.settings.spool_dir, self.open_provider, progress=progress)
        self.warehouse.publish()
        return report

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
        compose_anew(self.warehouse)
        self.warehouse.publish()
        return report

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
            return dict(connection.execute(query("failure_kinds")).fetchall())

    def _selected(self, models: Sequence[str], providers: Sequence[str], include_retired: bool | None) -> Selection:
        return select_models(
            models,
            providers,
            include_retired=self.settings.sandbox if include_retired is None else include_retired,
            keys=provider_keys(self._environment),
        )

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
        return connection.execute(query(name), parameters).fetchall()

    def counts(text: str) -> dict[str, int]:
        return dict(connection.execute(text).fetchall())

    def models_of(stage: Stage) -> tuple[ModelSummary, ...]:
        return tuple(ModelSummary(*row) for row in rows("model_summary", {"answers": stage.answers}))

    ((palettes, answers, usable, consensus, refined, stale, embedded, cost, outstanding, not_kept),) = rows(
        "status_counts"
    )
    ((resting,),) = rows("status_resting", {"max_failures": MAX_FAILURES})
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
        open_batches=tuple(OpenBatch(*row) for row in rows("status_open_batches")),
        models=models_of(TAGGING),
        refining_models=models_of(REFINEMENT),
    )
