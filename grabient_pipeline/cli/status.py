"""`grabient status`: everything on one screen."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.status import ModelSummary, OpenBatch, Status


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog="Example: grabient status --json")(status)


def status(json: Json = False) -> None:
    """Show how things stand. What is done, what is under way, what it cost, and what needs a hand."""
    from grabient_pipeline.cli import terminal
    from grabient_pipeline.pipeline import Pipeline

    now = Pipeline.from_environment().status()
    if json:
        terminal.say_json(asdict(now))
        return
    _say_totals(now)
    _say_models(now)
    _say_open_batches(now)
    _say_what_needs_a_hand(now)


def _say_totals(now: Status) -> None:
    from grabient_pipeline.cli import terminal

    share = f" of {now.answers:,} ({now.usable_answers / now.answers:.1%})" if now.answers else ""
    for name, value in (
        ("palettes", f"{now.palettes:,}"),
        ("requests", _counts(now.requests)),
        ("batches", _counts(now.batches)),
        ("usable answers", f"{now.usable_answers:,}{share}"),
        ("consensus", f"{now.consensus:,}"),
        ("refined", f"{now.refined:,}" + (f" ({now.stale:,} stale)" if now.stale else "")),
        ("searchable", f"{now.embedded:,}"),
        ("cost so far", dollars(now.cost_usd)),
        ("outstanding", f"{dollars(now.outstanding_usd)} (estimated)"),
        ("paid, not kept", f"{pluralize(now.paid_and_not_kept, 'answer')}"),
    ):
        terminal.say(f"{name:<16}{value}")


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def named_models(now: Status) -> list[tuple[str, ModelSummary]]:
    """All models that have answered, with what they are called on the screen: those that describe, then who refines."""
    return [
        *((f"{each.provider}/{each.model}", each) for each in now.models),
        *((f"{each.provider}/{each.model} (refining)", each) for each in now.refining_models),
    ]


def _say_models(now: Status) -> None:
    from grabient_pipeline.cli import terminal

    models = named_models(now)
    if not models:
        return
    terminal.say()
    terminal.say_table(
        ["model", "answers", "usable", "share", "cost"],
        [
            [
                name,
                f"{each.answers:,}",
                f"{each.usable:,}",
                f"{each.usable / each.answers:.1%}",
                dollars(each.cost_usd),
            ]
            for name, each in models
        ],
        right={"answers", "usable", "share", "cost"},
    )


def _say_open_batches(now: Status) -> None:
    from grabient_pipeline.cli import terminal

    if not now.open_batches:
        return
    moment = dt.datetime.now(dt.UTC)
    terminal.say()
    terminal.say_table(
        ["open batch", "model", "state", "since", "done", "likely end"],
        [
            [
                batch.submission,
                f"{batch.provider}/{batch.model}",
                _state(batch),
                _ago(moment - (batch.submitted_at or batch.created_at)),
                f"{batch.completed_count or 0:,}/{batch.request_count:,}",
                _likely_end(batch, moment),
            ]
            for batch in now.open_batches
        ],
        right={"done"},
        styles=["yellow" if batch.error else "" for batch in now.open_batches],
    )


def _state(batch: OpenBatch) -> str:
    if batch.status == "submitted":
        return batch.provider_status or "submitted"
    return "reserved" if batch.status == "reserved" else "to collect"


def _likely_end(batch: OpenBatch, moment: dt.datetime) -> str:
    """By how long earlier batches took; before there are any, by when the provider promises it."""
    if batch.likely_at is None or batch.latest_at is None:
        return f"within {_window_hours(batch)} h" if batch.due_at and not batch.overdue else ""
    if batch.latest_at <= moment:
        return "later than most"
    likely = f"in {_ago(batch.likely_at - moment)}" if batch.likely_at > moment else "any time"
    return f"{likely}, mostly in {_ago(batch.latest_at - moment)}"


def _ago(passed: dt.timedelta) -> str:
    minutes = max(0, round(passed.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _window_hours(batch: OpenBatch) -> int:
    from grabient_pipeline.providers.catalogue import load_catalogue

    return load_catalogue().provider(batch.provider).window_hours


def _say_what_needs_a_hand(now: Status) -> None:
    from grabient_pipeline.cli import terminal

    lines = [
        f"{batch.provider}/{batch.model} {batch.submission}: {batch.error}" for batch in now.open_batches if batch.error
    ]
    lines += [
        f"{batch.provider}/{batch.model} {batch.submission}: still under way after the provider's "
        f"{_window_hours(batch)} hours; grabient cancel ends it and keeps what was finished"
        for batch in now.open_batches
        if batch.overdue
    ]
    if now.paid_and_not_kept:
        lines.append(
            f"{pluralize(now.paid_and_not_kept, 'answer')} that the providers count never came back "
            "(the view paid_and_not_kept)"
        )
    if now.resting_requests:
        lines.append(
            f"{pluralize(now.resting_requests, 'request')} failed as often as is allowed and will not be asked "
            "again (grabient quarantine)"
        )
    if now.findings:
        lines.append(f"rows of results that were not as they should be: {_counts(now.findings)} (collection_findings)")
    if not lines:
        return
    terminal.say()
    terminal.say("Needs a hand", "bold")
    for line in lines:
        terminal.say(f"- {line}", "yellow")
