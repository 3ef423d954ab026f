"""`grabient reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.reconcile import Finding, ReconcileReport


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile", epilog="Example: grabient reconcile")(reconcile)


def reconcile(
    margin: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Grace period before an unlisted batch is released."),
    ] = 900,
    json: Json = False,
) -> None:
    """Find lost batches. A crash can leave a batch reserved; it is adopted if the provider has it, else released."""
    report = lazy.Pipeline.from_environment().reconcile(margin_seconds=margin)
    if json:
        terminal.say_json(_facts(report))
    else:
        _say_report(report)
    if report.failures:
        raise failed("; ".join(dict.fromkeys(report.failures.values())))


def _say_report(report: ReconcileReport) -> None:
    for outcome, findings in (("adopted", report.adopted), ("released", report.released), ("waiting", report.waiting)):
        for finding in findings:
            name = f" as {finding.batch_id}" if finding.batch_id else ""
            terminal.say(
                f"{outcome:<9} {finding.provider}/{finding.model} {finding.submission}{name}: {finding.evidence}"
            )
    if not (report.adopted or report.released or report.waiting or report.failures):
        terminal.say("No batches are lost.")


def _facts(report: ReconcileReport) -> dict[str, object]:
    return {
        "adopted": _finding_facts(report.adopted),
        "released": _finding_facts(report.released),
        "waiting": _finding_facts(report.waiting),
        "failures": dict(report.failures),
    }


def _finding_facts(findings: Sequence[Finding]) -> list[dict[str, object]]:
    return [
        {
            "submission": finding.submission,
            "model": f"{finding.provider}/{finding.model}",
            "batch_id": finding.batch_id,
            "evidence": finding.evidence,
        }
        for finding in findings
    ]
