"""`grabient cancel`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.poll import collect_and_follow_up
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.cancel import CancelledBatch
    from grabient_pipeline.batches.order_ledger import OrderPart


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cancel", epilog="Example: grabient cancel msgbatch_0123456789")(cancel)


def cancel(
    batch: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BATCH ...]", help="Submissions or provider batch ids.", show_default=False),
    ] = None,
    order: Annotated[list[int] | None, typer.Option(metavar="N", min=1, help="An order; may be repeated.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Cancel all open orders and all pending batches.")] = False,
    waiting_only: Annotated[
        bool, typer.Option("--waiting-only", help="With --order or --all: let the batches under way come to their end.")
    ] = False,
    json: Json = False,
) -> None:
    """Cancel batches or orders. What waits is not sent any more; finished responses are paid for, so they are kept."""
    if sum((bool(batch), bool(order), every)) != 1:
        raise SettingsError("name the batches to cancel, pass --order N, or pass --all; grabient status lists them")
    if waiting_only and batch:
        raise SettingsError("--waiting-only goes with --order or --all")
    pipeline = lazy.Pipeline.from_environment()
    parts: list[OrderPart] = []
    outcomes: list[CancelledBatch] = []
    if not batch:
        # With --all the batches of orders are cancelled with the other ones, each once.
        parts, outcomes = pipeline.cancel_orders(order or None, keep_batches=waiting_only or every)
    if batch or (every and not waiting_only):
        outcomes = pipeline.cancel(batch or None)
    collected, _ = collect_and_follow_up(pipeline, refine=False)
    kept = sum(each.states.get("succeeded", 0) for each in collected.batches)
    if json:
        batches = [_facts(outcome) for outcome in outcomes]
        terminal.say_json({"orders": sorted({part.number for part in parts}), "batches": batches, "kept_answers": kept})
    else:
        _say_outcomes(parts, outcomes, batches_are_kept=waiting_only)
        if collected.batches:
            terminal.say(f"Collected the finished part: {pluralize(kept, 'answer')}")
    errors = [outcome.error for outcome in outcomes if outcome.error] + list(collected.failures.values())
    if errors:
        raise failed("; ".join(dict.fromkeys(errors)))


def _say_outcomes(parts: Sequence[OrderPart], outcomes: Sequence[CancelledBatch], *, batches_are_kept: bool) -> None:
    for number in sorted({part.number for part in parts}):
        models = ", ".join(part.name for part in parts if part.number == number)
        terminal.say(f"Order {number} ended: {models}")
    for outcome in outcomes:
        line = f"{outcome.provider}/{outcome.model} {outcome.submission}: {outcome.error or _state(outcome)}"
        terminal.say(line, "yellow" if outcome.error else "")
    if not outcomes and not batches_are_kept:
        terminal.say("No batches are pending.")


def _state(outcome: CancelledBatch) -> str:
    if outcome.state is None:
        return "cancellation requested"
    if outcome.state.status == "submitted":
        return f"cancellation requested ({outcome.state.provider_status}); the next poll collects the finished part"
    return f"ended as {outcome.state.status}"


def _facts(outcome: CancelledBatch) -> dict[str, object]:
    return {
        "submission": outcome.submission,
        "model": f"{outcome.provider}/{outcome.model}",
        "status": outcome.state.status if outcome.state else None,
        "provider_status": outcome.state.provider_status if outcome.state else None,
        "error": outcome.error,
    }
