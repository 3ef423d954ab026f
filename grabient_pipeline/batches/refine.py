"""A refinement: submit what is ready for the second stage, and say what is stale."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from grabient_pipeline.batches.backfill import BackfillReport, backfill
from grabient_pipeline.batches.missing import Wanted, count_unsettled, last_palette
from grabient_pipeline.batches.orders import BackfillOrder, RefinementRequest, as_estimate, resolve_refinement
from grabient_pipeline.batches.stages import REFINEMENT, Stage, refining_now, refreshing_stale
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import CostCapError, UnknownBatchesError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse.spending_pause import spending_pause


@dataclass(frozen=True)
class RefinementReport:
    """What a refinement submitted, and what stays stale until a person requests it: palettes, and US dollars.

    `unsettled_palettes`: those submitted before their time, which will be stale once the outstanding answers arrive.
    `held_back`: why nothing, or not everything, was submitted; one line each.
    """

    batches: BackfillReport = field(default_factory=BackfillReport)
    stale_palettes: int = 0
    stale_cost_usd: float = 0.0
    unsettled_palettes: int = 0
    held_back: tuple[str, ...] = ()


def refine(
    workspace: Workspace, request: RefinementRequest, settings: Settings, *, progress: Progress = SILENT
) -> RefinementReport:
    """Submit the refinement of the palettes that are ready for it.

    Raises:
        CostCapError: the estimate is above the cap; nothing was submitted.
        UnknownBatchesError: the provider has batches that may be this ledger's and are not in it.
    """
    resolved = resolve_refinement(request, settings, workspace.providers.keys)
    if resolved is None:
        return RefinementReport(held_back=("refinement is off (GRABIENT_REFINEMENT_MODEL is none)",))
    stage = refreshing_stale(REFINEMENT) if request.stale else REFINEMENT
    unsettled = 0
    if request.now:
        stage = refining_now(stage)
        # Before the palettes are reserved.
        unsettled = _count_unsettled(workspace, stage, resolved.order)
    report = backfill(workspace, resolved.order, stage=stage, progress=progress)
    report = replace(report, left_out=(*resolved.left_out, *report.left_out))
    # Nothing may have been submitted after all.
    unsettled = min(unsettled, report.request_count)
    if request.stale or request.anew:
        return RefinementReport(report, unsettled_palettes=unsettled, held_back=report.left_out)
    only_stale = refreshing_stale(REFINEMENT, only_stale=True)
    stale = backfill(workspace, as_estimate(resolved.order), stage=only_stale)
    return RefinementReport(report, stale.request_count, stale.estimated_cost_usd, unsettled, report.left_out)


def refine_within_cap(
    workspace: Workspace, request: RefinementRequest, settings: Settings, *, progress: Progress = SILENT
) -> RefinementReport:
    """Do what `refine` does without a person: during a pause, and where it would be refused, submit nothing.

    The report says why.
    """
    if (pause := spending_pause(workspace.warehouse)) is not None:
        return RefinementReport(held_back=(pause.line,))
    try:
        return refine(workspace, request, settings, progress=progress)
    except (CostCapError, UnknownBatchesError) as error:
        return RefinementReport(held_back=(str(error),))


def _count_unsettled(workspace: Workspace, stage: Stage, order: BackfillOrder) -> int:
    with workspace.warehouse.connect() as connection:
        last = last_palette(connection)
        if last is None:
            return 0
        return sum(
            count_unsettled(connection, Wanted(stage, model, order.analysis_count, last), order.limit)
            for model in order.models
        )
