"""What today's prompts make stale, and what requesting it again would cost. Sends nothing and needs no key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from grabient_pipeline.batches.backfill import estimate
from grabient_pipeline.batches.orders import (
    BackfillOrder,
    BackfillRequest,
    RefinementRequest,
    ResolvedOrder,
    resolve_backfill,
    resolve_refinement,
)
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING, asking_again, refreshing_stale
from grabient_pipeline.batches.submit import BatchReport
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.settings import Settings
from grabient_pipeline.warehouse import Warehouse, sql


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """What a backfill would request of a model. The cost is in US dollars.

    `answered`: usable responses to today's prompt. `stale`: those that only an older prompt has. `requests`: what is
    missing under today's prompt. `has_key`: whether its provider has a key now.
    """

    provider: str
    model: str
    answered: int
    stale: int
    requests: int
    estimated_cost_usd: float
    has_key: bool


@dataclass(frozen=True)
class Plan:
    """What a backfill and a refinement under today's prompts would be. Costs are US dollars.

    `missing_requests`, `missing_cost_usd`: what a backfill requests by default, without what retired models or older
    prompts have answered. `refinements`: palettes that could be refined now, of which `stale_refinements` were refined
    by another prompt or from another consensus. `refining_model`: None if refinement is off.
    """

    tagging_prompt: str
    refinement_prompt: str
    analysis_count: int
    models: tuple[ModelPlan, ...]
    left_out: tuple[str, ...]
    refining_model: str | None
    refinements: int
    stale_refinements: int
    refinement_cost_usd: float
    missing_requests: int
    missing_cost_usd: float

    @property
    def requests(self) -> int:
        """All tagging requests that are missing under today's prompt."""
        return sum(model.requests for model in self.models)

    @property
    def tagging_cost_usd(self) -> float:
        """Their estimated cost."""
        return sum(model.estimated_cost_usd for model in self.models)


def plan(
    workspace: Workspace,
    settings: Settings,
    analysis_count: int,
    include_retired: bool | None = None,
    panel: Sequence[str] | None = None,
) -> Plan:
    """Estimate a backfill and a refinement of everything under today's prompts, with every provider of the catalogue.

    Args:
        panel: the models of the panel that a person chose; None is the default panel.
    """
    everywhere = frozenset(load_catalogue().providers)
    tagging = resolve_backfill(
        BackfillRequest(include_retired=include_retired, anew=True), settings, everywhere, analysis_count, panel
    )
    refinement = resolve_refinement(RefinementRequest(include_retired=include_retired), settings, everywhere)
    refinements = _estimate_refinements(workspace, refinement, only_stale=False)
    missing = estimate(workspace, replace(tagging.order, anew=False), TAGGING)
    return Plan(
        tagging_prompt=TAGGING.prompt.version,
        refinement_prompt=REFINEMENT.prompt.version,
        analysis_count=analysis_count,
        models=_plan_models(workspace, tagging.order),
        left_out=tagging.left_out,
        refining_model=None if refinement is None else next((each.name for each in refinement.order.models), None),
        refinements=sum(batch.request_count for batch in refinements),
        stale_refinements=sum(
            batch.request_count for batch in _estimate_refinements(workspace, refinement, only_stale=True)
        ),
        refinement_cost_usd=sum(batch.estimated_cost_usd for batch in refinements),
        missing_requests=sum(batch.request_count for batch in missing),
        missing_cost_usd=sum(batch.estimated_cost_usd for batch in missing),
    )


def _plan_models(workspace: Workspace, order: BackfillOrder) -> tuple[ModelPlan, ...]:
    batches = estimate(workspace, order, asking_again(TAGGING))
    answers = _answers_by_model(workspace.warehouse, TAGGING.prompt.version)
    return tuple(
        ModelPlan(
            model.provider,
            model.id,
            *answers.get((model.provider, model.id), (0, 0)),
            requests=sum(batch.request_count for batch in batches if batch.model == model),
            estimated_cost_usd=sum(batch.estimated_cost_usd for batch in batches if batch.model == model),
            has_key=workspace.providers.has_key(model.provider),
        )
        for model in order.models
    )


def _estimate_refinements(
    workspace: Workspace, resolved: ResolvedOrder | None, *, only_stale: bool
) -> tuple[BatchReport, ...]:
    if resolved is None:
        return ()
    return estimate(workspace, resolved.order, refreshing_stale(REFINEMENT, only_stale=only_stale))


def _answers_by_model(warehouse: Warehouse, prompt_version: str) -> dict[tuple[str, str], tuple[int, int]]:
    """By provider and model: usable responses to this prompt, and places that only another prompt's response fills."""
    with warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "plan_answers"), {"prompt_version": prompt_version}).fetchall()
    return {(provider, model): (current, stale) for provider, model, current, stale in rows}
