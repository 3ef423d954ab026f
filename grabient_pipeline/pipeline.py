"""The steps of the pipeline: one method each, called by the command line, the Dagster assets and the tests alike.

Every step brings its tables up to date, can run at any time, twice, or after a crash, and does only what is missing.
What a step does is in its own package; here it gets the workspace, and what it changed is published.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import polars as pl

from grabient_pipeline.batches import prompt_versions
from grabient_pipeline.batches.abandon import abandon
from grabient_pipeline.batches.adoption import LISTING_SECONDS, AdoptionReport, adopt_listed, refuse_unresolved
from grabient_pipeline.batches.backfill import BackfillReport, backfill
from grabient_pipeline.batches.cancel import CancelledBatch, KnownBatch, cancel, cancel_orders
from grabient_pipeline.batches.catalogue_check import (
    CHECK_SECONDS,
    CatalogueReport,
    check_catalogue,
    published_findings,
)
from grabient_pipeline.batches.collect import CollectReport
from grabient_pipeline.batches.collect_all import collect_all
from grabient_pipeline.batches.config import read_analysis_count, write_analysis_count
from grabient_pipeline.batches.found_requests import complete_basis
from grabient_pipeline.batches.join_imported import join_imported
from grabient_pipeline.batches.order_ledger import OrderPart, change_cap
from grabient_pipeline.batches.order_progress import PartProgress, read_progress
from grabient_pipeline.batches.orders import BackfillRequest, RefinementRequest, resolve_backfill
from grabient_pipeline.batches.panel import PanelChange, change_panel, read_panel
from grabient_pipeline.batches.parse import ParseReport, parse_answers
from grabient_pipeline.batches.pauses import resume
from grabient_pipeline.batches.plan import Plan, plan
from grabient_pipeline.batches.poll import POLL_SECONDS, RECORD_SECONDS, PollReport, poll
from grabient_pipeline.batches.price_correction import correct_prices
from grabient_pipeline.batches.quarantine import QuarantinedRequests, quarantined, release
from grabient_pipeline.batches.reconcile import MARGIN_SECONDS, RECONCILE_SECONDS, ReconcileReport, reconcile
from grabient_pipeline.batches.refine import RefinementReport, refine, refine_within_cap
from grabient_pipeline.batches.results import recompose_stale_texts
from grabient_pipeline.batches.send_on import SendReport, close_finished, send_on
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING, tagging_stage
from grabient_pipeline.batches.status import Status, read_status
from grabient_pipeline.batches.tick import TickReport, tick
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.consensus import ConsensusReport, count_consensus
from grabient_pipeline.convex import hooks as convex_hooks
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import UnknownBatchesError
from grabient_pipeline.exports.palettes import FORMATS, ExportReport, export_palettes
from grabient_pipeline.gallery import GalleryReport, build_gallery
from grabient_pipeline.images.sync import ImageReport, sync_images
from grabient_pipeline.imports.palettes import ImportReport, import_palettes, import_sample_palettes
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.catalogue_age import Finding
from grabient_pipeline.providers.panel import Panel, resolve_panel
from grabient_pipeline.providers.registry import Providers
from grabient_pipeline.retrieval.embed_palettes import EmbedReport, embed_palettes
from grabient_pipeline.retrieval.embedders.registry import open_embedder_named
from grabient_pipeline.retrieval.evaluation import Evaluation, evaluate
from grabient_pipeline.retrieval.find import DEFAULT_LIMIT, find
from grabient_pipeline.scorecard import ModelScore, comparable_versions, compare_prompts, score_models
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse
from grabient_pipeline.warehouse.spending_pause import lift_pause, spending_pause

# The one line by which the earlier system takes part in collecting and backfilling; it goes with `convex/` one day.
convex_hooks.register()

# `grabient status` shows the last published state rather than wait for longer.
_STATUS_WAIT_SECONDS = 2.0


class Pipeline:
    """The steps, on one data directory and with the providers that an environment gives access to."""

    def __init__(self, settings: Settings, environment: Mapping[str, str] = os.environ) -> None:
        self.settings = settings
        self.environment = environment
        self.warehouse = Warehouse.at(settings, after_migration=correct_prices)
        providers = Providers(environment, settings.direct_dir, settings.keep_request_files)
        self.workspace = Workspace(
            self.warehouse, settings.spool_dir, providers, settings.sandbox, settings.poll_seconds
        )

    @classmethod
    def from_environment(cls) -> Pipeline:
        """Return the pipeline that the environment variables describe."""
        return cls(Settings.from_environment())

    @contextmanager
    def publishing(self, *, dry_run: bool = False) -> Generator[Workspace]:
        """Publish what the block changed, unless it fails or is a dry run.

        A refusal because of unknown batches is published too: those of this ledger are adopted by then.

        Raises:
            WarehouseError: the working database is lost.
        """
        self.warehouse.refuse_loss()
        try:
            yield self.workspace
        except UnknownBatchesError:
            self.warehouse.publish()
            raise
        if not dry_run:
            self.warehouse.publish()

    def import_palettes(
        self, files: Sequence[Path] = (), *, d1: bool = False, d1_query: str | None = None
    ) -> ImportReport:
        """Import files, with `d1` also from Cloudflare D1; with neither, an empty table gets the sample palettes."""
        with self.publishing():
            report = import_palettes(self.warehouse, files, d1_query, self.environment if d1 else None)
            join_imported(self.workspace)
            return report

    def import_sample_palettes(self, count: int | None = None) -> ImportReport:
        """Import the first `count` sample palettes, or all of them."""
        with self.publishing():
            report = import_sample_palettes(self.warehouse, count)
            join_imported(self.workspace)
            return report

    def write_pictures(self, *, progress: Progress = SILENT) -> ImageReport:
        """Draw the images that are missing; with a bucket, upload those that it does not have."""
        with self.publishing():
            return sync_images(self.warehouse, self.settings, self.environment, progress=progress)

    def backfill(self, request: BackfillRequest, *, progress: Progress = SILENT) -> BackfillReport:
        """Submit batches for all missing responses. Raises `CostCapError` if the estimate is above the cap."""
        with self.publishing(dry_run=request.dry_run) as workspace:
            providers = workspace.providers.keys
            resolved = resolve_backfill(request, self.settings, providers, self.analysis_count(), self.panel_names())
            stage = tagging_stage(with_image=request.with_image)
            report = backfill(workspace, resolved.order, stage=stage, progress=progress)
            return replace(report, left_out=(*resolved.left_out, *report.left_out))

    def refine(self, request: RefinementRequest, *, progress: Progress = SILENT) -> RefinementReport:
        """Submit the refinement of ready palettes. Raises `CostCapError` if the estimate is above the cap."""
        with self.publishing(dry_run=request.dry_run) as workspace:
            return refine(workspace, request, self.settings, progress=progress)

    def refine_within_cap(self, request: RefinementRequest, *, progress: Progress = SILENT) -> RefinementReport:
        """Do what `refine` does; above the cap submit nothing, and say so in the report."""
        with self.publishing(dry_run=request.dry_run) as workspace:
            return refine_within_cap(workspace, request, self.settings, progress=progress)

    def tick(self, deadline: Deadline, *, wait_seconds: float = WAIT_SECONDS) -> TickReport:
        """Reconcile and poll before the deadline. Raises `WarehouseBusy`."""
        report = tick(self.workspace, deadline, wait_seconds=wait_seconds)
        if report.changed:
            self.warehouse.publish(deadline.remaining())
        return report

    def poll(self) -> PollReport:
        """Ask the providers for the state of pending batches, and record it."""
        return poll(self.workspace, Deadline.after(POLL_SECONDS + RECORD_SECONDS))

    def reconcile(self, *, margin_seconds: float = MARGIN_SECONDS) -> ReconcileReport:
        """Look for batches whose creation was not answered; adopt them, or release what is not there."""
        with self.publishing() as workspace:
            return reconcile(workspace, Deadline.after(RECONCILE_SECONDS), margin_seconds=margin_seconds)

    def adopt(self, ledgers: Collection[str] = ()) -> AdoptionReport:
        """Adopt the batches of this ledger, or of one of `ledgers`, that the providers have and the database lacks."""
        with self.publishing() as workspace:
            return adopt_listed(workspace, Deadline.after(LISTING_SECONDS), ledgers=ledgers)

    def cancel(self, names: Collection[str] | None = None) -> list[CancelledBatch]:
        """Cancel these batches, or all pending ones. Raises `UnknownBatchError`."""
        with self.publishing() as workspace:
            return cancel(workspace, names)

    def cancel_orders(
        self, numbers: Collection[int] | None = None, *, keep_batches: bool = False
    ) -> tuple[list[OrderPart], list[CancelledBatch]]:
        """End these orders, or all; their pending batches are cancelled. Raises `UnknownOrderError`."""
        with self.publishing() as workspace:
            return cancel_orders(workspace, numbers, keep_batches=keep_batches)

    def change_cap(self, order: int, max_cost_usd: float) -> None:
        """Set the cost cap of an open order. Raises `UnknownOrderError` and `SettingsError`."""
        with self.publishing() as workspace, workspace.warehouse.connect() as connection:
            change_cap(connection, order, max_cost_usd)

    def open_orders(self) -> list[PartProgress]:
        """How far the open orders have come, and what they wait for."""
        with self.warehouse.connect() as connection:
            return read_progress(connection, self.workspace)

    def abandon(self, batches: Sequence[KnownBatch]) -> int:
        """Give up batches; how many of their requests are free again. Raises `UnknownBatchError`."""
        with self.publishing() as workspace:
            return abandon(workspace, batches)

    def resume(self, model: str | None = None) -> bool:
        """Lift the pause of a `provider/model`, or that after a restore; False if there is none.

        Raises:
            UnknownModelError: the catalogue does not have the model.
            UnknownBatchesError: batches that may be this ledger's are not collected yet; only after a restore.
        """
        with self.publishing():
            if model is None:
                if spending_pause(self.warehouse) is not None:
                    refuse_unresolved(self.warehouse)
                return lift_pause(self.warehouse)
            return resume(self.warehouse, load_catalogue().model(model))

    def collect(self, *, every_late: bool = False, progress: Progress = SILENT) -> CollectReport:
        """Fetch and settle ended batches; unfinished direct calls that no process works on are made first.

        Args:
            every_late: also ask for what settled and abandoned batches still owe; otherwise once a day.
        """
        with self.publishing() as workspace:
            report = collect_all(workspace, every_late=every_late, progress=progress)
            close_finished(workspace)
            return report

    def send_on(self, *, progress: Progress = SILENT) -> SendReport:
        """Send the next pieces of open orders, as far as there is room. Costs money, within the cap of each order."""
        with self.publishing() as workspace:
            return send_on(workspace, progress=progress)

    def quarantined(self) -> list[QuarantinedRequests]:
        """The requests in quarantine, by model and reason."""
        return quarantined(self.warehouse)

    def release(self, model: str | None = None) -> int:
        """Release quarantined requests, of one `provider/model` or all; how many. Raises `UnknownModelError`."""
        chosen = load_catalogue().model(model) if model is not None else None
        with self.publishing():
            return release(self.warehouse, *(() if chosen is None else (chosen.provider, chosen.id)))

    def parse_answers(self, *, progress: Progress = SILENT) -> ParseReport:
        """Parse the tagging responses that this version of the parser has not parsed."""
        with self.publishing() as workspace:
            return parse_answers(workspace, TAGGING, progress=progress)

    def count_consensus(self) -> ConsensusReport:
        """Count what the models agree on."""
        with self.publishing():
            report = count_consensus(self.warehouse)
            complete_basis(self.warehouse)
            return report

    def score_models(self) -> list[ModelScore]:
        """Score the tagging models, the best quality first."""
        with self.publishing():
            return score_models(self.warehouse)

    def compare_prompts(self, versions: Sequence[str] = ()) -> dict[str, list[ModelScore]]:
        """Score the models on each of these prompts; by default the newest without and the newest with pictures.

        Raises:
            UnknownPromptError: there is no such version.
        """
        chosen = [self.find_prompt(version).version for version in versions]
        return compare_prompts(self.warehouse, chosen or comparable_versions(self.warehouse))

    def refine_answers(self, *, progress: Progress = SILENT) -> ParseReport:
        """Parse the refined responses that are not parsed, and compose the embed texts."""
        with self.publishing() as workspace:
            report = parse_answers(workspace, REFINEMENT, progress=progress)
            recompose_stale_texts(self.warehouse)
            return report

    def embed_palettes(self, model: str | None = None, *, progress: Progress = SILENT) -> EmbedReport:
        """Embed new and changed texts. Raises `UnknownModelError` and `CostCapError`."""
        embedder = open_embedder_named(model or self.settings.embedding_model, self.environment)
        with self.publishing():
            return embed_palettes(self.warehouse, embedder, self.settings.max_cost_usd, progress=progress)

    def search(self, query: str, limit: int = DEFAULT_LIMIT) -> pl.DataFrame:
        """Find palettes in the published state; see `grabient_pipeline.retrieval.find.search`."""
        return find(self.settings, self.environment, query, limit)

    def evaluate_search(self) -> Evaluation:
        """Measure search on queries with known answers. Raises `SearchError` without tagged sample palettes."""
        return evaluate(self.settings.data_dir, open_embedder_named(self.settings.embedding_model, self.environment))

    def build_gallery(self) -> GalleryReport:
        """Bring the gallery up to date."""
        self.warehouse.publish()
        return build_gallery(self.settings.data_dir, self.settings.gallery)

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
            folder or self.settings.export_dir,
            formats,
            embedding_model=embedding_model,
            only_refined=only_refined,
        )

    def list_prompts(self) -> list[prompt_versions.PromptVersion]:
        """All prompt versions."""
        return prompt_versions.list_prompts(self.warehouse)

    def find_prompt(self, version: str) -> prompt_versions.PromptVersion:
        """A prompt version by the beginning of its hash. Raises `UnknownPromptError`."""
        return prompt_versions.find_prompt(self.warehouse, version)

    def count_prompts(self, versions: Sequence[str]) -> list[prompt_versions.PromptVersion]:
        """Let only these versions count; with none, all do. Raises `UnknownPromptError`."""
        with self.publishing():
            return prompt_versions.count_prompts(self.warehouse, versions)

    def plan(self, analysis_count: int | None = None, *, include_retired: bool | None = None) -> Plan:
        """Estimate what today's prompts make stale. Sends nothing and needs no key."""
        count = self.analysis_count() if analysis_count is None else analysis_count
        return plan(self.workspace, self.settings, count, include_retired, self.panel_names())

    def panel_names(self) -> tuple[str, ...] | None:
        """The models that the places of the chosen panel are named after; None is the default panel."""
        if not self.settings.warehouse.exists():
            return None
        with self.warehouse.connect() as connection:
            return read_panel(connection)

    def panel(self, today: dt.date | None = None, *, include_retired: bool | None = None) -> Panel:
        """The panel of a day, by default today."""
        keeps = self.settings.sandbox if include_retired is None else include_retired
        return resolve_panel(self.panel_names(), include_retired=keeps, today=today)

    def change_panel(self, change: PanelChange, names: Sequence[str] = ()) -> Panel:
        """Change who answers by default, from the next order on. Raises `UnknownModelError` and `SettingsError`."""
        with self.publishing():
            change_panel(self.warehouse, change, names, include_retired=self.settings.sandbox)
        return self.panel()

    def analysis_count(self) -> int:
        """The setting: responses per palette and model."""
        return read_analysis_count(self.warehouse)

    def set_analysis_count(self, count: int) -> None:
        """Change the setting. Raises `SettingsError` if it is not from 1 to 20."""
        with self.publishing():
            write_analysis_count(self.warehouse, count)

    def status(self) -> Status:
        """The state of everything; the last published one if the database is busy."""
        self.warehouse.publish_if_free(_STATUS_WAIT_SECONDS)
        return read_status(
            self.settings.data_dir,
            self.workspace,
            refinement_model=self.settings.refinement_model,
            keeps_retired=self.settings.sandbox,
        )

    def check_catalogue(self) -> CatalogueReport:
        """Ask the providers and the price list about the models in the catalogue. Needs no key, and costs nothing."""
        with self.publishing() as workspace:
            return check_catalogue(
                workspace,
                self.settings.refinement_model,
                Deadline.after(CHECK_SECONDS),
                keeps_retired=self.settings.sandbox,
            )

    def catalogue_findings(self) -> list[Finding]:
        """What is no longer right in the catalogue, by the published answers of the newest checks."""
        return published_findings(
            self.settings.data_dir, self.settings.refinement_model, keeps_retired=self.settings.sandbox
        )
