"""A backfill: find what is missing, reserve it, submit it.

A provider that fails stops no other: its part is reported with the reason, and the others go on.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from grabient_pipeline.batches.adoption import check_listings, unread_batches
from grabient_pipeline.batches.direct_calls import make_direct_calls
from grabient_pipeline.batches.join_imported import join_imported
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.pauses import paused_models
from grabient_pipeline.batches.request_file import json_text
from grabient_pipeline.batches.reservation import ProviderModels, Reservation, holds_only, missing_subjects, reserve
from grabient_pipeline.batches.stages import TAGGING, Stage
from grabient_pipeline.batches.submit import BatchReport, submit_reservations
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, RequestFormat, Route
from grabient_pipeline.providers.registry import request_format

# Runs before anything is reserved, and raises a `GrabientError` if a backfill of this stage would be wrong now.
BackfillCheck = Callable[[Workspace, Stage], None]

_CHECKS: list[BackfillCheck] = []


def register_backfill_check(check: BackfillCheck) -> None:
    """Run `check` before every backfill."""
    if check not in _CHECKS:
        _CHECKS.append(check)


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill submitted, or in a dry run would submit.

    `left_out`: models left out, one line each. `failures`: why a route could not be used. Costs are US dollars.
    """

    batches: tuple[BatchReport, ...] = ()
    left_out: tuple[str, ...] = ()
    failures: Mapping[Route, str] = field(default_factory=dict[Route, str])
    dry_run: bool = False

    @property
    def submitted(self) -> tuple[BatchReport, ...]:
        """The batches that their providers have."""
        return tuple(batch for batch in self.batches if batch.batch_id is not None)

    @property
    def request_count(self) -> int:
        """The requests submitted, or in a dry run to be submitted."""
        return sum(batch.request_count for batch in self._counted)

    @property
    def estimated_cost_usd(self) -> float:
        """The estimated cost of those requests."""
        return sum(batch.estimated_cost_usd for batch in self._counted)

    @property
    def _counted(self) -> tuple[BatchReport, ...]:
        return self.batches if self.dry_run else self.submitted


def backfill(
    workspace: Workspace, order: BackfillOrder, *, stage: Stage = TAGGING, progress: Progress = SILENT
) -> BackfillReport:
    """Submit batches for all missing responses: one batch per model, more where a provider's limits require it.

    Raises:
        CostCapError: the estimate is above the cap; nothing was submitted.
        UnknownBatchesError: the providers have batches that may be this ledger's and are not in it.
    """
    for check in _CHECKS:
        check(workspace, stage)
    # An import may have been interrupted before this, and what waits for its palettes is paid for.
    join_imported(workspace)
    order, left_out = _without_held(workspace, order, stage)
    providers, failures = _open_providers(workspace, order)
    if not order.dry_run:
        failures |= check_listings(workspace, providers.keys(), ignore=order.ignore_unknown)
        providers = {route: provider for route, provider in providers.items() if route not in failures}
    # By the calls that checked the routes.
    clock_offsets = {route: provider.clock_offset() for route, provider in providers.items()}
    reservations, texts = _reserve(workspace, order, stage, providers, clock_offsets)
    if order.dry_run:
        return BackfillReport(tuple(map(BatchReport.of, reservations)), left_out, failures, dry_run=True)
    if reservations and order.new_ledger_notice and holds_only(workspace.warehouse, reservations):
        progress.note(order.new_ledger_notice)
    reports = submit_reservations(workspace, providers, reservations, texts, progress)
    for report in reports:
        if report.error is not None:
            failures.setdefault(report.route, report.error)
    failures |= make_direct_calls(workspace, progress=progress)
    return BackfillReport(tuple(reports), left_out, failures)


def _without_held(workspace: Workspace, order: BackfillOrder, stage: Stage) -> tuple[BackfillOrder, tuple[str, ...]]:
    """Return the order without models that nothing may be submitted to now, and why each is left out."""
    held = {each.name: each.left_out for each in paused_models(workspace.warehouse)}
    if not order.ignore_unknown:
        for name, batch_id in unread_batches(workspace.warehouse, stage.name).items():
            held.setdefault(
                name,
                f"{name} waits for the adopted batch {batch_id}: what it was asked is not known before its results are "
                "there (--ignore-unknown does not wait)",
            )
    left_out = tuple(held[model.name] for model in order.models if model.name in held)
    if not left_out:
        return order, ()
    return replace(order, models=tuple(model for model in order.models if model.name not in held)), left_out


def estimate(workspace: Workspace, order: BackfillOrder, stage: Stage) -> tuple[BatchReport, ...]:
    """Return the batches that an order would become. Sends nothing and needs no key."""
    formats = {route: request_format(route.provider, route.access) for route in _routes(order)}
    reservations, _ = _reserve(workspace, replace(order, dry_run=True), stage, formats, {})
    return tuple(map(BatchReport.of, reservations))


def _reserve(
    workspace: Workspace,
    order: BackfillOrder,
    stage: Stage,
    formats: Mapping[Route, RequestFormat],
    clock_offsets: Mapping[Route, dt.timedelta | None],
) -> tuple[list[Reservation], dict[str, bytes]]:
    """Reserve what is missing; the reservations, and the text about each palette by seed."""
    requested = [
        ProviderModels(
            route,
            format,
            workspace.providers.endpoint(route.provider),
            tuple(model for model in order.models if order.route(model) == route),
            clock_offsets.get(route),
        )
        for route, format in formats.items()
    ]
    models = [model for entry in requested for model in entry.models]
    subjects = missing_subjects(workspace.warehouse, stage, models, order)
    texts = {seed: json_text(text) for seed, text in stage.texts(subjects).items()}
    return reserve(workspace.warehouse, stage, requested, subjects, texts, order), texts


def _open_providers(workspace: Workspace, order: BackfillOrder) -> tuple[dict[Route, BatchProvider], dict[Route, str]]:
    """Open the routes of an order and check that they accept the key, before anything is reserved for them."""

    def open_checked(route: Route) -> BatchProvider | str:
        try:
            provider = workspace.providers.open(route)
            if not order.dry_run:
                provider.check()
        except GrabientError as error:
            return str(error)
        return provider

    routes = _routes(order)
    opened: dict[Route, BatchProvider] = {}
    failures: dict[Route, str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(routes))) as pool:
        for route, outcome in zip(routes, pool.map(open_checked, routes), strict=True):
            if isinstance(outcome, str):
                failures[route] = outcome
            else:
                opened[route] = outcome
    return opened, failures


def _routes(order: BackfillOrder) -> list[Route]:
    return list(dict.fromkeys(order.route(model) for model in order.models))
