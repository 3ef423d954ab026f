"""Half a batch: what was finished is kept, what was not is asked again, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.ground import PROVIDERS, Ground


def partial_results() -> Iterator[Drill]:
    """Every way in which a batch ends before its time, in both stages."""
    drills = {
        "expired, half of it done": _expire,
        "cancelled by us, half of it done": _cancel,
        "cancelled by us, the answer lost": partial(_cancel, fault="cancel_then_500"),
        "cancelled by us, just too late": partial(_cancel, fault="cancel_too_late"),
        "cancelled at the provider": _cancelled_there,
        "failed as a whole": _fail,
        "some of its requests failed": _fail_some,
    }
    for name, run in drills.items():
        # Anthropic's batches do not fail as a whole.
        providers = PROVIDERS[1:] if run is _fail else PROVIDERS
        yield Drill(f"partial result: {name}", f"{name}, all providers", run, providers, analyses=4)
        for provider in providers:
            yield Drill(f"partial result: {name}", f"{name}, {provider}, refinement", run, (provider,), "refinement")


def _kept(ground: Ground) -> int:
    return ground.facts("status")["requests"].get("succeeded", 0)


def _exactly_the_rest(ground: Ground) -> None:
    """What the next asking asks for is what has no answer yet."""
    status = ground.facts("status")
    missing = sum(count for state, count in status["requests"].items() if state in ("released", "failed"))
    asked = ground.facts(*ground.asking)["requests"]
    if asked != missing:
        raise DrillFailed(f"{missing} requests had no answer, and {asked} were asked again")


def _expire(ground: Ground) -> None:
    ground.arm("expire", share=0.5)
    ground.must(*ground.asking)
    ground.disarm()
    ground.end_batches()
    ground.run("poll")
    _only_first_stage_counts(ground)


def _cancel(ground: Ground, fault: str = "") -> None:
    ground.arm("slow_batch")
    ground.arm("cancel_keeps", share=0.5)
    if fault:
        ground.arm(fault)
    ground.must(*ground.asking)
    ground.run("cancel", "--all")
    ground.end_batches()
    ground.run("poll")
    ground.disarm()
    _only_first_stage_counts(ground)


def _cancelled_there(ground: Ground) -> None:
    ground.arm("slow_batch")
    ground.arm("cancel_keeps", share=0.5)
    ground.must(*ground.asking)
    ground.cancel_at_the_provider()
    ground.end_batches()
    ground.disarm()
    ground.run("poll")
    _only_first_stage_counts(ground)


def _fail(ground: Ground) -> None:
    ground.arm("fail_batch")
    ground.must(*ground.asking)
    ground.disarm()
    ground.end_batches()
    ground.run("poll")
    _only_first_stage_counts(ground)


def _fail_some(ground: Ground) -> None:
    ground.arm("fail_rows", share=0.5)
    ground.must(*ground.asking)
    ground.disarm()
    ground.end_batches()
    ground.run("poll")
    _only_first_stage_counts(ground)


def _only_first_stage_counts(ground: Ground) -> None:
    # A poll that collects refinements sends the rest of them by itself.
    if ground.stage == "tagging":
        _exactly_the_rest(ground)
