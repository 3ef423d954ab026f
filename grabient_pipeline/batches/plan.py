"""What today's prompts make stale, and what it would cost to have it anew: before anything is paid."""

from __future__ import annotations

from dataclasses import dataclass

from grabient_pipeline.warehouse import Warehouse, sql


@dataclass(frozen=True, slots=True)
class ModelPlan:
    """A model that would be asked. Costs are US dollars.

    `answered`: usable answers to today's prompt. `stale`: those that only an older prompt has. `requests`: what is
    missing under today's prompt. `has_key`: whether its provider could be asked now.
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

    `refinements`: palettes that could be refined now, of which `stale_refinements` have been, by another prompt or from
    another consensus. `refining_model`: None if refinement is off.
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

    @property
    def requests(self) -> int:
        return sum(model.requests for model in self.models)

    @property
    def tagging_cost_usd(self) -> float:
        return sum(model.estimated_cost_usd for model in self.models)


def answers_by_model(warehouse: Warehouse, prompt_version: str) -> dict[tuple[str, str], tuple[int, int]]:
    """By provider and model: usable answers to this prompt, and places that only another prompt's answer fills."""
    with warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "plan_answers"), {"prompt_version": prompt_version}).fetchall()
    return {(provider, model): (today, stale) for provider, model, today, stale in rows}
