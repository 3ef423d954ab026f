"""Settling: store the answers that an ended batch has delivered, and wait for those that its provider still owes.

What is delivered is stored at once. A request without an answer is settled only when the rows account for every request
and the answers for what the provider counts, when the provider owes it no row, or when patience is over. Later
answers are stored too: they replace what was settled without one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import duckdb

from grabient_pipeline.batches.costs import show_responses
from grabient_pipeline.batches.found_requests import find_requests
from grabient_pipeline.batches.ledger import finish, free_claims
from grabient_pipeline.batches.parse import store_parsed
from grabient_pipeline.batches.pauses import pause_if_failing
from grabient_pipeline.batches.refusals import record_refusal, refusal_of
from grabient_pipeline.batches.stages import STAGES
from grabient_pipeline.batches.staging import show_staged
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.providers.base import AccessMode, BatchState, BatchStatus, Owed, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.warehouse import sql

# The outcome of a request without a row, by the status of its batch. What a failed batch has not answered never ran.
_OUTCOMES_OF_THE_REST = {"completed": "missing", "failed": "cancelled", "expired": "expired", "cancelled": "cancelled"}


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """An ended batch with something to collect.

    `waits_until`: how long results that are not there are waited for. `collected_at`: when it was settled; None if it
    is not. `reported`, `reported_failed`: the provider's counts as last asked. `is_found`: whether it was adopted
    without a reservation, so that its requests are known only from its results.
    """

    submission: str
    stage: str
    provider: str
    access: AccessMode
    model: str
    batch_id: str
    status: str
    error: str | None
    created_at: dt.datetime
    request_count: int
    waits_until: dt.datetime
    collected_at: dt.datetime | None = None
    reported: int | None = None
    reported_failed: int | None = None
    is_found: bool = False

    @property
    def route(self) -> Route:
        """How its provider is reached."""
        return Route(self.provider, self.access)

    @property
    def kept_until(self) -> dt.datetime:
        """When its provider deletes the results."""
        return self.created_at + dt.timedelta(days=load_catalogue().provider(self.provider).retention_days)

    @property
    def is_late(self) -> bool:
        """Whether its requests were settled or given up before; then only answers are stored."""
        return self.collected_at is not None or self.status == "abandoned"

    @property
    def is_awaited(self) -> bool:
        """Whether it is still worth waiting for results that are not there."""
        return dt.datetime.now(dt.UTC) < min(self.waits_until, self.kept_until)


@dataclass(frozen=True, slots=True)
class CollectedBatch:
    """What one look at a batch brought: its requests by state, findings by kind, and the cost so far in US dollars.

    `failures`: why requests gave nothing usable, in the provider's words, with their numbers. `error`: the batch's own
    error. `waiting`: requests that are still waited for, and `trouble` says why.
    """

    submission: str
    stage: str
    provider: str
    model: str
    status: str
    states: Mapping[str, int]
    findings: Mapping[str, int]
    cost_usd: float
    failures: Mapping[str, int] = field(default_factory=dict[str, int])
    error: str | None = None
    waiting: int = 0
    trouble: str | None = None
    settled: bool = True

    @property
    def answers(self) -> int:
        """Requests that succeeded or failed; the provider never ran the others."""
        return sum(self.states.get(state, 0) for state in ("succeeded", "failed"))

    @property
    def complaints(self) -> list[str]:
        """What was wrong, in the provider's words: the error of the batch, and the commonest one of its requests."""
        lines = [f"the batch ended as {self.status}: {self.error}"] if self.error else []
        if self.failures and self.states.get("failed"):
            reason, count = next(iter(self.failures.items()))
            lines.append(f"{pluralize(count, 'request')} gave nothing usable: {reason}")
        return lines


def read_chosen(connection: duckdb.DuckDBPyConnection) -> list[EndedBatch]:
    """Read the batches in the table `chosen_batches` (submission) of the connection."""
    return [EndedBatch(*row) for row in connection.execute(sql(__package__, "chosen_batches")).fetchall()]


class Rows(NamedTuple):
    """What is there of a batch, now and from earlier looks: requests by what became of them.

    `answered` ones succeeded or failed, `absent` ones have no row, and the rest has a row that says that they never
    ran.
    """

    requests: int
    succeeded: int
    answered: int
    absent: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a batch can be settled. `lacking`: answers that the provider counts and did not give."""

    settles: bool
    waiting: int
    lacking: int
    reason: str | None = None


def judge(batch: EndedBatch, delivered: BatchState, rows: Rows, owed: Mapping[BatchStatus, Owed]) -> Verdict:
    """Decide whether the requests without an answer can be settled.

    Args:
        delivered: the state of the batch when its files were fetched.
        owed: what its provider owes, by the status of a batch.
    """
    unanswered = rows.requests - rows.answered
    counted = _counted(delivered, rows.requests)
    promised = counted if counted is not None else rows.requests if delivered.status == "completed" else 0
    lacking = min(unanswered, max(0, promised - rows.succeeded))
    all_there = not unanswered or (not rows.absent and (counted is None or rows.succeeded >= counted))
    if all_there or not _owes(owed.get(delivered.status), delivered):
        return Verdict(not batch.is_late, 0, 0 if all_there or batch.access == "direct" else lacking)
    if batch.is_late:
        return Verdict(False, unanswered if batch.status == "abandoned" else 0, lacking)
    given = f"{pluralize(rows.answered, 'answer')} of {rows.requests:,}"
    said = f"the provider counts {counted:,} completed" if counted is not None else "the provider counts nothing"
    if not batch.is_awaited:
        return Verdict(True, 0, lacking, f"{said}, and gave {given}")
    until = f"{min(batch.waits_until, batch.kept_until):%d %b %H:%M} UTC"
    reason = (
        f"waiting for {pluralize(unanswered, 'result')}: {said}, and gave {given} so far; every poll until {until} "
    )
    return Verdict(False, unanswered, lacking, f"{reason}asks again")


def _counted(state: BatchState, requests: int) -> int | None:
    """Return the requests that the provider counts as completed; None if its counts cannot be right.

    Counts of nothing are no counts. Only those of a completed batch must add up: one that ended early may count the
    requests that it did not run or not.
    """
    if state.completed is None:
        return None
    total = state.completed + (state.failed or 0)
    if total == 0 or (state.status == "completed" and total != requests):
        return None
    return state.completed


def _owes(owed: Owed | None, state: BatchState) -> bool:
    if owed == "every row unless explained":
        return not state.error or bool(state.completed or state.failed)
    return owed == "every row"


def settle(
    connection: duckdb.DuckDBPyConnection,
    batch: EndedBatch,
    delivered: BatchState,
    staged: list[str],
    owed: Mapping[BatchStatus, Owed],
) -> CollectedBatch | None:
    """Store the rows of staged files, inside the caller's transaction.

    Returns:
        what was stored; None if another process settled or abandoned the batch meanwhile.
    """
    of_batch = {"submission": batch.submission}
    ((status, collected_at),) = connection.execute(
        "SELECT status, collected_at FROM tag_batches WHERE submission = $submission", of_batch
    ).fetchall()
    if collected_at != batch.collected_at or (status == "abandoned") != (batch.status == "abandoned"):
        return None
    show_staged(connection, staged)
    show_responses(connection, batch.submission)
    rows = _count_rows(connection, batch, delivered)
    verdict = judge(batch, delivered, rows, owed)
    error = delivered.error or batch.error
    why = f"the batch ended as {delivered.status}" + (f": {error}" if error else " without this request")
    _store_rows(connection, batch, verdict, _OUTCOMES_OF_THE_REST.get(delivered.status, "missing"), why)
    cost_usd, finished = record_look(connection, batch, delivered, verdict)
    if verdict.settles:
        _record_full_queue(connection, batch, delivered, error)
        pause_if_failing(connection, batch.provider, batch.model)
    collected = dict(connection.execute(sql(__package__, "count_collected"), of_batch).fetchall())
    failures = dict(connection.execute(sql(__package__, "collected_failures"), {"why": why}).fetchall())
    findings = connection.execute(
        "SELECT kind, count(*) FROM collection_findings WHERE submission = $submission GROUP BY kind", of_batch
    ).fetchall()
    return CollectedBatch(
        batch.submission,
        batch.stage,
        batch.provider,
        batch.model,
        delivered.status if status != "abandoned" else status,
        collected,
        dict(findings),
        cost_usd,
        failures,
        error,
        verdict.waiting,
        None if finished else verdict.reason,
        finished,
    )


def _record_full_queue(
    connection: duckdb.DuckDBPyConnection, batch: EndedBatch, delivered: BatchState, error: str | None
) -> None:
    """Record that a batch failed because the queue was full: some providers accept it and fail it at once."""
    refusal = refusal_of(error) if delivered.status == "failed" and batch.access == "batch" else None
    if refusal is not None:
        record_refusal(connection, batch.submission, refusal)


def store_late(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, staged: list[str]) -> None:
    """Store results that were kept aside until their palettes were imported, inside the caller's transaction."""
    show_staged(connection, staged)
    show_responses(connection, batch.submission)
    find_requests(connection, batch.submission, batch.provider, batch.model)
    connection.execute(sql(__package__, "delivered"), {"submission": batch.submission})
    _store_rows(connection, batch, Verdict(False, 0, 0), "missing", "")
    connection.execute(sql(__package__, "forget_found_responses"), {"submission": batch.submission})
    finish(connection, batch.submission, settled=batch.collected_at is not None)


def _count_rows(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, delivered: BatchState) -> Rows:
    """Count what is there of a batch. The requests of an adopted batch become known here, by its rows."""
    of_batch = {"submission": batch.submission}
    if batch.is_found:
        find_requests(connection, batch.submission, batch.provider, batch.model)
    connection.execute(sql(__package__, "delivered"), of_batch)
    (counts,) = connection.execute(sql(__package__, "count_delivered")).fetchall()
    rows = Rows(*counts)
    if not batch.is_found:
        return rows
    ((kept, succeeded, answered),) = connection.execute(sql(__package__, "count_found_responses"), of_batch).fetchall()
    known = rows.requests + kept
    requests = max(known, batch.request_count, (delivered.completed or 0) + (delivered.failed or 0))
    connection.execute(
        "UPDATE tag_batches SET request_count = $requests WHERE submission = $submission",
        {**of_batch, "requests": requests},
    )
    return Rows(requests, rows.succeeded + succeeded, rows.answered + answered, rows.absent + requests - known)


def record_look(
    connection: duckdb.DuckDBPyConnection, batch: EndedBatch, delivered: BatchState, verdict: Verdict
) -> tuple[float, bool]:
    """Record what a look at the results showed; the cost so far in US dollars, and whether nothing is open any more."""
    finished = verdict.settles or (batch.is_late and not verdict.lacking and not verdict.waiting)
    connection.execute(
        sql(__package__, "record_look"),
        {
            "submission": batch.submission,
            "status": delivered.status,
            "completed": delivered.completed,
            "failed": delivered.failed,
            "error": delivered.error,
            "waiting": verdict.waiting,
            "undelivered": verdict.lacking if finished or batch.collected_at is not None else None,
            "trouble": None if finished else verdict.reason,
        },
    )
    return finish(connection, batch.submission, settled=finished), finished


def record_undelivered(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, detail: str) -> None:
    """Record how many answers the provider counted and did not deliver."""
    connection.execute(sql(__package__, "record_undelivered"), {"submission": batch.submission, "detail": detail})


def _store_rows(
    connection: duckdb.DuckDBPyConnection, batch: EndedBatch, verdict: Verdict, outcome: str, why: str
) -> None:
    """Store what is new. `outcome` and `why` are those of requests without a row, if the batch is settled."""
    of_batch = {"submission": batch.submission}
    connection.execute(sql(__package__, "collect_results"), {"settles": verdict.settles, "outcome": outcome})
    connection.execute(sql(__package__, "collected_responses"))
    connection.execute(sql(__package__, "insert_responses"), of_batch)
    ((reopened,),) = connection.execute("SELECT count(*) FROM collected WHERE earlier_state <> 'in_flight'").fetchall()
    if reopened:
        connection.execute(sql(__package__, "replace_responses"))
    connection.execute(sql(__package__, "record_findings"), {**of_batch, "settled": verdict.settles or batch.is_late})
    if verdict.settles:
        connection.execute(sql(__package__, "insert_missing_responses"), {**of_batch, "error": why})
        connection.execute(sql(__package__, "record_missing"), of_batch)
        if verdict.reason is not None:
            record_undelivered(connection, batch, verdict.reason)
    connection.execute(sql(__package__, "settle_requests"), of_batch)
    connection.execute(sql(__package__, "parsed_without_text"), of_batch)
    connection.execute(sql(__package__, "parsed_from_collected"))
    store_parsed(connection, STAGES[batch.stage], batch.submission, whole=False)
    if reopened:
        connection.execute(sql(__package__, "claim_readable_requests"), of_batch)
        connection.execute(sql(__package__, "reinstate_readable_requests"), of_batch)
    free_claims(connection, batch.submission)
