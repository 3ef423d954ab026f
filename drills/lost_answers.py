"""The provider made the batch and its answer never came."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.ground import MODELS, PROVIDERS, Ground

LATE_SECONDS = 1.0
_LAG_SECONDS = 3.0

# What else may go wrong while a lost batch is looked for.
_MEANWHILE: dict[str, tuple[Mapping[str, Any], tuple[str, ...]]] = {
    "listing_lag": ({"seconds": _LAG_SECONDS}, PROVIDERS),
    "short_pages": ({}, PROVIDERS),
    "empty_page": ({}, PROVIDERS),
    "counts_as_strings": ({}, ("anthropic", "openai", "groq")),
    "no_counts": ({}, ("openai", "groq", "google")),
    "poisoned": ({}, ("google",)),
    "down": ({"times": 3, "calls": "reading"}, PROVIDERS),
    "rate_limited": ({"times": 2, "calls": "reading", "retry_after": 0}, PROVIDERS),
    "keyless_rows": ({}, ("anthropic",)),
    "missing_rows": ({"times": 1}, ("anthropic",)),
    "unknown_rows": ({}, ("anthropic",)),
    "no_output_file": ({"times": 3}, ("anthropic",)),
}


def lost_answers() -> Iterator[Drill]:
    """A drill for each way to lose the answer to a creation, and each provider; in both stages where that is cheap."""
    for fault, parameters in (("create_then_drop", {}), ("create_then_500", {})):
        for stage in ("tagging", "refinement"):
            for provider in PROVIDERS:
                yield Drill(
                    f"lost answer: {fault}",
                    f"{fault}, {provider}, {stage}",
                    partial(_lose, fault=fault, parameters=parameters),
                    (provider,),
                    stage,
                )
    for provider in PROVIDERS:
        yield Drill("lost answer: create_then_timeout", f"create_then_timeout, {provider}", _give_up, (provider,))
        yield Drill(
            "lost answer: drop_then_create",
            f"drop_then_create, {provider}",
            partial(_lose, fault="drop_then_create", parameters={"seconds": LATE_SECONDS}),
            (provider,),
            margin_seconds=LATE_SECONDS + 5,
        )
    for fault, (parameters, providers) in _MEANWHILE.items():
        for provider in providers:
            yield Drill(
                "lost answer, and a spoiled search",
                f"{fault}, {provider}",
                partial(_lose_and_spoil, fault=fault, parameters=parameters),
                (provider,),
                margin_seconds=_LAG_SECONDS + 2 if fault == "listing_lag" else 0.0,
            )


def _lose(ground: Ground, fault: str, parameters: Mapping[str, Any]) -> None:
    ground.arm(fault, ground.providers[0], times=1, **parameters)
    _must_be_in_doubt(ground)
    # What a person does first: try again.
    again = ground.facts(*ground.asking)["requests"]
    if again:
        raise DrillFailed(f"{again} requests were sent again while it was not known what became of them")


def _must_be_in_doubt(ground: Ground) -> None:
    ended = ground.run(*ground.asking)
    if ended.status != 1 or "stays reserved" not in " ".join(ended.said.split()):
        raise DrillFailed(f"a lost answer was not told as such: {ended}")


def _give_up(ground: Ground) -> None:
    """The answer is so late that the person kills the command."""
    ground.arm("create_then_timeout", ground.providers[0], times=1, seconds=120)
    asking = ground.start(*ground.asking)
    asking.wait_until(lambda: bool(ground.batches_there()))
    if not asking.kill_after(0).killed:
        raise DrillFailed("the command did not wait for its answer")
    ground.survived()


def _lose_and_spoil(ground: Ground, fault: str, parameters: Mapping[str, Any]) -> None:
    """Among other batches of the same account, so that there is something to page through."""
    provider = ground.providers[0]
    ground.must("backfill", "--model", MODELS[provider], "--analysis-count", 1)
    ground.arm("create_then_drop", provider, times=1)
    _must_be_in_doubt(ground)
    ground.end_batches()
    ground.arm(fault, provider, **parameters)
    # The tokens of a row without its id are in the row, which is kept as it came.
    ground.spoiled = fault == "keyless_rows"
    ground.run("reconcile", "--margin", ground.margin_seconds)
    ground.run("poll")
    ground.run("reconcile", "--margin", ground.margin_seconds)
    again = ground.facts(*ground.asking)["requests"]
    unanswered = sum(not batch["creation_answered"] for batch in ground.batches_there())
    if again and len(ground.batches_there()) > 2 and unanswered and ground.facts("status")["batches"].get("released"):
        raise DrillFailed(f"a batch that is there was released, and {again} requests were asked again")
