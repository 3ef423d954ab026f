"""Concurrent processes under one cost cap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import MODELS, PROVIDERS, DrillEnvironment


def money_drills() -> Iterator[Drill]:
    """Yield drills in which each process fits under the cap alone, but not together with the other."""
    for first, second in zip(PROVIDERS, (*PROVIDERS[1:], PROVIDERS[0]), strict=True):
        yield Drill(
            "two backfills that exceed the cap together",
            f"{first} and {second}",
            partial(_run_competing_backfills, pair=(first, second)),
            (first, second),
        )
    yield Drill(
        "both stages under one cap", "a backfill during a pending refinement", _submit_both_stages, ("anthropic",)
    )


def _run_competing_backfills(environment: DrillEnvironment, pair: tuple[str, str]) -> None:
    backfills = [("backfill", "--model", MODELS[name], "--analysis-count", environment.analyses) for name in pair]
    costs = [environment.run_json(*backfill, "--dry-run")["estimated_cost_usd"] for backfill in backfills]
    cap = max(costs) + min(costs) / 2
    running = [environment.start(*backfill, "--max-cost", f"{cap:.12f}") for backfill in backfills]
    completed = [command.wait() for command in running]
    if sorted(command.status for command in completed) != [0, 1]:
        raise DrillFailed("; ".join(map(str, completed)))
    refused = next(command for command in completed if command.status == 1)
    if "above the cap" not in refused.unwrapped_output:
        raise DrillFailed(str(refused))
    outstanding = environment.run_json("status")["outstanding_usd"]
    if not 0 < outstanding <= cap:
        raise DrillFailed(f"${outstanding} is outstanding under a cap of ${cap}")
    batches = len(environment.provider_batches())
    if batches != 1:
        raise DrillFailed(f"{batches} batches were created instead of 1")


def _submit_both_stages(environment: DrillEnvironment) -> None:
    """Check that the outstanding cost of one stage counts against the cap of the other."""
    environment.run_checked("backfill", "--model", MODELS["openai"], "--analysis-count", 1)
    environment.end_batches()
    environment.run_checked("poll")
    environment.arm_fault("slow_batch")
    refine = ("refine", "--model", "anthropic/claude-opus-4-5-20251101")
    backfill = environment.submit_command
    refinement_cost = environment.run_json(*refine, "--dry-run")["estimated_cost_usd"]
    tagging_cost = environment.run_json(*backfill, "--dry-run")["estimated_cost_usd"]
    environment.run_checked(*refine)
    refused = environment.run(*backfill, "--max-cost", f"{refinement_cost + tagging_cost / 2:.12f}")
    if refused.status != 1 or "is outstanding" not in refused.unwrapped_output:
        raise DrillFailed(f"a backfill above the cap was not refused: {refused}")
    environment.run_checked(*backfill, "--max-cost", f"{refinement_cost + tagging_cost * 1.01:.12f}")
