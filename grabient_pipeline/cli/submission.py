"""What `backfill` and `refine` share: their options, the table of submitted batches, and the JSON for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import terminal
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport

MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="USD", help="Submit nothing if the estimate is above this.", show_default="GRABIENT_MAX_COST_USD"
    ),
]
IncludeRetired = Annotated[
    bool, typer.Option("--include-retired", help="Include models that their provider has retired.")
]
Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Use direct calls at full price instead of batches. GRABIENT_DIRECT sets this for providers or models.",
    ),
]
IgnoreUnknown = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown",
        help="Submit although the providers have batches that the ledger lacks; what these contain may be paid twice.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be submitted.")]


def say_submission(report: BackfillReport) -> None:
    """Print the batches of a report, at least one, and their sum."""
    terminal.say_table(
        ["model", "requests", "estimated", "batch"],
        [
            [
                batch.model.name + (" (direct)" if batch.route.access == "direct" else ""),
                f"{batch.request_count:,}",
                f"${batch.estimated_cost_usd:.4f}",
                "would be submitted" if report.dry_run else batch.batch_id or "not submitted",
            ]
            for batch in report.batches
        ],
        right={"requests", "estimated"},
        styles=["" if report.dry_run or batch.batch_id else "red" for batch in report.batches],
    )
    terminal.say()
    count = len(report.batches) if report.dry_run else len(report.submitted)
    total = f"{pluralize(count, 'batch', 'batches')}, {pluralize(report.request_count, 'request')}, "
    total += f"estimated {dollars(report.estimated_cost_usd)}"
    terminal.say(f"Would submit {total}" if report.dry_run else f"Submitted {total}", "bold")


def submission_facts(report: BackfillReport) -> dict[str, Any]:
    """Return a report as JSON values."""
    return {
        "dry_run": report.dry_run,
        "batches": [
            {
                "submission": batch.submission,
                "model": batch.model.name,
                "provider": batch.route.provider,
                "access": batch.route.access,
                "requests": batch.request_count,
                "estimated_cost_usd": batch.estimated_cost_usd,
                "batch_id": batch.batch_id,
                "error": batch.error,
            }
            for batch in report.batches
        ],
        "requests": report.request_count,
        "estimated_cost_usd": report.estimated_cost_usd,
        "left_out": report.left_out,
        "failures": {route.label: reason for route, reason in report.failures.items()},
    }
