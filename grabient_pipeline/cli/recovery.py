"""`grabient reconcile`, `cancel`, `quarantine`: what a person does when something did not go as it should."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.cancel import CancelledBatch
    from grabient_pipeline.batches.reconcile import Finding, ReconcileReport


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("reconcile", epilog="Example: grabient reconcile")(reconcile)
    app.command("cancel", epilog="Example: grabient cancel msgbatch_0123456789")(cancel)
    app.command("quarantine", epilog="Example: grabient quarantine --free --model openai/gpt-4o-mini")(quarantine)


def reconcile(
    margin: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Release what is not there so long after it may have been made, not before."
        ),
    ] = 900,
    json: Json = False,
) -> None:
    """Look for lost batches. Finds at the providers what a crash or a lost answer left reserved."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    report = Pipeline.from_environment().reconcile(margin_seconds=margin)
    if json:
        terminal.say_json(_reconcile_facts(report))
    else:
        _say_reconciled(report)
    if report.failures:
        raise failed("; ".join(dict.fromkeys(report.failures.values())))


def _say_reconciled(report: ReconcileReport) -> None:
    from grabient_pipeline.cli import terminal

    for kind, findings in (("adopted", report.adopted), ("released", report.released), ("waiting", report.waiting)):
        for each in findings:
            name = f" as {each.batch_id}" if each.batch_id else ""
            terminal.say(f"{kind:<9} {each.provider}/{each.model} {each.submission}{name}: {each.evidence}")
    if not (report.adopted or report.released or report.waiting or report.failures):
        terminal.say("Nothing is lost.")


def _reconcile_facts(report: ReconcileReport) -> dict[str, object]:
    def told(findings: Sequence[Finding]) -> list[dict[str, object]]:
        return [
            {
                "submission": each.submission,
                "model": f"{each.provider}/{each.model}",
                "batch_id": each.batch_id,
                "evidence": each.evidence,
            }
            for each in findings
        ]

    return {
        "adopted": told(report.adopted),
        "released": told(report.released),
        "waiting": told(report.waiting),
        "failures": dict(report.failures),
    }


def cancel(
    batch: Annotated[
        list[str] | None, typer.Argument(metavar="[BATCH ...]", help="Submissions or the providers' ids.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every batch that is under way.")] = False,
    json: Json = False,
) -> None:
    """Cancel batches. What was finished is paid for, and is collected all the same."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.cli.batches import collect_and_follow_up
    from grabient_pipeline.pipeline import Pipeline

    if bool(batch) == every:
        raise SettingsError("name the batches to cancel, or say --all; grabient status lists them")
    pipeline = Pipeline.from_environment()
    outcomes = pipeline.cancel(None if every else batch)
    collected = collect_and_follow_up(pipeline)
    kept = sum(each.states.get("succeeded", 0) for each in collected.batches)
    if json:
        terminal.say_json({"batches": [_cancel_facts(each) for each in outcomes], "kept_answers": kept})
    else:
        for each in outcomes:
            words = each.error or _state_in_words(each)
            terminal.say(f"{each.provider}/{each.model} {each.submission}: {words}", "yellow" if each.error else "")
        if not outcomes:
            terminal.say("Nothing is under way.")
        if collected.batches:
            terminal.say(f"Collected what was finished: {pluralize(kept, 'answer')}")
    errors = [each.error for each in outcomes if each.error] + list(collected.failures.values())
    if errors:
        raise failed("; ".join(dict.fromkeys(errors)))


def _state_in_words(outcome: CancelledBatch) -> str:
    if outcome.state is None:
        return "asked"
    if outcome.state.status == "submitted":
        return f"asked to end ({outcome.state.provider_status}); the next poll collects what was finished"
    return f"ended as {outcome.state.status}"


def _cancel_facts(outcome: CancelledBatch) -> dict[str, object]:
    return {
        "submission": outcome.submission,
        "model": f"{outcome.provider}/{outcome.model}",
        "status": outcome.state.status if outcome.state else None,
        "provider_status": outcome.state.provider_status if outcome.state else None,
        "error": outcome.error,
    }


def quarantine(
    free: Annotated[bool, typer.Option("--free", help="Let what rests be asked again by the next backfill.")] = False,
    model: Annotated[
        str | None, typer.Option(metavar="PROVIDER/MODEL", help="With --free: only this model's requests.")
    ] = None,
    json: Json = False,
) -> None:
    """Show what rests. A request that has failed three times is not asked again until it is freed."""
    from dataclasses import asdict

    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    if model is not None and not free:
        raise SettingsError("--model goes with --free; without it everything that rests is shown")
    pipeline = Pipeline.from_environment()
    rests = pipeline.quarantined()
    freed = pipeline.release(model) if free else 0
    if json:
        terminal.say_json({"resting": [asdict(each) for each in rests], "freed": freed})
        return
    if rests and not free:
        terminal.say_table(
            ["stage", "model", "requests", "last failure", "such as"],
            [
                [each.stage, f"{each.provider}/{each.model}", f"{each.requests:,}", each.reason, each.example]
                for each in rests
            ],
            right={"requests"},
        )
        terminal.say()
        terminal.say("grabient quarantine --free lets them be asked again: that costs money.")
    elif free:
        terminal.say(f"Freed {pluralize(freed, 'request')}; the next backfill asks them again.")
    else:
        terminal.say("Nothing rests.")
