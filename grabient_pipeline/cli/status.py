"""`grabient status`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from grabient_pipeline.cli import lazy, terminal
from grabient_pipeline.cli.command_line import Json
from grabient_pipeline.cli.tokens import say_tokens
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.order_status import OrderStatus, PartStatus
    from grabient_pipeline.batches.status import ModelSummary, OpenBatch, Status

# A batch in one of these states cannot be cancelled any more.
_ENDING = ("cancelling", "canceling", "CANCELLING", "finalizing")


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog="Example: grabient status --json")(status)


def status(json: Json = False) -> None:
    """Show the current state. What is done, pending and spent, and what needs attention."""
    current = lazy.Pipeline.from_environment().status()
    if json:
        terminal.say_json(asdict(current))
        return
    _say_totals(current)
    _say_models(current)
    _say_orders(current)
    _say_open_batches(current)
    _say_needs_attention(current)
    for correction in current.price_corrections:
        terminal.say(f"Corrected: {correction}")


def _say_totals(current: Status) -> None:
    share = f" of {current.answers:,} ({current.usable_answers / current.answers:.1%})" if current.answers else ""
    for name, value in (
        ("palettes", f"{current.palettes:,}"),
        ("requests", _counts(current.requests)),
        ("batches", _counts(current.batches)),
        ("orders", _orders(current.orders)),
        ("usable answers", f"{current.usable_answers:,}{share}"),
        ("consensus", f"{current.consensus:,}"),
        ("refined", f"{current.refined:,}" + (f" ({current.stale:,} stale)" if current.stale else "")),
        ("embedded", f"{current.embedded:,}"),
        ("cost", dollars(current.cost_usd)),
        ("outstanding", f"{dollars(current.outstanding_usd)} (estimated)"),
        ("paid, not kept", pluralize(current.paid_and_not_kept, "answer")),
        ("backups", _backups(current)),
    ):
        terminal.say(f"{name:<16}{value}")


def _orders(orders: Sequence[OrderStatus]) -> str:
    if not orders:
        return "none open"
    waiting = sum(order.waiting for order in orders)
    return f"{len(orders):,} open" + (f" ({pluralize(waiting, 'request')} not sent yet)" if waiting else "")


def _backups(current: Status) -> str:
    backups = current.backups
    if backups.newest_at is None:
        return "none yet"
    age = _duration(dt.datetime.now(dt.UTC) - backups.newest_at)
    return f"{backups.count:,} ({backups.megabytes:,.1f} MB), the newest {age} old"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items()) or "none"


def named_models(current: Status) -> list[tuple[str, ModelSummary]]:
    """Return all models that have answered, with their labels: tagging models first, then refining models."""
    return [
        *((f"{each.provider}/{each.model}", each) for each in current.models),
        *((f"{each.provider}/{each.model} (refining)", each) for each in current.refining_models),
    ]


def _say_models(current: Status) -> None:
    models = named_models(current)
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
    terminal.say()
    say_tokens(models)


def _say_orders(current: Status) -> None:
    """Print a table of the open orders, with one row for each model."""
    rows = [(order, part) for order in current.orders for part in order.parts]
    if not rows:
        return
    moment = dt.datetime.now(dt.UTC)
    terminal.say()
    terminal.say_table(
        ["order", "model", "sent", "answered", "waiting", "waits for", "in use", "likely end"],
        [
            [
                str(order.number),
                part.model + (" (direct)" if part.access == "direct" else ""),
                f"{part.sent:,}",
                f"{part.answered:,}",
                f"{part.waiting:,}",
                part.wait_words,
                part.room_words,
                _likely_end_of_part(part, moment),
            ]
            for order, part in rows
        ],
        right={"order", "sent", "answered", "waiting"},
        styles=["yellow" if part.is_stuck or part.ended else "" for _, part in rows],
    )
    for order in current.orders:
        terminal.say(
            f"Order {order.number} ({order.kind}): {dollars(order.spent_usd)} spent, "
            f"{dollars(order.outstanding_usd)} outstanding, {dollars(order.expected_usd)} expected in all, "
            f"cap {dollars(order.max_cost_usd)}"
        )


def _say_open_batches(current: Status) -> None:
    if not current.open_batches:
        return
    moment = dt.datetime.now(dt.UTC)
    terminal.say()
    terminal.say_table(
        ["open batch", "model", "state", "age", "completed", "likely end"],
        [
            [
                batch.submission,
                f"{batch.provider}/{batch.model}",
                _state(batch),
                _duration(moment - (batch.submitted_at or batch.created_at)),
                f"{batch.completed_count or 0:,}/{batch.request_count:,}",
                _likely_end(batch, moment),
            ]
            for batch in current.open_batches
        ],
        right={"completed"},
        styles=["yellow" if batch.error or batch.trouble else "" for batch in current.open_batches],
    )


def _state(batch: OpenBatch) -> str:
    if batch.status == "submitted":
        return batch.provider_status or "submitted"
    if batch.status in ("reserved", "abandoned"):
        return batch.status
    return f"to collect ({batch.waiting:,} missing)" if batch.waiting else "to collect"


def _likely_end(batch: OpenBatch, moment: dt.datetime) -> str:
    """Estimate the end from earlier batches; before there are any, from the provider's processing window."""
    if batch.likely_at is None or batch.latest_at is None:
        return f"within {batch.window_hours} h" if batch.due_at and not batch.overdue else ""
    return _end_words(batch.likely_at, batch.latest_at, moment)


def _end_words(likely_at: dt.datetime | None, latest_at: dt.datetime, moment: dt.datetime) -> str:
    """Say when half and nine of ten of its kind would have ended; without the first, `latest_at` is a limit."""
    if latest_at <= moment:
        return "later than usual"
    latest = _duration(latest_at - moment)
    if likely_at is None:
        return f"within {latest}"
    likely = f"in {_duration(likely_at - moment)}" if likely_at > moment else "any time"
    return f"{likely} (90% within {latest})"


def _likely_end_of_part(part: PartStatus, moment: dt.datetime) -> str:
    return "" if part.latest_at is None else _end_words(part.likely_at, part.latest_at, moment)


def _duration(elapsed: dt.timedelta) -> str:
    minutes = max(0, round(elapsed.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _say_needs_attention(current: Status) -> None:
    lines = [line for batch in current.open_batches for line in _batch_lines(batch)]
    waiting = current.stuck
    for reason in dict.fromkeys([*current.complaints, *waiting]):
        lines.append(f"{reason} (waiting: {waiting[reason]})" if reason in waiting else reason)
    lines += lazy.finding_lines(current.catalogue)
    if current.paid_and_not_kept:
        lines.append(
            f"{pluralize(current.paid_and_not_kept, 'answer')} that the providers counted were never delivered "
            "(see the view paid_and_not_kept)"
        )
    if current.resting_requests:
        lines.append(
            f"{pluralize(current.resting_requests, 'request')} failed three times and will not be submitted again "
            "(see grabient quarantine)"
        )
    if current.findings:
        lines.append(f"unexpected result rows: {_counts(current.findings)} (see the table collection_findings)")
    if not lines:
        return
    terminal.say()
    terminal.say("Needs attention", "bold")
    for line in lines:
        terminal.say(f"- {line}", "yellow")


def _batch_lines(batch: OpenBatch) -> list[str]:
    """What a person should know of a batch, and what can be done."""
    name = f"{batch.provider}/{batch.model} {batch.submission}"
    if batch.status == "abandoned":
        return []
    lines = [f"{name}: {batch.error}"] if batch.error else []
    if batch.trouble:
        since = f" (since {batch.trouble_since:%a %d %b %H:%M} UTC)" if batch.trouble_since else ""
        gone = "; if that stays so, grabient abandon gives it up" if "HTTP 4" in batch.trouble else ""
        lines.append(f"{name}: {batch.trouble}{since}{gone}")
    elif batch.overdue:
        ending = batch.provider_status in _ENDING
        advice = "grabient abandon gives it up" if ending else "grabient cancel stops it and keeps the finished part"
        lines.append(f"{name}: still {batch.provider_status} after the provider's {batch.window_hours} hours; {advice}")
    return lines
