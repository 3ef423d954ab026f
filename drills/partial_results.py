"""Batches that end early: finished results are kept, and exactly the missing requests are submitted again."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import PROVIDERS, DrillEnvironment
from grabient_pipeline.sandbox.discovery import FAULTS


def partial_result_drills() -> Iterator[Drill]:
    """Yield a drill for every way in which a batch ends early, in both stages."""
    drills = {
        "expired, half finished": _expire,
        "cancelled by grabient, half finished": _cancel,
        "cancelled by grabient, response lost": partial(_cancel, fault="cancel_then_500"),
        "cancelled by grabient, too late": partial(_cancel, fault="cancel_too_late"),
        "cancelled at the provider": _cancel_at_provider,
        "failed entirely": _fail_batch,
        "some requests failed": _fail_rows,
    }
    for name, run in drills.items():
        # Not every provider has batches that fail as a whole.
        providers = FAULTS["fail_batch"].providers if run is _fail_batch else PROVIDERS
        yield Drill(f"partial result: {name}", f"{name}, all providers", run, providers, analyses=4)
        for provider in providers:
            yield Drill(f"partial result: {name}", f"{name}, {provider}, refinement", run, (provider,), "refinement")


def _expire(environment: DrillEnvironment) -> None:
    environment.arm_fault("expire", share=0.5)
    environment.run_checked(*environment.submit_command)
    environment.disarm_faults()
    environment.end_batches()
    environment.run("poll")
    _assert_only_missing_resubmitted(environment)


def _cancel(environment: DrillEnvironment, fault: str = "") -> None:
    environment.arm_fault("slow_batch")
    environment.arm_fault("cancel_keeps", share=0.5)
    if fault:
        environment.arm_fault(fault)
    environment.run_checked(*environment.submit_command)
    environment.run("cancel", "--all")
    environment.end_batches()
    environment.run("poll")
    environment.disarm_faults()
    _assert_only_missing_resubmitted(environment)


def _cancel_at_provider(environment: DrillEnvironment) -> None:
    environment.arm_fault("slow_batch")
    environment.arm_fault("cancel_keeps", share=0.5)
    environment.run_checked(*environment.submit_command)
    environment.cancel_at_provider()
    environment.end_batches()
    environment.disarm_faults()
    environment.run("poll")
    _assert_only_missing_resubmitted(environment)


def _fail_batch(environment: DrillEnvironment) -> None:
    environment.arm_fault("fail_batch")
    environment.run_checked(*environment.submit_command)
    environment.disarm_faults()
    environment.end_batches()
    environment.run("poll")
    _assert_only_missing_resubmitted(environment)


def _fail_rows(environment: DrillEnvironment) -> None:
    environment.arm_fault("fail_rows", share=0.5)
    environment.run_checked(*environment.submit_command)
    environment.disarm_faults()
    environment.end_batches()
    environment.run("poll")
    _assert_only_missing_resubmitted(environment)


def _assert_only_missing_resubmitted(environment: DrillEnvironment) -> None:
    # In the refinement stage the poll itself submits the remaining requests.
    if environment.stage != "tagging":
        return
    states = environment.run_json("status")["requests"]
    missing = sum(count for state, count in states.items() if state in ("released", "failed"))
    submitted = environment.run_json(*environment.submit_command)["requests"]
    if submitted != missing:
        raise DrillFailed(f"{missing} requests had no response, but {submitted} were submitted again")
