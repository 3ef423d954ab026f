"""Two processes that cannot both fit under the cap."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.ground import MODELS, PROVIDERS, Ground


def money() -> Iterator[Drill]:
    """Pairs of models, each of which fits alone."""
    for first, second in zip(PROVIDERS, (*PROVIDERS[1:], PROVIDERS[0]), strict=True):
        yield Drill(
            "two that cannot both fit under the cap",
            f"{first} and {second}",
            partial(_compete, pair=(first, second)),
            (first, second),
        )
    yield Drill("both stages under one cap", "a backfill while a refinement is under way", _both_stages, ("anthropic",))


def _compete(ground: Ground, pair: tuple[str, str]) -> None:
    asking = [("backfill", "--model", MODELS[name], "--analysis-count", ground.analyses) for name in pair]
    costs = [ground.facts(*each, "--dry-run")["estimated_cost_usd"] for each in asking]
    cap = max(costs) + min(costs) / 2
    running = [ground.start(*each, "--max-cost", f"{cap:.12f}") for each in asking]
    ended = [each.ended() for each in running]
    if sorted(each.status for each in ended) != [0, 1]:
        raise DrillFailed("; ".join(map(str, ended)))
    refused = next(each for each in ended if each.status == 1)
    if "above the cap" not in " ".join(refused.said.split()):
        raise DrillFailed(str(refused))
    outstanding = ground.facts("status")["outstanding_usd"]
    if not 0 < outstanding <= cap:
        raise DrillFailed(f"${outstanding} is under way, and the cap is ${cap}")
    if len(ground.batches_there()) != 1:
        raise DrillFailed(f"{len(ground.batches_there())} batches were made")


def _both_stages(ground: Ground) -> None:
    """What the one has under way counts against the cap of the other."""
    ground.must("backfill", "--model", MODELS["openai"], "--analysis-count", 1)
    ground.end_batches()
    ground.must("poll")
    ground.arm("slow_batch")
    refining = ("refine", "--model", "anthropic/claude-opus-4-5-20251101")
    backfill = ground.asking
    refinement = ground.facts(*refining, "--dry-run")["estimated_cost_usd"]
    tagging = ground.facts(*backfill, "--dry-run")["estimated_cost_usd"]
    ground.must(*refining)
    refused = ground.run(*backfill, "--max-cost", f"{refinement + tagging / 2:.12f}")
    if refused.status != 1 or "is under way" not in " ".join(refused.said.split()):
        raise DrillFailed(f"a backfill above the cap was not refused: {refused}")
    ground.must(*backfill, "--max-cost", f"{refinement + tagging * 1.01:.12f}")
