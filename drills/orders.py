"""Orders that do not fit into the queues of the accounts: everything comes in, once, and within the cap."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from drills.commands import DrillFailed
from drills.drill import Drill
from drills.environment import PROVIDERS, DrillEnvironment
from grabient_pipeline import connect
from grabient_pipeline.crash_points import CRASH_POINTS

IN_PIECES = "orders through small queues"

_ANALYSES: Final = 8
# About ten requests fit into each of these queues, and two or three into a piece.
_LIMITS: Final = {
    "anthropic": "requests=12",
    "openai": "tokens=18000",
    "groq": "tokens=22000",
    "google": "tokens=22000",
}
_MOST_FULL_QUEUES: Final = 3
# Steps that a poll does not take while an order is open.
_OTHER_STEPS: Final = ("import", "order", "reconcile", "adopt", "join", "compose", "prices")
_CRASH_POINTS: Final = tuple(point for point in CRASH_POINTS if point.partition(".")[0] not in _OTHER_STEPS)


def order_drills() -> Iterator[Drill]:
    """Yield drills of orders that are sent piece by piece."""

    def drill(name: str, run: Callable[[DrillEnvironment], None], providers: tuple[str, ...] = PROVIDERS) -> Drill:
        return Drill(IN_PIECES, name, run, providers, analyses=_ANALYSES)

    yield Drill(IN_PIECES, "the whole panel on tier 1", _whole_panel, stage="empty", analyses=_ANALYSES)
    for provider in PROVIDERS:
        yield drill(f"killed at every crash point, {provider}", _killed_everywhere, (provider,))
        yield drill(f"somebody else uses half, {provider}", _shared_account, (provider,))
        yield drill(f"an account smaller than its tier, {provider}", _smaller_than_said, (provider,))
    yield drill("two processes send on", _two_processes)
    yield drill("the cap is reached", _reach_the_cap)
    yield drill("restored from a copy that is older than the order", _restore_older, ("openai",))
    yield drill("another prompt while it is open", _change_prompt, ("groq",))
    yield drill("a model that is gone while it is open", _lose_model, ("google", "openai"))
    yield drill("ended by a person", _cancel_order, ("anthropic", "openai"))


def limit_queues(environment: DrillEnvironment, *, is_configured: bool = True) -> None:
    """Give the accounts small queues; `is_configured`: and set the same limits in the pipeline."""
    documents: list[dict[str, object]] = []
    for provider in environment.providers:
        kind, figure = _LIMITS[provider].split("=")
        documents.append({"provider": provider, kind: int(figure)})
        if is_configured:
            environment.run_checked("config", "set", "limits", provider, f"{kind}={figure}")
        else:
            environment.run_checked("config", "set", "tier", provider, "1")
    environment.limit_queues(documents)
    environment.arm_fault("slow_batch", seconds=1)


def _watch(environment: DrillEnvironment) -> None:
    environment.run_checked("poll", "--watch", "--interval", "0.3")


def _check_complete(environment: DrillEnvironment) -> None:
    status = environment.run_json("status")
    if status["orders"] or status["resting_requests"]:
        raise DrillFailed(f"not complete: {status['orders']}, {status['resting_requests']} in quarantine")
    for provider, models in environment.queues().items():
        for model, queue in models.items():
            if queue["met_full_queue"] > _MOST_FULL_QUEUES:
                raise DrillFailed(f"{provider}/{model} met a full queue {queue['met_full_queue']} times")


def _whole_panel(environment: DrillEnvironment) -> None:
    """Ten models, 182 palettes, eight times each, on tier 1: one command, kills at every moment, and a watch."""
    environment.run_checked("import")
    for provider in PROVIDERS:
        environment.run_checked("config", "set", "tier", provider, "1")
    environment.limit_queues([{"tier": 1}])
    environment.arm_fault("slow_batch", seconds=3)
    ordered = environment.run_json("backfill")
    _kill_polls(environment)
    _watch(environment)
    _check_complete(environment)
    with connect(environment.data_dir) as connection:
        ((answers,),) = connection.execute("SELECT count(*) FROM palette_tags WHERE tags IS NOT NULL").fetchall()
        ((palettes,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
    if not ordered["ordered_requests"] == answers == palettes * _ANALYSES * 10:
        raise DrillFailed(f"{ordered['ordered_requests']} requests were ordered, and {answers} answers are usable")
    met = sum(queue["met_full_queue"] for models in environment.queues().values() for queue in models.values())
    environment.notes.append(f"{answers:,} answers of ten models; {met} creations met a full queue")


def _killed_everywhere(environment: DrillEnvironment) -> None:
    limit_queues(environment)
    environment.crash_at("order.made", *environment.submit_command)
    _kill_polls(environment)
    _watch(environment)
    _check_complete(environment)


def _kill_polls(environment: DrillEnvironment) -> None:
    for crash_point in _CRASH_POINTS:
        completed = environment.start("poll", GRABIENT_CRASH_AT=crash_point).wait()
        if completed.killed:
            environment.record_kill()
        time.sleep(0.5)
    environment.run("reconcile", "--margin", "0")


def _shared_account(environment: DrillEnvironment) -> None:
    limit_queues(environment)
    environment.occupy_queues([{"provider": provider, "fraction": 0.5} for provider in environment.providers])
    environment.run(*environment.submit_command)
    _watch(environment)
    _check_complete(environment)


def _smaller_than_said(environment: DrillEnvironment) -> None:
    """The pipeline believes in tier 1; the account has a hundredth of that."""
    limit_queues(environment, is_configured=False)
    environment.run(*environment.submit_command)
    _watch(environment)
    _check_complete(environment)


def _two_processes(environment: DrillEnvironment) -> None:
    limit_queues(environment)
    environment.run_checked(*environment.submit_command)
    watching = [environment.start("poll", "--watch", "--interval", "0.3") for _ in range(2)]
    for command in watching:
        completed = command.wait()
        if completed.status != 0:
            raise DrillFailed(str(completed))
    _check_complete(environment)


def _reach_the_cap(environment: DrillEnvironment) -> None:
    """An order costs twice what its cap admits: it stops there, and goes on once the cap is raised."""
    limit_queues(environment)
    planned = environment.run_json(*environment.submit_command)["ordered_cost_usd"]
    cap = planned / 2
    environment.run_checked("resume", "--order", "1", "--max-cost", f"{cap:.9f}")
    _watch(environment)
    status = environment.run_json("status")
    (order,) = status["orders"]
    if status["cost_usd"] > cap or not all(part["is_stuck"] for part in order["parts"] if part["waiting"]):
        raise DrillFailed(f"${status['cost_usd']} was spent under a cap of ${cap}: {order}")
    environment.notes.append(f"${status['cost_usd']:.4f} of a cap of ${cap:.4f} was spent")
    environment.run_checked("resume", "--order", "1", "--max-cost", "25")
    _watch(environment)
    _check_complete(environment)


def _restore_older(environment: DrillEnvironment) -> None:
    limit_queues(environment)
    copy = environment.folder / "copy"
    environment.run_checked("backup", copy)
    environment.run_checked(*environment.submit_command)
    before = len(environment.provider_batches())
    environment.run_checked("restore", copy, "--yes")
    for _ in range(3):
        environment.run("poll")
        time.sleep(0.5)
    if len(environment.provider_batches()) != before:
        raise DrillFailed("something was sent after the restore, before a person resumed it")
    environment.run_checked("resume")
    environment.run(*environment.submit_command)
    _watch(environment)
    _check_complete(environment)


def _change_prompt(environment: DrillEnvironment) -> None:
    _end_order(
        environment, partial(_tamper, "UPDATE orders SET prompt_version = '000000000000'"), "another tagging prompt"
    )


def _lose_model(environment: DrillEnvironment) -> None:
    _end_order(environment, partial(_tamper, "UPDATE order_parts SET model = 'gone'"), "not in the catalogue")


def _cancel_order(environment: DrillEnvironment) -> None:
    _end_order(environment, lambda it: it.run_checked("cancel", "--order", "1", "--waiting-only"), "cancelled")


def _end_order(environment: DrillEnvironment, end: Callable[[DrillEnvironment], object], reason: str) -> None:
    """End an order of which a part is sent: nothing more is sent for it, whatever watches."""
    limit_queues(environment)
    environment.run_checked(*environment.submit_command)
    end(environment)
    before = len(environment.provider_batches())
    _watch(environment)
    _check_closed(environment, before, reason)


def _tamper(statement: str, environment: DrillEnvironment) -> None:
    with environment.warehouse.connect() as connection:
        connection.execute(statement)


def _check_closed(environment: DrillEnvironment, batches: int, reason: str) -> None:
    """Check that nothing was sent since, and that the order says why it ended. Then order again what is missing."""
    if len(environment.provider_batches()) != batches:
        raise DrillFailed("something was sent for an order that had ended")
    with connect(environment.data_dir) as connection:
        reasons = [row[0] for row in connection.execute("SELECT closed_reason FROM order_parts").fetchall()]
    if not all(reason in (each or "") for each in reasons):
        raise DrillFailed(f"the parts of the order ended for {reasons}")
    environment.run(*environment.submit_command)
    _watch(environment)
