"""`grabient poll`: poll pending batches, collect ended ones, and run the steps that follow."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grabient_pipeline.cli import lazy, recording, terminal
from grabient_pipeline.cli.command_line import failed
from grabient_pipeline.cli.refine import reports_by_asset
from grabient_pipeline.cli.submission import order_facts, waiting_lines
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.formatting import dollars, pluralize

if TYPE_CHECKING:
    from grabient_pipeline.batches.collect import CollectedBatch, CollectReport
    from grabient_pipeline.batches.order_progress import PartProgress
    from grabient_pipeline.batches.parse import ParseReport
    from grabient_pipeline.batches.poll import PollReport
    from grabient_pipeline.batches.reconcile import Finding
    from grabient_pipeline.batches.send_on import SendReport
    from grabient_pipeline.follow_up import FollowUpReport
    from grabient_pipeline.pipeline import Pipeline
    from grabient_pipeline.providers.base import Route

# A person has more patience than the sensor. Two minutes of this are for lost batches, the rest for the database.
_TICK_SECONDS = 480.0

# The wait before a busy database is tried again.
_BUSY_SECONDS = 10.0


@dataclass
class PollSummary:
    """The results of all polls of one command. `polled` and the failures are those of the last poll; the rest adds up.

    Attributes:
        not_collected: why batches could not be collected, by submission or provider.
        waiting: what ended batches still owe, by submission.
        refused: of those not collected, the ones that need a person.
        not_found: why lost batches could not be looked up, by submission.
        palettes_sent: palettes submitted for refinement.
        batches_sent: batches that the last poll submitted.
        sent_on: requests of open orders that were sent on.
        late: batches that were cancelled because they were late.
        orders: the progress of the open orders.
        unusable: the routes that need a person.
    """

    polled: PollReport
    collected: list[CollectedBatch] = field(default_factory=list["CollectedBatch"])
    not_collected: dict[str, str] = field(default_factory=dict[str, str])
    waiting: dict[str, str] = field(default_factory=dict[str, str])
    refused: frozenset[str] = frozenset()
    adopted: list[Finding] = field(default_factory=list["Finding"])
    not_found: dict[str, str] = field(default_factory=dict[str, str])
    held_back: tuple[str, ...] = ()
    not_submitted: tuple[str, ...] = ()
    not_sent: tuple[str, ...] = ()
    not_embedded: str = ""
    answers: int = 0
    usable: int = 0
    palettes_sent: int = 0
    late: int = 0
    batches_sent: int = 0
    sent_on: int = 0
    orders: list[PartProgress] = field(default_factory=list["PartProgress"])
    unusable: frozenset[Route] = frozenset()

    @property
    def waiting_requests(self) -> int:
        """The ordered requests that later polls send on without a person."""
        return sum(
            each.counts.waiting
            for each in self.orders
            if each.ended is None and not each.is_stuck and each.part.route not in self.unusable
        )

    @property
    def pending(self) -> int:
        """The number of pending batches, as far as is known."""
        return self.polled.pending + self.batches_sent

    @property
    def to_collect(self) -> int:
        """The number of ended batches that are not settled."""
        return len(self.not_collected.keys() | self.waiting.keys())

    @property
    def hopeless(self) -> bool:
        """Whether nothing can go on until a person has changed a key or a setting."""
        pending = self.polled.hopeless or not self.pending
        return pending and not self.waiting and not self.waiting_requests and self.refused >= self.not_collected.keys()

    @property
    def reasons(self) -> list[str]:
        """What went wrong in the last poll. Many batches often share one reason, which is listed once."""
        reasons = [
            *self.polled.failures.values(),
            *self.not_collected.values(),
            *self.waiting.values(),
            *self.not_found.values(),
            *self.held_back,
            *self.not_submitted,
            *self.not_sent,
            self.not_embedded,
        ]
        return list(dict.fromkeys(filter(None, reasons)))

    def add_collected(self, collected: CollectReport) -> None:
        """Add what a poll collected."""
        self.collected += collected.batches
        self.not_collected = dict(collected.failures)
        self.waiting = dict(collected.waiting)
        self.refused = collected.refused
        self.answers += sum(batch.answers for batch in collected.batches)
        self.usable += sum(batch.states.get("succeeded", 0) for batch in collected.batches)

    def add_sent_on(self, sent: SendReport) -> None:
        """Add what a poll sent on."""
        self.sent_on += sent.request_count
        self.batches_sent = len(sent.submitted)
        self.late += sum(batch.is_cancelled for batch in sent.late)
        not_cancelled = [batch.error for batch in sent.late if batch.error is not None]
        self.not_sent = (*sent.failures.values(), *sent.held_back, *not_cancelled)
        self.unusable = sent.refused

    def add_follow_up(self, report: FollowUpReport) -> None:
        """Add what the steps after collecting did."""
        refinement = report.refinement
        self.held_back = tuple(refinement.held_back)
        self.not_submitted = tuple(refinement.batches.failures.values())
        self.not_embedded = report.not_embedded
        self.palettes_sent += refinement.batches.request_count
        self.batches_sent += len(refinement.batches.submitted)


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command("poll", epilog="Example: grabient poll --watch --interval 60")(poll)


def poll(
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep polling until nothing is pending or to be sent.")
    ] = False,
    interval: Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Time between polls with --watch.")] = 300,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object; with --watch, at the end.")] = False,
) -> None:
    """Poll pending batches and collect the results. Sends on open orders; parses, refines and indexes the results."""
    pipeline = lazy.Pipeline.from_environment()
    summary = PollSummary(lazy.PollReport())
    if watch:
        _watch(pipeline, summary, interval)
    else:
        _poll_once(pipeline, summary)
    if json:
        terminal.say_json(_facts(summary))
    else:
        _say_summary(summary)
    if summary.polled.unreachable or summary.not_collected:
        raise failed("; ".join(summary.reasons))
    for reason in summary.reasons:
        terminal.warn(reason)


def collect_and_follow_up(
    pipeline: Pipeline, *, every_late: bool = False, refine: bool = True
) -> tuple[CollectReport, FollowUpReport]:
    """Collect ended batches and run every step that follows; report it all to Dagster.

    Args:
        every_late: also ask now for what settled and abandoned batches still owe, which is otherwise asked once a day.
        refine: whether palettes that are ready are submitted for refinement.
    """
    with terminal.progress() as progress:
        collected = pipeline.collect(every_late=every_late, progress=progress)
        parsed = pipeline.parse_answers(progress=progress)
        followed = lazy.follow_up(pipeline, refine=refine, progress=progress)
    recording.record(pipeline.settings, "grabient poll", _reports_by_asset(collected, parsed, followed))
    return collected, followed


def _reports_by_asset(collected: CollectReport, parsed: ParseReport, followed: FollowUpReport) -> dict[str, object]:
    reports: dict[str, object] = {**reports_by_asset(followed.refinement)}
    if collected.batches or parsed.batches:
        reports |= {
            "tag_responses": collected,
            "palette_tags": parsed,
            "palette_tag_consensus": followed.consensus,
            "model_scorecard": followed.scores,
            "palette_tag_refined": followed.refined,
            "palette_gallery": followed.gallery,
        }
        if followed.embedded is not None:
            reports["palette_embeddings"] = followed.embedded
    return reports


def _poll_once(pipeline: Pipeline, summary: PollSummary, *, every_late: bool = True) -> None:
    report = pipeline.tick(Deadline.after(_TICK_SECONDS))
    summary.adopted += [*report.reconciled.adopted, *report.listed.adopted]
    summary.not_found = {**report.reconciled.failures, **report.listed.reasons}
    summary.polled = report.polled
    with terminal.progress() as progress:
        summary.add_sent_on(pipeline.send_on(progress=progress))
    # Includes batches that ended at an earlier poll, and collected responses that a killed process did not parse.
    collected, followed = collect_and_follow_up(pipeline, every_late=every_late)
    summary.add_collected(collected)
    summary.add_follow_up(followed)
    summary.orders = pipeline.open_orders()


def _watch(pipeline: Pipeline, summary: PollSummary, interval: float) -> None:
    """Poll until nothing is pending or to be collected, or until a person has to see to the keys."""
    polls = 0
    while True:
        try:
            _poll_once(pipeline, summary, every_late=polls == 0)
        except WarehouseBusy as error:
            terminal.warn(error)
            time.sleep(min(interval, _BUSY_SECONDS))
            continue
        polls += 1
        if not (summary.pending or summary.to_collect or summary.waiting_requests):
            return
        # Anything else may pass: a network, a provider, a batch that is not found at the first look.
        if summary.hopeless:
            return
        terminal.note(f"{dt.datetime.now().astimezone():%H:%M:%S}  {_progress_line(summary)}")
        for reason in summary.reasons:
            terminal.warn(reason)
        time.sleep(interval)


def _progress_line(summary: PollSummary) -> str:
    completed = sum(state.completed or 0 for state in summary.polled.states.values() if state.status == "submitted")
    line = f"{pluralize(summary.pending, 'batch', 'batches')} pending"
    if completed:
        line += f" ({pluralize(completed, 'request')} completed)"
    if summary.to_collect:
        line += f", {summary.to_collect:,} to collect"
    if summary.waiting_requests:
        line += f", {pluralize(summary.waiting_requests, 'request')} to send on"
    return f"{line}, {len(summary.collected):,} collected"


def _say_summary(summary: PollSummary) -> None:
    for finding in summary.adopted:
        terminal.say(f"Adopted: {finding.provider}/{finding.model} {finding.batch_id} ({finding.evidence})")
    if summary.collected:
        _say_collected(summary)
    if summary.sent_on:
        terminal.say(f"Sent on {pluralize(summary.sent_on, 'request')} of open orders")
    if summary.late:
        terminal.say(f"Cancelled {pluralize(summary.late, 'late batch', 'late batches')}")
    if summary.palettes_sent:
        terminal.say(f"Submitted {pluralize(summary.palettes_sent, 'palette')} for refinement")
    for line in waiting_lines(summary.orders):
        terminal.note(line)
    if summary.pending:
        terminal.say(f"{pluralize(summary.pending, 'batch', 'batches')} pending: {_pending_states(summary)}")
    if summary.to_collect:
        terminal.say(f"{pluralize(summary.to_collect, 'batch', 'batches')} to collect")
    if not (summary.pending or summary.to_collect):
        terminal.say("No batches are pending.")


def _say_collected(summary: PollSummary) -> None:
    states = ("succeeded", "failed", "released")
    terminal.say_table(
        ["collected", "status", *states, "cost"],
        [
            [
                f"{batch.provider}/{batch.model}",
                batch.status,
                *(f"{batch.states.get(state, 0):,}" for state in states),
                f"${batch.cost_usd:.4f}",
            ]
            for batch in summary.collected
        ],
        right={*states, "cost"},
    )
    terminal.say()
    terminal.say(
        f"Collected {pluralize(len(summary.collected), 'batch', 'batches')} for "
        f"{dollars(sum(batch.cost_usd for batch in summary.collected))}: {pluralize(summary.answers, 'answer')}, "
        f"{summary.usable:,} usable"
    )
    for batch in summary.collected:
        findings = [f"{pluralize(count, f'{kind} row')} in the results" for kind, count in batch.findings.items()]
        for line in [*batch.complaints, *findings]:
            terminal.warn(f"{batch.provider}/{batch.model}: {line}")


def _pending_states(summary: PollSummary) -> str:
    states = Counter(state.provider_status for state in summary.polled.states.values() if state.status == "submitted")
    words = [f"{count:,} {state}" for state, count in states.items()]
    if summary.polled.failures:
        words.append(f"{len(summary.polled.failures):,} could not be polled")
    if summary.polled.postponed:
        words.append(f"{len(summary.polled.postponed):,} asked at the next poll")
    if summary.batches_sent:
        words.append(f"{summary.batches_sent:,} just submitted")
    return ", ".join(words)


def _facts(summary: PollSummary) -> dict[str, Any]:
    return {
        "pending": summary.pending,
        "states": {
            submission: {
                "status": state.status,
                "provider_status": state.provider_status,
                "completed": state.completed,
                "failed": state.failed,
                "error": state.error,
            }
            for submission, state in summary.polled.states.items()
        },
        "failures": dict(summary.polled.failures),
        "postponed": sorted(summary.polled.postponed),
        "found_again": [finding.submission for finding in summary.adopted],
        "collected": [
            {
                "submission": batch.submission,
                "stage": batch.stage,
                "model": f"{batch.provider}/{batch.model}",
                "status": batch.status,
                "requests": dict(batch.states),
                "findings": dict(batch.findings),
                "error": batch.error,
                "failures": dict(batch.failures),
                "waiting": batch.waiting,
                "cost_usd": batch.cost_usd,
            }
            for batch in summary.collected
        ],
        "not_collected": summary.not_collected,
        "waiting": summary.waiting,
        "cancelled_late": summary.late,
        "sent_to_be_refined": summary.palettes_sent,
        "sent_on": summary.sent_on,
        "orders": order_facts(summary.orders),
        "held_back": list(summary.held_back),
        "answers": summary.answers,
        "usable_answers": summary.usable,
    }
