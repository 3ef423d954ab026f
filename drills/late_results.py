"""Results that are late, short or somebody else's, batches that never end, and models that cannot succeed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import MODELS, PROVIDERS, DrillEnvironment
from grabient_pipeline.sandbox.discovery import FAULTS

_STAGES = ("tagging", "refinement")
_ERROR_FILES = FAULTS["late_output_file"].providers
# An hour more than the margin of a lookup by time.
_SKEW_SECONDS = 7200.0
# Longer than the pause after a third refusal, which begins with five seconds.
_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class _Late:
    """What is wrong with the first looks at a batch that has ended.

    Attributes:
        faults: armed once the batches have ended, in this order.
        ending: armed before the batches are created.
    """

    name: str
    faults: Mapping[str, Mapping[str, Any]]
    providers: tuple[str, ...] = PROVIDERS
    ending: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(frozen=True)
class _Single:
    """A drill that is more than late results. `faults`: those that no other drill arms."""

    row: str
    name: str
    run: Callable[[DrillEnvironment], None]
    providers: tuple[str, ...] = PROVIDERS
    faults: tuple[str, ...] = ()


_LATE = (
    _Late("counts of nothing and no files", {"nothing_counted": {"times": 3}}),
    _Late(
        "the output file of an expired batch is late",
        {"late_output_file": {"times": 2}},
        _ERROR_FILES,
        {"expire": {"share": 0.5, "times": 1}},
    ),
    _Late(
        "the output file of a completed batch with failed rows is late",
        {"late_output_file": {"times": 2}},
        _ERROR_FILES,
        {"fail_rows": {"share": 0.5, "times": 1}},
    ),
    _Late("an empty result file", {"short_download": {"times": 1, "share": 0.0}}),
    _Late("half of a result file", {"short_download": {"times": 1, "share": 0.5}}),
    _Late("a result file cut in a line", {"short_download": {"times": 1, "share": 0.5, "whole_lines": False}}),
    _Late("a sign-in page for results", {"foreign_download": {"times": 3}}),
    _Late(
        "a page without its content type for results",
        {"foreign_download": {"times": 3, "media_type": "application/octet-stream"}},
    ),
)


def late_result_drills() -> Iterator[Drill]:
    """Yield the drills of every kind of lateness, with each provider that can have it, in both stages."""
    for late in _LATE:
        for provider in late.providers:
            for stage in _STAGES:
                name = f"{late.name}, {provider}, {stage}"
                yield Drill(f"late: {late.name}", name, partial(_look, late=late), (provider,), stage)
    for single in _singles():
        for provider in single.providers:
            yield Drill(f"{single.row}: {single.name}", f"{single.name}, {provider}", single.run, (provider,))


def faults_of_late_drills() -> set[str]:
    """Return the faults that these drills arm."""
    faults = {fault for late in _LATE for fault in (*late.faults, *(late.ending or {}))}
    return faults.union(*(single.faults for single in _singles()))


def _singles() -> tuple[_Single, ...]:
    return (
        _Single("late", "the output file of a cancelled batch is late", _cancel_and_look, _ERROR_FILES),
        _Single("late", "the first look comes two days after the end", _look_days_later),
        _Single("late", "answers come after the batch was settled", _settle_too_early),
        _Single("abandoned", "a batch that is not found, given up", _give_up_missing, faults=("batch_gone",)),
        _Single(
            "abandoned", "a batch that stays in cancelling, given up", _give_up_cancelling, faults=("stuck_cancelling",)
        ),
        _Single(
            "abandoned",
            "a batch that stays in finalizing, given up",
            _give_up_finalizing,
            FAULTS["stuck_finalizing"].providers,
            ("stuck_finalizing",),
        ),
        _Single("abandoned", "a batch that may not exist, given up", _give_up_uncertain),
        _Single("paused", "a billing limit, three times", _pause_at_limit, FAULTS["fail_batch"].providers),
        _Single("paused", "a full queue, three times", _fill_queue, FAULTS["fail_batch"].providers),
        _Single("paused", "expired, three times", _expire_three_times),
        _Single(
            "clock",
            "a lost response and a clock that is off",
            _lose_response_by_the_wrong_clock,
            faults=("skewed_clock",),
        ),
        _Single("creation", "a creation answered with another batch", _replay_creation, faults=("replayed_creation",)),
        _Single(
            "answers",
            "the text of a failed generation",
            _fail_generation,
            FAULTS["failed_generation"].providers,
            ("failed_generation",),
        ),
    )


def _arm(environment: DrillEnvironment, faults: Mapping[str, Mapping[str, Any]]) -> None:
    for fault, parameters in faults.items():
        environment.arm_fault(fault, environment.providers[0], **parameters)


def _look(environment: DrillEnvironment, late: _Late) -> None:
    _arm(environment, late.ending or {})
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    _arm(environment, late.faults)
    for _ in range(4):
        environment.run("poll")
        _assert_waiting_is_not_resubmitted(environment)


def _assert_waiting_is_not_resubmitted(environment: DrillEnvironment) -> None:
    """Whatever is in flight must not be submitted again; failed requests may be."""
    before = environment.run_json("status")["requests"].get("in_flight", 0)
    environment.run_json(*environment.submit_command, "--dry-run")
    after = environment.run_json("status")["requests"].get("in_flight", 0)
    if after != before:
        raise DrillFailed(f"{before - after} requests were freed although they were waited for")


def _cancel_and_look(environment: DrillEnvironment) -> None:
    _arm(environment, {"slow_batch": {"times": 1}, "cancel_keeps": {"share": 0.5, "times": 1}})
    environment.run_checked(*environment.submit_command)
    _arm(environment, {"late_output_file": {"times": 2}})
    environment.run("cancel", "--all")
    environment.end_batches()
    for _ in range(3):
        environment.run("poll")


def _look_days_later(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    _arm(environment, {"nothing_counted": {"times": 2}, "down": {"times": 8, "calls": "downloading"}})
    environment.run("poll")
    with environment.warehouse.connect() as connection:
        connection.execute(
            "UPDATE tag_batches SET created_at = created_at - INTERVAL 2 DAYS, "
            "submitted_at = submitted_at - INTERVAL 2 DAYS, completed_at = completed_at - INTERVAL 2 DAYS"
        )
    for _ in range(3):
        environment.run("poll")


def _settle_too_early(environment: DrillEnvironment) -> None:
    environment.run_checked("config", "set", "patience-hours", 0)
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    _arm(environment, {"short_download": {"times": 1, "share": 0.5}})
    environment.run("poll")
    not_kept = environment.run_json("status")["paid_and_not_kept"]
    if not not_kept:
        raise DrillFailed("answers that the provider counts and did not give are not reported")
    environment.run("poll")


def _give_up(environment: DrillEnvironment) -> None:
    """Abandon every open batch; results that arrive later must still be stored."""
    open_batches = environment.run_json("status")["open_batches"]
    refused = environment.run("abandon", *(batch["submission"] for batch in open_batches))
    if refused.status != 1 or "--yes" not in refused.unwrapped_output:
        raise DrillFailed(f"a batch was given up without a confirmation: {refused}")
    environment.run_checked("abandon", "--yes", *(batch["submission"] for batch in open_batches))
    status = environment.run_json("status")
    if status["requests"].get("in_flight") or not status["outstanding_usd"]:
        raise DrillFailed("a batch was given up, but its requests are not free or its cost is not outstanding")


def _give_up_missing(environment: DrillEnvironment) -> None:
    environment.run_checked(*environment.submit_command)
    _arm(environment, {"batch_gone": {}})
    environment.run("poll")
    if "HTTP 404" not in environment.run("status").unwrapped_output:
        raise DrillFailed("the status does not say that the provider does not know the batch")
    _give_up(environment)
    _collect_what_turns_up(environment)


def _give_up_cancelling(environment: DrillEnvironment) -> None:
    _arm(environment, {"slow_batch": {"times": 1}, "stuck_cancelling": {"times": 1}, "cancel_keeps": {"share": 0.5}})
    environment.run_checked(*environment.submit_command)
    environment.run("cancel", "--all")
    second = environment.run("cancel", "--all")
    if second.status != 1 or "grabient abandon" not in second.unwrapped_output:
        raise DrillFailed(f"nothing says how to let go of a batch that stays in cancelling: {second}")
    _give_up(environment)
    _collect_what_turns_up(environment)


def _give_up_finalizing(environment: DrillEnvironment) -> None:
    _arm(environment, {"stuck_finalizing": {"times": 1}})
    environment.run_checked(*environment.submit_command)
    environment.run("poll")
    _give_up(environment)
    _collect_what_turns_up(environment)


def _give_up_uncertain(environment: DrillEnvironment) -> None:
    _arm(environment, {"create_then_drop": {"times": 1}})
    environment.run(*environment.submit_command)
    _give_up(environment)
    environment.end_batches()
    environment.run("reconcile", "--margin", 0)
    _collect_what_turns_up(environment)


def _collect_what_turns_up(environment: DrillEnvironment) -> None:
    environment.disarm_faults()
    environment.end_batches()
    environment.run("poll")


def _resubmit(environment: DrillEnvironment) -> int:
    """Submit, let the batches end, collect; return how many requests were submitted."""
    requests: int = environment.run_json(*environment.submit_command)["requests"]
    environment.end_batches()
    environment.run("poll")
    return requests


def _assert_paused(environment: DrillEnvironment, *, paused: bool) -> None:
    found = environment.run_json("status")["paused"]
    if bool(found) != paused:
        raise DrillFailed(f"paused models: {found}")


def _pause_at_limit(environment: DrillEnvironment) -> None:
    reason = {"code": "billing_hard_limit_reached", "message": "Billing hard limit has been reached."}
    _fail_three_times(environment, "fail_batch", reason)
    output = environment.run("status").unwrapped_output
    if reason["message"] not in output:
        raise DrillFailed("the status does not say why the model is paused")


def _expire_three_times(environment: DrillEnvironment) -> None:
    _fail_three_times(environment, "expire", {"share": 0.0})


def _fail_three_times(environment: DrillEnvironment, fault: str, parameters: Mapping[str, Any]) -> None:
    _arm(environment, {fault: parameters})
    for _ in range(3):
        _assert_paused(environment, paused=False)
        if not _resubmit(environment):
            raise DrillFailed("requests that never ran were not submitted again")
    _assert_paused(environment, paused=True)
    environment.run("quarantine", "--free")
    if _resubmit(environment):
        raise DrillFailed("a paused model was asked again")
    if environment.run_json("quarantine")["resting"]:
        raise DrillFailed("requests that never ran are in quarantine")
    environment.disarm_faults()
    environment.run_checked("resume", MODELS[environment.providers[0]])


def _fill_queue(environment: DrillEnvironment) -> None:
    """A full queue passes by itself, so the model is not paused and no request counts as failed."""
    _arm(environment, {"fail_batch": {"code": "token_limit_exceeded", "message": "Enqueued token limit reached"}})
    for _ in range(3):
        # After a refusal nothing is sent for a while, which doubles.
        deadline = time.monotonic() + _WAIT_SECONDS
        while not _resubmit(environment):
            if time.monotonic() > deadline:
                raise DrillFailed("requests that never ran were not submitted again")
            time.sleep(1)
        _assert_paused(environment, paused=False)
    environment.disarm_faults()


def _lose_response_by_the_wrong_clock(environment: DrillEnvironment) -> None:
    _arm(environment, {"skewed_clock": {"seconds": -_SKEW_SECONDS}, "create_then_500": {"times": 1}})
    environment.run(*environment.submit_command)
    environment.end_batches()
    for _ in range(2):
        environment.run("reconcile", "--margin", environment.margin_seconds)
    if environment.run_json("status")["batches"].get("released"):
        raise DrillFailed("an existing batch was released because a clock is off")
    environment.run("poll")


def _replay_creation(environment: DrillEnvironment) -> None:
    """A gateway answers the second creation with the first batch; the other batches must go on."""
    environment.run_checked("backfill", "--model", MODELS[environment.providers[0]], "--analysis-count", 1)
    _arm(environment, {"replayed_creation": {"times": 1}})
    command = environment.run(*environment.submit_command)
    if "internal error" in command.unwrapped_output or command.status != 1:
        raise DrillFailed(f"a replayed creation was not reported: {command}")
    environment.end_batches()
    environment.run("poll")
    environment.run("reconcile", "--margin", environment.margin_seconds)


def _fail_generation(environment: DrillEnvironment) -> None:
    # Such a row has no tokens.
    environment.token_totals_differ = True
    _arm(environment, {"failed_generation": {"times": 1}})
    environment.run_checked(*environment.submit_command)
    environment.end_batches()
    environment.run("poll")
    failed = environment.run_json("status")["requests"].get("failed", 0)
    if failed > 1:
        raise DrillFailed(f"{failed} answers that were paid for were not read")
