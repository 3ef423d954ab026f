"""What `backfill` and `refine` share: their options, the table of submitted batches, and the JSON for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import typer

from grabient_pipeline.cli import terminal
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.order_progress import PartProgress

WhenLate = Literal["direct", "again", "leave"]
_HOURS: Final = {"m": 1 / 60, "h": 1.0, "d": 24.0}


def parse_hours(text: str) -> float:
    """Return a time such as `12h`, `90m`, `2d` or `12` (hours) in hours.

    Raises:
        typer.BadParameter: it is none.
    """
    number = text.strip().lower()
    unit = number[-1:] if number[-1:] in _HOURS else "h"
    try:
        return float(number.removesuffix(unit)) * _HOURS[unit]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write 12h, 90m or 2d (without a letter: hours)") from None


MaxCost = Annotated[
    float | None,
    typer.Option(
        metavar="USD",
        help="The cost cap: nothing is ordered if the estimate is above it.",
        show_default="GRABIENT_MAX_COST_USD",
    ),
]
IncludeRetired = Annotated[
    bool, typer.Option("--include-retired", help="Include models that their provider has retired.")
]
Direct = Annotated[
    bool,
    typer.Option(
        "--direct",
        help="Use direct calls at full price, or at that of the tier flex, instead of batches. "
        "GRABIENT_DIRECT sets this for providers or models.",
    ),
]
IgnoreUnknown = Annotated[
    bool,
    typer.Option(
        "--ignore-unknown",
        help="Submit although the providers have batches that the ledger lacks; what these contain may be paid twice.",
    ),
]
Deadline = Annotated[
    float | None,
    typer.Option(
        metavar="TIME",
        parser=parse_hours,
        help="Cancel batches that take longer, such as 12h, 90m or 2d; what they finished is kept.",
        show_default="none",
    ),
]
Then = Annotated[
    WhenLate | None,
    typer.Option(
        help="What happens to the rest of a late batch: ordinary calls within the cap, again as a batch, or nothing.",
        show_default="again",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be submitted.")]


def say_submission(report: BackfillReport) -> None:
    """Print the batches of a report and their sum, and what is ordered and waits."""
    if report.batches:
        _say_batches(report)
    say_answered_elsewhere(report)
    if report.order is not None and report.waiting:
        terminal.say(
            f"Order {report.order}: {pluralize(report.planned_requests, 'request')}, "
            f"estimated {dollars(report.planned_cost_usd)}"
        )
    for line in waiting_lines(report.orders):
        terminal.note(line)


def say_answered_elsewhere(report: BackfillReport) -> None:
    """Say how many requests are not made because their places have answers, and what they would cost."""
    if report.answered_elsewhere:
        terminal.note(
            f"{pluralize(report.answered_elsewhere, 'request')} not needed, because a retired model answered in the "
            f"same place or an older prompt was answered; --anew asks again: {dollars(report.answered_elsewhere_usd)}"
        )


def waiting_lines(orders: Iterable[PartProgress]) -> list[str]:
    """Say what waits to be sent and for what, a line for each model of an order."""
    return [
        f"order {each.part.number}, {each.part.name}: {pluralize(each.counts.waiting, 'request')} not sent yet; "
        f"{each.waits_for or 'the next poll sends on'}"
        for each in orders
        if each.counts.waiting and each.ended is None
    ]


def _say_batches(report: BackfillReport) -> None:
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
        "answered_elsewhere": report.answered_elsewhere,
        "answered_elsewhere_usd": report.answered_elsewhere_usd,
        "order": report.order,
        "ordered_requests": report.planned_requests,
        "ordered_cost_usd": report.planned_cost_usd,
        "waiting": report.waiting,
        "orders": order_facts(report.orders),
        "late_cost_usd": report.late_cost_usd,
        "left_out": report.left_out,
        "ending": report.ending,
        "failures": {route.label: reason for route, reason in report.failures.items()},
    }


def order_facts(orders: Iterable[PartProgress]) -> list[dict[str, Any]]:
    """Return the progress of orders as JSON values, one object for each model of an order."""
    return [
        {
            "order": each.part.number,
            "stage": each.part.stage,
            "model": each.part.name,
            "access": each.part.access,
            **asdict(each.counts),
            "spent_usd": each.committed.spent_usd,
            "outstanding_usd": each.committed.outstanding_usd,
            "max_cost_usd": each.part.max_cost_usd,
            "waits_for": each.waits_for if each.counts.waiting else None,
            "ended": each.ended,
        }
        for each in orders
    ]
