"""Batch creations whose response never arrives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import MODELS, PROVIDERS, DrillEnvironment
from grabient_pipeline.sandbox.discovery import FAULTS

CREATION_DELAY_SECONDS = 1.0
_LISTING_LAG_SECONDS = 3.0

# Further faults while a lost batch is being looked up: parameters, and the providers that can have them.
_LOOKUP_FAULTS: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "listing_lag": ({"seconds": _LISTING_LAG_SECONDS}, PROVIDERS),
    "short_pages": ({}, PROVIDERS),
    "empty_page": ({}, PROVIDERS),
    "counts_as_strings": ({}, FAULTS["counts_as_strings"].providers),
    "no_counts": ({}, FAULTS["no_counts"].providers),
    "poisoned": ({}, FAULTS["poisoned"].providers),
    "down": ({"times": 3, "calls": "reading"}, PROVIDERS),
    "rate_limited": ({"times": 2, "calls": "reading", "retry_after": 0}, PROVIDERS),
    "keyless_rows": ({}, ("anthropic",)),
    "missing_rows": ({"times": 1}, ("anthropic",)),
    "unknown_rows": ({}, ("anthropic",)),
    "no_output_file": ({"times": 3}, ("anthropic",)),
}


def lost_response_drills() -> Iterator[Drill]:
    """Yield a drill for each way to lose a response and each provider, in both stages where that is quick."""
    for fault in ("create_then_drop", "create_then_500"):
        for stage in ("tagging", "refinement"):
            for provider in PROVIDERS:
                yield Drill(
                    f"lost response: {fault}",
                    f"{fault}, {provider}, {stage}",
                    partial(_lose_response, fault=fault, parameters={}),
                    (provider,),
                    stage,
                )
    for provider in PROVIDERS:
        yield Drill(
            "lost response: create_then_timeout",
            f"create_then_timeout, {provider}",
            _kill_waiting_command,
            (provider,),
        )
        yield Drill(
            "lost response: drop_then_create",
            f"drop_then_create, {provider}",
            partial(_lose_response, fault="drop_then_create", parameters={"seconds": CREATION_DELAY_SECONDS}),
            (provider,),
            margin_seconds=CREATION_DELAY_SECONDS + 5,
        )
    for fault, (parameters, providers) in _LOOKUP_FAULTS.items():
        for provider in providers:
            yield Drill(
                "lost response and a faulty lookup",
                f"{fault}, {provider}",
                partial(_lose_response_and_disturb_lookup, fault=fault, parameters=parameters),
                (provider,),
                margin_seconds=_LISTING_LAG_SECONDS + 2 if fault == "listing_lag" else 0.0,
            )


def _lose_response(environment: DrillEnvironment, fault: str, parameters: Mapping[str, Any]) -> None:
    environment.arm_fault(fault, environment.providers[0], times=1, **parameters)
    _submit_with_uncertain_outcome(environment)
    # The first thing that a person does is to try again.
    resubmitted = environment.run_json(*environment.submit_command)["requests"]
    if resubmitted:
        raise DrillFailed(f"{resubmitted} requests were submitted again while their outcome was unknown")


def _submit_with_uncertain_outcome(environment: DrillEnvironment) -> None:
    command = environment.run(*environment.submit_command)
    if command.status != 1 or "stays reserved" not in command.unwrapped_output:
        raise DrillFailed(f"a lost response was not reported: {command}")


def _kill_waiting_command(environment: DrillEnvironment) -> None:
    """Delay the response until the person loses patience and kills the command."""
    environment.arm_fault("create_then_timeout", environment.providers[0], times=1, seconds=120)
    command = environment.start(*environment.submit_command)
    command.wait_until(lambda: bool(environment.provider_batches()))
    if not command.kill_after(0).killed:
        raise DrillFailed("the command did not wait for the response")
    environment.record_kill()


def _lose_response_and_disturb_lookup(environment: DrillEnvironment, fault: str, parameters: Mapping[str, Any]) -> None:
    """Lose a response among other batches of the same account, so that the listing has several pages."""
    provider = environment.providers[0]
    environment.run_checked("backfill", "--model", MODELS[provider], "--analysis-count", 1)
    environment.arm_fault("create_then_drop", provider, times=1)
    _submit_with_uncertain_outcome(environment)
    environment.end_batches()
    environment.arm_fault(fault, provider, **parameters)
    # A row without its id is kept as it is, so its tokens are not in `tag_responses`.
    environment.token_totals_differ = fault == "keyless_rows"
    environment.run("reconcile", "--margin", environment.margin_seconds)
    environment.run("poll")
    environment.run("reconcile", "--margin", environment.margin_seconds)
    resubmitted = environment.run_json(*environment.submit_command)["requests"]
    batches = environment.provider_batches()
    unanswered = sum(not batch["creation_answered"] for batch in batches)
    if resubmitted and len(batches) > 2 and unanswered and environment.run_json("status")["batches"].get("released"):
        raise DrillFailed(f"an existing batch was released, and {resubmitted} requests were submitted again")
