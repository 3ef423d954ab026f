"""`grabient reconcile`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json, failed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grabient_pipeline.batches.adoption import AdoptionReport
    from grabient_pipeline.batches.reconcile import Finding, ReconcileReport


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("reconcile", epilog="Example: grabient reconcile --adopt k3x9a")(reconcile)


def reconcile(
    margin: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Grace period before an unlisted batch is released."),
    ] = 900,
    adopt: Annotated[
        list[str] | None,
        typer.Option(metavar="LEDGER", help="Also adopt the batches of another ledger, by its id; may be repeated."),
    ] = None,
    json: Json = False,
) -> None:
    """Find lost batches, and those that the ledger lacks.

    A crash can leave a batch reserved: it is adopted if the provider has it, else released. Batches at the providers
    that carry this ledger's id and are not in it, for example because an older copy was restored, are adopted as well.
    """
    pipeline = lazy.Pipeline.from_environment()
    report = pipeline.reconcile(margin_seconds=margin)
    listed = pipeline.adopt(adopt or ())
    if json:
        terminal.say_json({**_facts(report), **_listed_facts(listed)})
    else:
        _say_report(report, listed)
    failures = {**report.failures, **listed.reasons}
    if failures:
        raise failed("; ".join(dict.fromkeys(failures.values())))


def _say_report(report: ReconcileReport, listed: AdoptionReport) -> None:
    adopted = (*report.adopted, *listed.adopted)
    for outcome, findings in (("adopted", adopted), ("released", report.released), ("waiting", report.waiting)):
        for finding in findings:
            name = f" as {finding.batch_id}" if finding.batch_id else ""
            terminal.say(
                f"{outcome:<9} {finding.provider}/{finding.model} {finding.submission}{name}: {finding.evidence}"
            )
    for line in listed.found.left:
        terminal.say(line)
    if not (adopted or report.released or report.waiting or report.failures or listed.found.left or listed.reasons):
        terminal.say("No batches are lost.")


def _listed_facts(listed: AdoptionReport) -> dict[str, object]:
    return {
        "found": _finding_facts(listed.adopted),
        "other_ledgers": listed.found.other_ledgers,
        "unreadable": dict(listed.found.unreadable),
        "not_listed": listed.reasons,
    }


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
