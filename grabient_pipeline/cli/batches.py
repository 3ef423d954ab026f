"""`grabient backfill`, `refine` and `poll`: what is missing goes out, what has ended comes in."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli.command_line import Json, failed
from grabient_pipeline.cli.recording import record_backfill, record_collection, record_refinement
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.backfill import BackfillReport
    from grabient_pipeline.batches.collect import CollectedBatch, CollectReport
    from grabient_pipeline.batches.poll import PollReport
    from grabient_pipeline.batches.reconcile import Finding
    from grabient_pipeline.batches.refine import RefinementReport
    from grabient_pipeline.pipeline import Pipeline

# Results that can be fetched at all can be by then; what still cannot is for a person to see to.
_COLLECT_TRIES = 3

# A person has more patience than the sensor: two minutes of this are for lost batches, the rest for the database.
_TICK_SECONDS = 480.0

# How long to wait before trying a busy database again.
_BUSY_SECONDS = 10.0

MaxCost = Annotated[
    float | None,
    typer.Option(metavar="USD", help="Submit nothing if the estimate is above this; otherwise GRABIENT_MAX_COST_USD."),
]
IncludeRetired = Annotated[
    bool, typer.Option("--include-retired", help="Ask models too that their provider has retired.")
]
Direct = Annotated[
    bool,
    typer.Option("--direct", help="By ordinary calls at the full price, without batches; otherwise GRABIENT_DIRECT."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only tell what would be submitted.")]


def add_to(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backfill", epilog="Example: grabient backfill --provider openai --limit 10 --dry-run")(backfill)
    app.command("refine", epilog="Example: grabient refine --stale --dry-run")(refine)
    app.command("poll", epilog="Example: grabient poll --watch --interval 60")(poll)


def backfill(
    model: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PROVIDER/MODEL", help="Ask this model; may be repeated. Otherwise every enabled one with a key."
        ),
    ] = None,
    provider: Annotated[
        list[str] | None, typer.Option(metavar="P", help="Ask only this provider's models; may be repeated.")
    ] = None,
    analysis_count: Annotated[
        int | None,
        typer.Option(metavar="N", help="How often each model describes each palette, from 1 to 20."),
    ] = None,
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most so many palettes for each model.")] = None,
    max_cost: MaxCost = None,
    include_retired: IncludeRetired = False,
    direct: Direct = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Start a backfill. Asks the models for everything that they have not said about the palettes yet."""
    from grabient_pipeline.batches.orders import BackfillRequest
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    request = BackfillRequest(
        models=model or (),
        providers=provider or (),
        analysis_count=analysis_count,
        limit=limit,
        max_cost_usd=max_cost,
        include_retired=include_retired or None,
        dry_run=dry_run,
        direct=direct,
    )
    pipeline = Pipeline.from_environment()
    with terminal.progress() as progress:
        report = pipeline.backfill(request, progress=progress)
    for line in report.left_out:
        terminal.warn(line)
    if json:
        terminal.say_json(_backfill_facts(report))
    else:
        _say_backfill(report, pipeline.status().palettes)
    record_backfill(pipeline.settings, report)
    if report.failures:
        raise failed("; ".join(report.failures.values()))
    if not report.batches and (variables := _missing_key_variables(pipeline)):
        raise failed(f"no provider has a key: set {', '.join(variables[:-1])} or {variables[-1]}")


def refine(
    model: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER/MODEL", help="The refining model; otherwise GRABIENT_REFINEMENT_MODEL."),
    ] = None,
    stale: Annotated[
        bool,
        typer.Option("--stale", help="Also what was refined from another consensus than today's; that is paid again."),
    ] = False,
    limit: Annotated[int | None, typer.Option(metavar="N", help="At most so many palettes.")] = None,
    max_cost: MaxCost = None,
    include_retired: IncludeRetired = False,
    direct: Direct = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Refine what is ready. Asks a strong model to condense the counted tags; polling does that by itself."""
    from grabient_pipeline.batches.orders import RefinementRequest
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    request = RefinementRequest(
        model=model,
        stale=stale,
        limit=limit,
        max_cost_usd=max_cost,
        include_retired=include_retired or None,
        dry_run=dry_run,
        direct=direct,
    )
    with terminal.progress() as progress:
        consensus = pipeline.count_consensus()
        report = pipeline.refine(request, progress=progress)
    for line in report.held_back:
        terminal.warn(line)
    if json:
        stale_facts = {"palettes": report.stale_palettes, "estimated_cost_usd": report.stale_cost_usd}
        terminal.say_json({**_backfill_facts(report.batches), "stale": stale_facts})
    elif report.batches.batches:
        _say_submission(report.batches)
    elif not consensus.palettes:
        terminal.say("There is nothing to refine yet: no palette has a usable answer.")
    elif not report.held_back and not report.batches.failures:
        terminal.say("Nothing is ready: every palette is refined, or its tagging is under way.")
    if not json:
        _say_stale(report)
    record_refinement(pipeline.settings, report, "grabient refine")
    if report.batches.failures:
        raise failed("; ".join(report.batches.failures.values()))


def _say_stale(report: RefinementReport) -> None:
    from grabient_pipeline.cli import terminal

    if report.stale_palettes:
        terminal.note(
            f"{pluralize(report.stale_palettes, 'palette')} had more answers counted since: refining again is "
            f"estimated at {dollars(report.stale_cost_usd)} (grabient refine --stale)"
        )


def _missing_key_variables(pipeline: Pipeline) -> list[str]:
    """The variables, if none of them is set."""
    from grabient_pipeline.providers.catalogue import load_catalogue

    providers = load_catalogue().providers.values()
    if any(pipeline.workspace.providers.has_key(provider.key) for provider in providers):
        return []
    return [provider.key_variable for provider in providers]


def _say_backfill(report: BackfillReport, palettes: int) -> None:
    from grabient_pipeline.cli import terminal

    if not report.batches:
        if not palettes:
            terminal.say("There are no palettes yet: grabient import adds them.")
        elif not report.failures and not report.left_out:
            terminal.say("Nothing is missing: every answer is there or under way.")
        else:
            terminal.say("Nothing was submitted." if not report.dry_run else "Nothing would be submitted.")
        return
    _say_submission(report)


def _say_submission(report: BackfillReport) -> None:
    from grabient_pipeline.cli import terminal

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
    told = f"{pluralize(count, 'batch', 'batches')}, {pluralize(report.request_count, 'request')}, "
    told += f"estimated {dollars(report.estimated_cost_usd)}"
    terminal.say(f"Would submit {told}" if report.dry_run else f"Submitted {told}", "bold")


def _backfill_facts(report: BackfillReport) -> dict[str, Any]:
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


@dataclass
class _Seen:
    """What the polls of one command have come to. `polled` is the last; the rest adds up."""

    polled: PollReport
    collected: list[CollectedBatch] = field(default_factory=list["CollectedBatch"])
    not_collected: dict[str, str] = field(default_factory=dict[str, str])
    adopted: list[Finding] = field(default_factory=list["Finding"])
    not_found: dict[str, str] = field(default_factory=dict[str, str])
    refinement: RefinementReport | None = None
    answers: int = 0
    usable: int = 0
    refined: int = 0
    not_embedded: str = ""
    sent: int = 0

    @property
    def pending(self) -> int:
        """Batches under way, as far as is known."""
        return self.polled.pending + self.sent

    @property
    def reasons(self) -> dict[str, None]:
        """What went wrong last, each once: one reason is often that of many batches."""
        told = [*self.polled.failures.values(), *self.not_collected.values(), *self.not_found.values()]
        if self.refinement is not None:
            told += [*self.refinement.held_back, *self.refinement.batches.failures.values()]
        return dict.fromkeys([*told, self.not_embedded] if self.not_embedded else told)


def poll(
    watch: Annotated[bool, typer.Option("--watch", help="Go on until nothing is under way.")] = False,
    interval: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="With --watch: so long between two polls.")
    ] = 300,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object; with --watch, at the end.")] = False,
) -> None:
    """Ask about batches; collect what has ended."""
    from grabient_pipeline.batches.poll import PollReport
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    pipeline = Pipeline.from_environment()
    seen = _Seen(PollReport())
    if watch:
        _watch(pipeline, seen, interval)
    else:
        _tick(pipeline, seen)
    if json:
        terminal.say_json(_poll_facts(seen))
    else:
        _say_poll(seen)
    if seen.polled.unreachable or seen.not_collected:
        raise failed("; ".join(seen.reasons))
    for reason in seen.reasons:
        terminal.warn(reason)


def _tick(pipeline: Pipeline, seen: _Seen) -> None:
    from grabient_pipeline.deadline import Deadline

    report = pipeline.tick(Deadline.after(_TICK_SECONDS))
    seen.adopted += report.reconciled.adopted
    seen.not_found = dict(report.reconciled.failures)
    seen.polled = report.polled
    # Also what ended at an earlier poll, or was collected by somebody who did not live to read it.
    collected = collect_and_follow_up(pipeline, seen)
    seen.collected += collected.batches
    seen.not_collected = dict(collected.failures)
    seen.answers += sum(batch.answers for batch in collected.batches)
    seen.usable += sum(batch.states.get("succeeded", 0) for batch in collected.batches)


def collect_and_follow_up(pipeline: Pipeline, seen: _Seen | None = None) -> CollectReport:
    """Collect what has ended, and bring all that follows from it as far as it goes; recorded for the Dagster UI."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.follow_up import follow_up

    with terminal.progress() as progress:
        collected = pipeline.collect(progress=progress)
        parsed = pipeline.parse_answers(progress=progress)
        after = follow_up(pipeline, progress=progress)
    record_collection(pipeline.settings, collected, parsed, after)
    if seen is not None:
        seen.refinement = after.refinement
        seen.not_embedded = after.not_embedded
        seen.refined += after.refinement.batches.request_count
        # What has just gone out is under way.
        seen.sent = len(after.refinement.batches.submitted)
    return collected


def _watch(pipeline: Pipeline, seen: _Seen, interval: float) -> None:
    """Tick until nothing is under way, or until it is clear that a person has to see to something."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.errors import WarehouseBusy

    ticks = tries = 0
    while True:
        try:
            _tick(pipeline, seen)
        except WarehouseBusy as error:
            terminal.warn(error)
            time.sleep(min(interval, _BUSY_SECONDS))
            continue
        ticks += 1
        # Who can ask nobody from the start has something to set up; later it is the network, which comes back.
        if ticks == 1 and seen.polled.unreachable:
            return
        tries = 0 if seen.pending else tries + 1
        if not seen.pending and (not seen.not_collected or tries == _COLLECT_TRIES):
            return
        terminal.note(f"{dt.datetime.now().astimezone():%H:%M:%S}  {_progress_in_words(seen)}")
        for reason in seen.reasons:
            terminal.warn(reason)
        time.sleep(interval)


def _progress_in_words(seen: _Seen) -> str:

    done = sum(state.completed or 0 for state in seen.polled.states.values() if state.status == "submitted")
    words = f"{pluralize(seen.pending, 'batch', 'batches')} under way"
    if done:
        words += f", {done:,} requests of theirs done"
    return f"{words}; {pluralize(len(seen.collected), 'batch', 'batches')} collected"


def _say_poll(seen: _Seen) -> None:
    from grabient_pipeline.cli import terminal

    for found in seen.adopted:
        terminal.say(f"Found again: {found.provider}/{found.model} {found.batch_id} ({found.evidence})")
    if seen.collected:
        terminal.say_table(
            ["collected", "ended as", "succeeded", "failed", "released", "cost"],
            [
                [
                    f"{batch.provider}/{batch.model}",
                    batch.status,
                    *(f"{batch.states.get(state, 0):,}" for state in ("succeeded", "failed", "released")),
                    f"${batch.cost_usd:.4f}",
                ]
                for batch in seen.collected
            ],
            right={"succeeded", "failed", "released", "cost"},
        )
        terminal.say()
        terminal.say(
            f"Collected {pluralize(len(seen.collected), 'batch', 'batches')} for "
            f"{dollars(sum(batch.cost_usd for batch in seen.collected))}: {seen.answers:,} answers, "
            f"{seen.usable:,} of them usable"
        )
        for batch in seen.collected:
            for kind, count in batch.findings.items():
                terminal.warn(f"{batch.provider}/{batch.model}: {pluralize(count, f'{kind} row')} in its results")
    if seen.refined:
        terminal.say(f"Sent {pluralize(seen.refined, 'palette')} to be refined")
    states = Counter(state.provider_status for state in seen.polled.states.values() if state.status == "submitted")
    words = ", ".join(f"{count:,} {state}" for state, count in states.items())
    unseen = len(seen.polled.failures)
    if unseen:
        words += f"{', ' if words else ''}{unseen:,} could not be asked"
    if seen.sent:
        words += f"{', ' if words else ''}{seen.sent:,} just sent"
    if seen.pending:
        terminal.say(f"{pluralize(seen.pending, 'batch', 'batches')} under way: {words}")
    else:
        terminal.say("Nothing is under way.")


def _poll_facts(seen: _Seen) -> dict[str, Any]:
    return {
        "pending": seen.pending,
        "states": {
            submission: {
                "status": state.status,
                "provider_status": state.provider_status,
                "completed": state.completed,
                "failed": state.failed,
                "error": state.error,
            }
            for submission, state in seen.polled.states.items()
        },
        "failures": dict(seen.polled.failures),
        "found_again": [found.submission for found in seen.adopted],
        "collected": [
            {
                "submission": batch.submission,
                "stage": batch.stage,
                "model": f"{batch.provider}/{batch.model}",
                "status": batch.status,
                "requests": dict(batch.states),
                "findings": dict(batch.findings),
                "cost_usd": batch.cost_usd,
            }
            for batch in seen.collected
        ],
        "not_collected": seen.not_collected,
        "sent_to_be_refined": seen.refined,
        "held_back": list(seen.refinement.held_back) if seen.refinement else [],
        "answers": seen.answers,
        "usable_answers": seen.usable,
    }
