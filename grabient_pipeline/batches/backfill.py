"""A backfill: find what is missing, record it as an order, and send the pieces that there is room for.

What there is no room for waits, and is sent on later. A provider that fails stops no other: its part is reported with
the reason, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from grabient_pipeline.batches.adoption import check_listings, unread_batches
from grabient_pipeline.batches.deadlines import late_cost, note_deadline
from grabient_pipeline.batches.ending_models import ending_lines, ends_of
from grabient_pipeline.batches.join_imported import join_imported
from grabient_pipeline.batches.order_estimate import plan_parts
from grabient_pipeline.batches.order_ledger import OrderPart, PlannedPart, insert_order
from grabient_pipeline.batches.order_progress import PartProgress, View, open_order_cost, read_progress
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.pauses import read_paused_models
from grabient_pipeline.batches.prompt_versions import register_prompt
from grabient_pipeline.batches.send_on import open_providers, send_pieces
from grabient_pipeline.batches.stages import TAGGING, Stage, asking_again, stages_with
from grabient_pipeline.batches.submit import BatchReport
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import CostCapError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import Route
from grabient_pipeline.warehouse import sql, transaction
from grabient_pipeline.warehouse.spending_pause import spending_pause

# Runs before anything is ordered, and raises a `GrabientError` if a backfill of this stage would be wrong now.
BackfillCheck = Callable[[Workspace, Stage], None]

_CHECKS: list[BackfillCheck] = []


def register_backfill_check(check: BackfillCheck) -> None:
    """Run `check` before every backfill."""
    if check not in _CHECKS:
        _CHECKS.append(check)


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill submitted, or in a dry run would submit.

    `answered_elsewhere`, `answered_elsewhere_usd`: the requests that are not made because retired models in the same
    place or older prompts have answered, and what they would cost; counted in a dry run, and if nothing is missing.
    `order`: the number of the order that it made; None if nothing was missing that is not ordered already.
    `planned_requests`, `planned_cost_usd`: of that order. `left_out`: models left out, one line each. `failures`: why a
    route could not be used. `orders`: the progress of the open orders of its models. `late_cost_usd`: what all requests
    of that order would cost as ordinary calls, if those of late batches become such. `ending`: models that may end
    before their batches do, one line each. Costs are US dollars.
    """

    batches: tuple[BatchReport, ...] = ()
    left_out: tuple[str, ...] = ()
    failures: Mapping[Route, str] = field(default_factory=dict[Route, str])
    dry_run: bool = False
    order: int | None = None
    planned_requests: int = 0
    planned_cost_usd: float = 0.0
    orders: tuple[PartProgress, ...] = ()
    late_cost_usd: float | None = None
    answered_elsewhere: int = 0
    answered_elsewhere_usd: float = 0.0
    ending: tuple[str, ...] = ()

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
    def waiting(self) -> int:
        """The requests of its models that are ordered and not sent yet."""
        return sum(each.counts.waiting for each in self.orders)

    @property
    def _counted(self) -> tuple[BatchReport, ...]:
        return self.batches if self.dry_run else self.submitted


def backfill(
    workspace: Workspace, order: BackfillOrder, *, stage: Stage = TAGGING, progress: Progress = SILENT
) -> BackfillReport:
    """Order all missing responses, and submit what there is room for.

    Raises:
        CostCapError: the estimate, with that of the other open orders, is above the cap; nothing was ordered.
        UnknownBatchesError: the providers have batches that may be this ledger's and are not in it.
    """
    for check in _CHECKS:
        check(workspace, stage)
    if order.anew:
        stage = asking_again(stage)
    # An import may have been interrupted before this, and what waits for its palettes is paid for.
    join_imported(workspace)
    order, left_out = _without_held(workspace, order, stage)
    opened = open_providers(workspace, _routes(order), check=not order.dry_run)
    order = replace(order, models=tuple(model for model in order.models if order.route(model) not in opened.refused))
    if order.dry_run:
        planned = _plan(workspace, order, stage)
        note_deadline(order, planned, progress)
        requests, cost_usd = _answered_elsewhere(workspace, order, stage, planned)
        return BackfillReport(
            _as_batches(planned, stage),
            left_out,
            opened.failures,
            dry_run=True,
            late_cost_usd=late_cost(planned),
            answered_elsewhere=requests,
            answered_elsewhere_usd=cost_usd,
            ending=_note_all(_planned_ending(workspace, order, stage, planned), progress),
        )
    not_listed = check_listings(workspace, opened.providers.keys(), ignore=order.ignore_unknown)
    number, planned = make_order(workspace, order, stage, progress)
    crash_point("order.made")
    names = {model.name for model in order.models}
    is_paused = spending_pause(workspace.warehouse) is not None

    def is_asked_for(part: OrderPart) -> bool:
        """Whether a person asks for the part right now: after a restore, earlier orders wait for `grabient resume`."""
        return _asks_same(part, stage, names) and (part.number == number or not is_paused)

    view = View(stages_with(stage), is_explicit=True, ignore_unread=order.ignore_unknown)
    with workspace.warehouse.connect() as connection:
        asked_for = [each for each in read_progress(connection, workspace, view) if is_asked_for(each.part)]
        ending = _note_all(ending_lines(connection, order, stage, asked_for), progress)
    # What a person may wonder about: why nothing is missing. Requests that wait in open orders are no answer to it.
    requests, cost_usd = (
        (0, 0.0) if planned else _answered_elsewhere(workspace, order, stage, _plan(workspace, order, stage))
    )
    sent = send_pieces(workspace, opened.without(not_listed), asked_for, view, progress=progress)
    return BackfillReport(
        sent.batches,
        left_out,
        sent.failures,
        order=number,
        planned_requests=sum(part.requests for part in planned),
        planned_cost_usd=sum(part.cost_usd for part in planned),
        orders=tuple(each for each in sent.orders if _asks_same(each.part, stage, names)),
        late_cost_usd=late_cost(planned),
        answered_elsewhere=requests,
        answered_elsewhere_usd=cost_usd,
        ending=ending,
    )


def _note_all(lines: tuple[str, ...], progress: Progress) -> tuple[str, ...]:
    for line in lines:
        progress.note(line)
    return lines


def _planned_ending(
    workspace: Workspace, order: BackfillOrder, stage: Stage, planned: Sequence[PlannedPart]
) -> tuple[str, ...]:
    """Say which models may end before what is planned, or waits in open orders, is answered."""
    if not ends_of(order):
        return ()
    with workspace.warehouse.connect() as connection:
        open_orders = read_progress(connection, workspace, View(stages_with(stage)))
        return ending_lines(connection, order, stage, open_orders, [part.model.name for part in planned])


def estimate(workspace: Workspace, order: BackfillOrder, stage: Stage) -> tuple[BatchReport, ...]:
    """Return the batches that an order would become. Sends nothing and needs no key."""
    return _as_batches(_plan(workspace, order, stage), stage)


def _plan(workspace: Workspace, order: BackfillOrder, stage: Stage) -> list[PlannedPart]:
    # Open orders apart: a backfill sends on what they ask of its models as well.
    with workspace.warehouse.connect() as connection:
        return plan_parts(connection, workspace, order, stage)


def _answered_elsewhere(
    workspace: Workspace, order: BackfillOrder, stage: Stage, planned: Sequence[PlannedPart]
) -> tuple[int, float]:
    """Return how many requests would be made beside the planned ones if everything was asked again, and their cost.

    Args:
        planned: as by `_plan`, so without regard to open orders.
    """
    if order.anew or stage.refines:
        return 0, 0.0
    everything = _plan(workspace, replace(order, anew=True), asking_again(stage))
    requests = sum(part.requests for part in everything) - sum(part.requests for part in planned)
    return requests, sum(part.cost_usd for part in everything) - sum(part.cost_usd for part in planned)


def _as_batches(planned: Sequence[PlannedPart], stage: Stage) -> tuple[BatchReport, ...]:
    return tuple(
        BatchReport("", part.model, requests, cost_usd, part.route, stage.name)
        for part in planned
        for requests, cost_usd in part.batch_sizes()
    )


def _without_held(workspace: Workspace, order: BackfillOrder, stage: Stage) -> tuple[BackfillOrder, tuple[str, ...]]:
    """Return the order without models that nothing may be submitted to now, and why each is left out."""
    with workspace.warehouse.connect() as connection:
        held = {} if order.ignore_unknown else unread_batches(connection, stage.name)
        held |= {each.name: each.left_out for each in read_paused_models(connection)}
    left_out = tuple(held[model.name] for model in order.models if model.name in held)
    return replace(order, models=tuple(model for model in order.models if model.name not in held)), left_out


def make_order(
    workspace: Workspace, order: BackfillOrder, stage: Stage, progress: Progress = SILENT
) -> tuple[int | None, list[PlannedPart]]:
    """Record what is missing and not ordered yet as an order; its number and parts, None and none if there is nothing.

    In one transaction, so that no two orders can both fit under the cap.

    Raises:
        CostCapError: the estimate, with that of the other open orders, is above the cap; nothing was ordered.
    """
    with workspace.warehouse.connect() as connection, transaction(connection):
        open_orders = read_progress(connection, workspace, View(stages_with(stage)))
        planned = plan_parts(connection, workspace, order, stage, _covering(open_orders))
        _check_cap(connection, order, stage, planned, open_orders)
        note_deadline(order, planned, progress)
        if not planned:
            return None, []
        # Its answers are told from those to other prompts by what is recorded here.
        register_prompt(connection, stage.prompt)
        ((batches,),) = connection.execute("SELECT count(*) FROM tag_batches").fetchall()
        if not batches and order.new_ledger_notice:
            progress.note(order.new_ledger_notice)
        return insert_order(connection, _columns(order, stage), planned), planned


def _columns(order: BackfillOrder, stage: Stage) -> dict[str, object]:
    """Return what an order is pinned to, as columns of `orders`."""
    return {
        "stage": stage.name,
        "analysis_count": order.analysis_count,
        "prompt_version": stage.prompt.version,
        "max_cost_usd": order.max_cost_usd,
        "include_retired": order.include_retired,
        "refresh_stale": stage.refresh_stale,
        "refine_now": stage.refines_now,
        "ask_again": stage.ask_again,
        "deadline_hours": order.deadline_hours,
        "when_late": order.when_late,
    }


def _covering(open_orders: Sequence[PartProgress]) -> list[OrderPart]:
    """Return the open parts whose requests need not be ordered again: they will be sent, unless a cap is reached."""
    return [each.part for each in open_orders if each.ended is None and not each.is_capped]


def _check_cap(
    connection: duckdb.DuckDBPyConnection,
    order: BackfillOrder,
    stage: Stage,
    planned: Sequence[PlannedPart],
    open_orders: Sequence[PartProgress],
) -> None:
    """Raise `CostCapError` if what is planned, and what open orders spend, is above the cap of the order."""
    names = {model.name for model in order.models}
    waiting = [each for each in open_orders if _asks_same(each.part, stage, names)]
    requests = sum(part.requests for part in planned) + sum(each.counts.waiting for each in waiting)
    if not requests:
        return
    planned_usd = sum(part.cost_usd for part in planned)
    ((outstanding,),) = connection.execute(sql(__package__, "outstanding_cost")).fetchall()
    others = outstanding + sum(
        open_order_cost([each for each in open_orders if each.part.number == number])
        for number in {each.part.number for each in open_orders}
    )
    if planned_usd + others > order.max_cost_usd:
        raise CostCapError(
            f"{requests:,} requests are estimated to cost ${planned_usd:.2f}"
            + (f", and ${others:.2f} is outstanding or spent in open orders" if others >= 0.005 else "")
            + f"; that is above the cap of ${order.max_cost_usd:.2f}. Nothing was submitted. Request less "
            "(--limit, --analysis-count, --model) or raise the cap (--max-cost, GRABIENT_MAX_COST_USD)"
        )


def _asks_same(part: OrderPart, stage: Stage, names: Collection[str]) -> bool:
    """Whether a part of an order asks one of these models the same as the stage: with its prompt."""
    return (part.stage, part.prompt_version) == stage.key and part.name in names


def _routes(order: BackfillOrder) -> list[Route]:
    return list(dict.fromkeys(order.route(model) for model in order.models))
