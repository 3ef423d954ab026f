"""`grabient refine`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.submission import (
    Deadline,
    Direct,
    DryRun,
    IgnoreUnknown,
    IncludeRetired,
    MaxCost,
    Then,
    say_submission,
    submission_facts,
)
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.refine import RefinementReport


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("refine", epilog="Example: grabient refine --stale --dry-run")(refine)


def refine(  # noqa: PLR0913  # one parameter per option
    model: Annotated[
        str | None,
        typer.Option(
            metavar="PROVIDER/MODEL", help="The model that refines.", show_default="GRABIENT_REFINEMENT_MODEL"
        ),
    ] = None,
    stale: Annotated[
        bool,
        typer.Option(
            "--stale", help="Also refine palettes again whose consensus or prompt has changed, which costs money again."
        ),
    ] = False,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Also refine palettes again that another model refined, which costs money again."),
    ] = False,
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="Do not wait for outstanding answers; palettes refined before they arrive will be stale."
        ),
    ] = False,
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most this many palettes.")] = None,
    max_cost: MaxCost = None,
    include_retired: IncludeRetired = False,
    direct: Direct = False,
    deadline: Deadline = None,
    then: Then = None,
    ignore_unknown: IgnoreUnknown = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Submit the refinement of all palettes that are ready. Polling does this by itself, without --stale and --now."""
    pipeline = lazy.Pipeline.from_environment()
    request = lazy.RefinementRequest(
        model=model,
        stale=stale,
        now=now,
        limit=limit,
        max_cost_usd=max_cost,
        include_retired=include_retired or None,
        dry_run=dry_run,
        direct=direct,
        ignore_unknown=ignore_unknown,
        deadline_hours=deadline,
        when_late=then,
        anew=anew,
    )
    with terminal.progress() as progress:
        consensus = pipeline.count_consensus()
        report = pipeline.refine(request, progress=progress)
    for line in report.held_back:
        terminal.warn(line)
    if json:
        stale_facts = {"palettes": report.stale_palettes, "estimated_cost_usd": report.stale_cost_usd}
        facts = {**submission_facts(report.batches), "stale": stale_facts, "unsettled": report.unsettled_palettes}
        terminal.say_json(facts)
    else:
        _say_refinement(report, consensus.palettes)
    recording.record(pipeline.settings, "grabient refine", reports_by_asset(report))
    if report.batches.failures:
        raise failed("; ".join(report.batches.failures.values()))


def reports_by_asset(report: RefinementReport) -> dict[str, RefinementReport]:
    """Return the report for the asset that it updates; empty if nothing was submitted."""
    return {"refinement_batches": report} if report.batches.submitted else {}


def unsettled_line(report: RefinementReport) -> str:
    """Say how many of the palettes were refined before their time."""
    have = "has" if report.unsettled_palettes == 1 else "have"
    return f"{report.unsettled_palettes:,} of them {have} answers outstanding and would be stale"


def _say_refinement(report: RefinementReport, palettes_with_consensus: int) -> None:
    if report.batches.batches or report.batches.waiting:
        say_submission(report.batches)
        if report.unsettled_palettes:
            terminal.note(unsettled_line(report))
    elif not palettes_with_consensus:
        terminal.say("There is nothing to refine yet: no palette has a usable answer.")
    elif not report.held_back and not report.batches.failures:
        terminal.say("Nothing is ready: every palette is refined or still being tagged.")
    if report.stale_palettes:
        terminal.note(
            pluralize(report.stale_palettes, "palette has a stale refinement", "palettes have stale refinements")
            + f"; refining again is estimated at {dollars(report.stale_cost_usd)} (grabient refine --stale)"
        )
