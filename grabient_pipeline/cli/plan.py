"""`grabient plan`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.cli.submission import IncludeRetired
from grabient_pipeline.formatting import dollars

if TYPE_CHECKING:
    from grabient_pipeline.batches.plan import Plan


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("plan", epilog="Example: grabient plan --analysis-count 4")(plan)


def plan(
    analysis_count: Annotated[
        int | None,
        typer.Option(help="How often each model describes each palette.", show_default="tag-analysis-count"),
    ] = None,
    include_retired: IncludeRetired = False,
    json: Json = False,
) -> None:
    """Estimate what the current prompts cost. Counts missing and stale answers; sends nothing and needs no API key."""
    planned = lazy.Pipeline.from_environment().plan(analysis_count, include_retired=include_retired or None)
    if json:
        terminal.say_json(
            {
                **asdict(planned),
                "requests": planned.requests,
                "tagging_cost_usd": planned.tagging_cost_usd,
                "total_cost_usd": planned.tagging_cost_usd + planned.refinement_cost_usd,
            }
        )
        return
    _say_plan(planned)


def _say_plan(planned: Plan) -> None:
    for line in planned.left_out:
        terminal.note(line)
    terminal.say(
        f"Tagging with prompt {planned.tagging_prompt}, {planned.analysis_count} answers per palette and model", "bold"
    )
    terminal.say_table(
        ["model", "answered", "stale", "to submit", "estimated", ""],
        [
            [
                f"{model.provider}/{model.model}",
                f"{model.answered:,}",
                f"{model.stale:,}",
                f"{model.requests:,}",
                dollars(model.estimated_cost_usd),
                "" if model.has_key else "no key",
            ]
            for model in planned.models
        ],
        right={"answered", "stale", "to submit", "estimated"},
    )
    terminal.say(
        f"{planned.missing_requests:,} requests, estimated {dollars(planned.missing_cost_usd)}: grabient backfill"
    )
    if planned.requests > planned.missing_requests:
        terminal.say(
            f"{planned.requests:,} requests, estimated {dollars(planned.tagging_cost_usd)}: grabient backfill --anew"
        )
    terminal.say()
    if planned.refining_model is None:
        terminal.say("Refinement is off.")
        return
    terminal.say(f"Refinement with prompt {planned.refinement_prompt}, {planned.refining_model}", "bold")
    terminal.say(
        f"{planned.refinements:,} palettes, estimated {dollars(planned.refinement_cost_usd)}; "
        f"{planned.stale_refinements:,} of them have a stale refinement: grabient refine --stale"
    )
    terminal.note("Nothing was submitted. New answers can change the consensus, which makes more refinements stale.")
