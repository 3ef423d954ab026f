"""Batches of ordinary calls, which are made here instead of at the provider."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS
from grabient_pipeline.batches.order_ledger import Committed, committed_costs
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError, TierUnavailable
from grabient_pipeline.formatting import dollars
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import AccessMode, Route
from grabient_pipeline.providers.direct import is_idle
from grabient_pipeline.providers.prices import BATCH_DISCOUNT
from grabient_pipeline.providers.transport.errors import short_text
from grabient_pipeline.warehouse import WAIT_SECONDS, sql, transaction


@dataclass(frozen=True, slots=True)
class DirectBatch:
    """An unfinished batch of ordinary calls."""

    submission: str
    route: Route
    batch_id: str


def direct_batches(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> list[DirectBatch]:
    """Return the unfinished batches of ordinary calls, oldest first."""
    with workspace.warehouse.connect(wait_seconds) as connection:
        rows: list[tuple[str, str, AccessMode, str]] = connection.execute(sql(__package__, "direct_batches")).fetchall()
    return [
        DirectBatch(submission, Route(provider, access), batch_id) for submission, provider, access, batch_id in rows
    ]


def make_direct_calls(workspace: Workspace, *, progress: Progress = SILENT) -> dict[Route, str]:
    """Make the calls that are left in batches that no process is working on.

    If a provider refuses the tier flex, the rest of a batch is called at full price where the cap of its order admits
    that; otherwise it waits, and the other batches go on.

    Returns:
        why it was not possible, by route.
    """
    failures: dict[Route, str] = {}
    closed: set[Route] = set()
    for batch in direct_batches(workspace):
        if batch.route in closed:
            continue
        allow = FullPrice(workspace, batch.submission)
        try:
            workspace.providers.open(batch.route).work(batch.batch_id, progress, allow)
        except TierUnavailable as error:
            failures.setdefault(batch.route, str(error))
        except GrabientError as error:
            failures[batch.route] = str(error)
            closed.add(batch.route)
    return failures


@dataclass(frozen=True, slots=True)
class FullPrice:
    """Whether what is left of a batch may be called at full price, after its provider refused the tier flex."""

    workspace: Workspace
    submission: str

    def __call__(self, refusal: str, left: int) -> str | None:
        """Raise the estimate of the batch, if the cap of its order admits that; None if so, else what to do.

        The estimate is raised once, however often this is asked: what is left then only becomes less.
        """
        warehouse = self.workspace.warehouse
        with warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            reason = _raise_estimate(connection, self.submission, refusal, left)
            crash_point("direct.repricing")
        crash_point("direct.repriced")
        return reason


def _raise_estimate(connection: duckdb.DuckDBPyConnection, submission: str, refusal: str, left: int) -> str | None:
    ((is_raised, estimate, requests, number, max_cost, is_closed),) = connection.execute(
        sql(__package__, "repriced_batch"), {"submission": submission}
    ).fetchall()
    if is_raised:
        return None
    extra = estimate * left / max(1, requests) * (1 / BATCH_DISCOUNT - 1)
    if number is not None:
        gives_up = f"grabient cancel {submission} gives them up, and the answers so far are kept"
        if is_closed:
            return (
                f"order {number} is closed: the {left:,} requests that are left stay unsent at full price; {gives_up}"
            )
        committed = committed_costs(connection).get(number, Committed())
        if committed.total_usd + extra > max_cost:
            return (
                f"at full price, the {left:,} requests that are left may cost {dollars(extra)} more, and "
                f"{dollars(committed.total_usd)} of the cap of order {number}, {dollars(max_cost)}, is spent or "
                f"outstanding; grabient resume --order {number} --max-cost USD raises it, {gives_up}"
            )
    connection.execute(
        sql(__package__, "raise_estimate"),
        {"submission": submission, "extra": extra, "refusal": short_text(refusal)},
    )
    return None


def stalled_direct_batches(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> list[str]:
    """Return the submissions of unfinished direct batches that no process is working on."""
    return [
        batch.submission
        for batch in direct_batches(workspace, wait_seconds)
        if is_idle(workspace.providers.direct_dir, batch.batch_id)
    ]
