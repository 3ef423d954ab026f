"""`grabient backfill`."""

from __future__ import annotations

from dataclasses import replace
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
    say_answered_elsewhere,
    say_submission,
    submission_facts,
)
from grabient_pipeline.formatting import pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.status import Status
    from grabient_pipeline.pipeline import Pipeline


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backfill", epilog="Example: grabient backfill --provider openai --limit 10 --dry-run")(backfill)


def backfill(  # noqa: PLR0913  # one parameter per option
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER/MODEL",
            help="Only this model; may be repeated.",
            show_default="the panel",
        ),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(metavar="P", help="Only this provider's models; may be repeated.")
    ] = None,
    analysis_count: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="How often each model describes each palette, from 1 to 20.",
            show_default="tag-analysis-count",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most this many palettes per model.")] = None,
    max_cost: MaxCost = None,
    anew: Annotated[
        bool,
        typer.Option(
            "--anew",
            help="Also request what retired models have answered in the same place, and what was answered to an older "
            "prompt.",
        ),
    ] = False,
    include_retired: IncludeRetired = False,
    direct: Direct = False,
    deadline: Deadline = None,
    then: Then = None,
    with_image: Annotated[
        bool,
        typer.Option(
            "--with-image",
            help="Attach the picture of each palette. Asks models that take pictures everything once more, as another "
            "version of the prompt; the others are left out.",
        ),
    ] = False,
    ignore_unknown: IgnoreUnknown = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Order all missing responses. Submits what there is room for; polling sends on the rest, within the cost cap."""
    request = lazy.BackfillRequest(
        models=model or (),
        providers=provider or (),
        analysis_count=analysis_count,
        limit=limit,
        max_cost_usd=max_cost,
        include_retired=include_retired or None,
        dry_run=dry_run,
        direct=direct,
        ignore_unknown=ignore_unknown,
        deadline_hours=deadline,
        when_late=then,
        anew=anew,
        with_image=with_image,
    )
    pipeline = lazy.Pipeline.from_environment()
    with terminal.progress() as progress:
        report = pipeline.backfill(request, progress=progress)
    for line in report.left_out:
        terminal.warn(line)
    if json:
        terminal.say_json(submission_facts(report))
    else:
        _say_backfill(report, pipeline.status())
    recording.record(pipeline.settings, "grabient backfill", _reports_by_asset(report))
    if report.failures:
        raise failed("; ".join(report.failures.values()))
    if not report.batches and (variables := _missing_key_variables(pipeline)):
        raise failed(f"no provider has a key: set {', '.join(variables[:-1])} or {variables[-1]}")


def _say_backfill(report: BackfillReport, current: Status) -> None:
    if report.batches or report.waiting:
        say_submission(report)
    elif not current.palettes:
        terminal.say("There are no palettes yet: grabient import adds them.")
    elif report.failures or report.left_out:
        terminal.say("Nothing would be submitted." if report.dry_run else "Nothing was submitted.")
    elif current.resting_requests:
        terminal.say(
            f"Nothing can be submitted: {pluralize(current.resting_requests, 'request')} failed three times and "
            "will not be submitted again (see grabient quarantine)"
        )
    else:
        terminal.say("Nothing is missing: every response is collected or pending.")
        say_answered_elsewhere(report)
    for each in current.failing:
        terminal.warn(
            f"{each.provider}/{each.model}: {pluralize(each.requests, 'request')} failed so far: {each.reason}"
        )


def _missing_key_variables(pipeline: Pipeline) -> list[str]:
    """Return the providers' key variables if none of them is set."""
    providers = lazy.load_catalogue().providers.values()
    if any(pipeline.workspace.providers.has_key(provider.key) for provider in providers):
        return []
    return [provider.key_variable for provider in providers]


def _reports_by_asset(report: BackfillReport) -> dict[str, BackfillReport]:
    """Split a report by provider, because each provider is an asset; empty for a dry run."""
    if report.dry_run:
        return {}
    providers = dict.fromkeys(batch.route.provider for batch in report.submitted)
    return {
        f"{provider}_batches": replace(
            report, batches=tuple(batch for batch in report.batches if batch.route.provider == provider)
        )
        for provider in providers
    }
