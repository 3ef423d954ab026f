"""Sending on: send the next pieces of open orders, as far as the queues of their models have room.

All routes are sent at once, one batch at a time on each; the oldest order comes first. A provider that fails stops no
other. No lock of the database is held while something is sent.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from grabient_pipeline.batches.adoption import check_listings
from grabient_pipeline.batches.cancel import CancelledBatch
from grabient_pipeline.batches.deadlines import cancel_late
from grabient_pipeline.batches.direct_calls import make_direct_calls
from grabient_pipeline.batches.order_ledger import COMPLETE, close_parts
from grabient_pipeline.batches.order_progress import PartProgress, View, model_of, read_progress, stage_of
from grabient_pipeline.batches.reservation import Demand, Destination, NoPiece, reserve_piece
from grabient_pipeline.batches.submit import BatchReport, submit
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError, UnknownBatchesError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, Route
from grabient_pipeline.warehouse import transaction


@dataclass(frozen=True)
class SendReport:
    """What was sent on, and what became of it.

    `failures`: why a route could not be used. `refused`: of these, those that need a person. `held_back`: why nothing
    was sent at all. `orders`: the progress of the orders that are still open. `late`: the late batches that were
    cancelled, or could not be.
    """

    batches: tuple[BatchReport, ...] = ()
    failures: Mapping[Route, str] = field(default_factory=dict[Route, str])
    refused: frozenset[Route] = frozenset()
    held_back: tuple[str, ...] = ()
    orders: tuple[PartProgress, ...] = ()
    late: tuple[CancelledBatch, ...] = ()

    @property
    def submitted(self) -> tuple[BatchReport, ...]:
        """The batches that their providers have."""
        return tuple(batch for batch in self.batches if batch.batch_id is not None)

    @property
    def request_count(self) -> int:
        """The requests submitted."""
        return sum(batch.request_count for batch in self.submitted)


def close_finished(workspace: Workspace) -> list[PartProgress]:
    """Close the parts of orders that are complete, or of which nothing can ever be sent again; return the others."""
    with workspace.warehouse.connect() as connection, transaction(connection):
        progress = read_progress(connection, workspace)
        for each in progress:
            if each.is_finished:
                close_parts(connection, [each.part], each.ended or COMPLETE)
    return [each for each in progress if not each.is_finished]


@dataclass(frozen=True)
class Opened:
    """Routes that are open and checked, and why others cannot be used.

    `refused`: of the others, those that nothing can be sent by until a person has seen to a key or a setting.
    """

    providers: Mapping[Route, BatchProvider]
    failures: Mapping[Route, str]
    refused: frozenset[Route] = frozenset()

    def without(self, failures: Mapping[Route, str]) -> Opened:
        """Return it without the routes that have failed since."""
        left = {route: provider for route, provider in self.providers.items() if route not in failures}
        return replace(self, providers=left, failures={**self.failures, **failures})


def send_on(workspace: Workspace, *, progress: Progress = SILENT) -> SendReport:
    """Send what there is room for, without a person: nothing while paid steps are paused, or batches are unknown.

    Batches that are later than their orders allow are cancelled first.
    """
    late = tuple(cancel_late(workspace))
    orders = close_finished(workspace)
    routes = {route for each in orders for route in each.sendable}
    if not routes:
        return SendReport(orders=tuple(orders), late=late)
    opened = open_providers(workspace, routes)
    try:
        opened = opened.without(check_listings(workspace, opened.providers.keys()))
    except UnknownBatchesError as error:
        return SendReport((), opened.failures, opened.refused, (str(error),), tuple(orders), late)
    return replace(send_pieces(workspace, opened, orders, progress=progress), late=late)


def send_pieces(
    workspace: Workspace,
    opened: Opened,
    orders: Iterable[PartProgress],
    view: View = View(),  # noqa: B008  # frozen
    *,
    progress: Progress = SILENT,
) -> SendReport:
    """Send the next pieces of these parts by the routes that can be used.

    Args:
        orders: read with the same view.
    """
    parts = [each for each in orders if each.is_sendable]
    sending = _Sending(workspace, opened.providers, progress, sum(each.counts.waiting for each in parts))
    sending.run(_demands(workspace, parts, opened.providers, view))
    failures = {**sending.failures, **opened.failures, **make_direct_calls(workspace, progress=progress)}
    with workspace.warehouse.connect() as connection:
        left = tuple(read_progress(connection, workspace, view))
    return SendReport(tuple(sending.reports), failures, opened.refused, orders=left)


def open_providers(workspace: Workspace, routes: Iterable[Route], *, check: bool = True) -> Opened:
    """Open routes and check that they accept the key."""

    def open_checked(route: Route) -> BatchProvider | GrabientError:
        try:
            provider = workspace.providers.open(route)
            if check:
                provider.check()
        except GrabientError as error:
            return error
        return provider

    chosen = list(dict.fromkeys(routes))
    providers: dict[Route, BatchProvider] = {}
    errors: dict[Route, GrabientError] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        for route, outcome in zip(chosen, pool.map(open_checked, chosen), strict=True):
            if isinstance(outcome, GrabientError):
                errors[route] = outcome
            else:
                providers[route] = outcome
    refused = frozenset(route for route, error in errors.items() if error.needs_person)
    return Opened(providers, {route: str(error) for route, error in errors.items()}, refused)


def _demands(
    workspace: Workspace,
    parts: Sequence[PartProgress],
    providers: Mapping[Route, BatchProvider],
    view: View,
) -> list[Demand]:
    # By the calls that checked the routes.
    destinations = {
        route: Destination(route, provider, workspace.providers.endpoint(route.provider), provider.clock_offset())
        for route, provider in providers.items()
    }
    demands: list[Demand] = []
    for each in parts:
        model, stage = model_of(each.part), stage_of(each.part, view.stages)
        if model is None or stage is None:
            continue
        for route, late in each.sendable.items():
            if (destination := destinations.get(route)) is not None:
                demands.append(Demand(each.part, model, stage, destination, late, view.is_explicit))
    return demands


@dataclass
class _Sending:
    """One pass over what can be sent; the threads of several routes report into it."""

    workspace: Workspace
    providers: Mapping[Route, BatchProvider]
    progress: Progress
    total: int
    reports: list[BatchReport] = field(default_factory=list[BatchReport])
    failures: dict[Route, str] = field(default_factory=dict[Route, str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, demands: Sequence[Demand]) -> None:
        by_route: dict[Route, list[Demand]] = {}
        for demand in demands:
            by_route.setdefault(demand.destination.route, []).append(demand)
        with ThreadPoolExecutor(max_workers=max(1, len(by_route))) as pool:
            try:
                for future in [pool.submit(self._send_route, route, theirs) for route, theirs in by_route.items()]:
                    future.result()
            except BaseException:
                # What is reserved and not sent is released; what is being sent comes to its end.
                self.stopped.set()
                raise

    def _send_route(self, route: Route, demands: Sequence[Demand]) -> None:
        for demand in demands:
            self._send_part(route, demand)

    def _send_part(self, route: Route, demand: Demand) -> None:
        """Send pieces of one part until there is no room or nothing missing, or one is not accepted."""
        while not self.stopped.is_set():
            piece = reserve_piece(self.workspace, demand)
            if isinstance(piece, NoPiece):
                return
            report = submit(self.workspace, self.providers[route], piece, self.stopped.is_set)
            if report is None:
                # Another process has looked for it and released it, or sending was stopped: the next pass goes on.
                return
            self.reports.append(report)
            self.progress.advance("submitting", report.request_count, self.total)
            if report.error is not None:
                if report.refusal is None or not report.refusal.is_full_queue:
                    self.failures.setdefault(route, report.error)
                return
