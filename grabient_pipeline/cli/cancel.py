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
    from grabient_pipeline.batches.cancel import CancelledBatch


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cancel", epilog="Example: grabient cancel msgbatch_0123456789")(cancel)


def cancel(
    batch: Annotated[
        list[str] | None,
        typer.Argument(metavar="[BATCH ...]", help="Submissions or provider batch ids.", show_default=False),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Cancel all pending batches.")] = False,
    json: Json = False,
) -> None:
    """Cancel batches. Finished responses are paid for, so they are collected and kept."""
    if bool(batch) == every:
        raise SettingsError("name the batches to cancel, or pass --all; grabient status lists them")
    pipeline = lazy.Pipeline.from_environment()
    outcomes = pipeline.cancel(None if every else batch)
    collected, _ = collect_and_follow_up(pipeline)
    kept = sum(each.states.get("succeeded", 0) for each in collected.batches)
    if json:
        terminal.say_json({"batches": [_facts(outcome) for outcome in outcomes], "kept_answers": kept})
    else:
        for outcome in outcomes:
            line = f"{outcome.provider}/{outcome.model} {outcome.submission}: {outcome.error or _state(outcome)}"
            terminal.say(line, "yellow" if outcome.error else "")
        if not outcomes:
            terminal.say("No batches are pending.")
        if collected.batches:
            terminal.say(f"Collected the finished part: {pluralize(kept, 'answer')}")
    errors = [outcome.error for outcome in outcomes if outcome.error] + list(collected.failures.values())
    if errors:
        raise failed("; ".join(dict.fromkeys(errors)))


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
