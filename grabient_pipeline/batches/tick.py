"""One tick: reconcile, poll, and say what can be collected and sent, all before one deadline.

The sensor and `grabient poll` both do this. The deadline covers the network and the waits for the database together.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from grabient_pipeline.batches.adoption import AdoptionReport, adopt_listed
from grabient_pipeline.batches.collect import ended_batches
from grabient_pipeline.batches.deadlines import late_batches
from grabient_pipeline.batches.direct_calls import stalled_direct_batches
from grabient_pipeline.batches.order_progress import read_progress
from grabient_pipeline.batches.order_status import OrderStatus, read_order_status
from grabient_pipeline.batches.poll import RECORD_SECONDS, PollReport, poll
from grabient_pipeline.batches.reconcile import MARGIN_SECONDS, ReconcileReport, reconcile
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import WarehouseBusy
from grabient_pipeline.warehouse import WAIT_SECONDS, sql

# Of a tick's time, reconciling gets at most this share.
_RECONCILE_SHARE = 0.25
# Reading how far large orders are takes a few seconds.
_ORDERS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LikelyEnd:
    """When a provider's last pending batch is likely to end, by earlier ones: their median and 90 % quantile."""

    provider: str
    pending: int
    likely_at: dt.datetime
    latest_at: dt.datetime


@dataclass(frozen=True)
class TickReport:
    """What a tick saw and recorded.

    `listed`: what the listings brought of providers with batches that were unreadable. `collectable`: the submissions
    to collect, stalled direct batches among them. `orders`: the open orders; None if there was no time to read them.
    `late`: how many pending batches, of providers that answered, are later than their orders allow.
    """

    reconciled: ReconcileReport
    listed: AdoptionReport
    polled: PollReport
    collectable: tuple[str, ...]
    likely_ends: tuple[LikelyEnd, ...]
    orders: tuple[OrderStatus, ...] | None = ()
    late: int = 0

    @property
    def sendable(self) -> int:
        """How many parts of open orders have a piece that can be sent now, as far as is known."""
        return sum(order.sendable for order in self.orders or ())

    @property
    def failures(self) -> dict[str, str]:
        """Why providers could not be asked, by submission."""
        return {**self.listed.reasons, **self.polled.failures, **self.reconciled.failures}

    @property
    def changed(self) -> bool:
        """Whether the ledger has something new that reading it should show."""
        return self.reconciled.changed or bool(self.listed.adopted)


def tick(workspace: Workspace, deadline: Deadline, *, wait_seconds: float = WAIT_SECONDS) -> TickReport:
    """Reconcile lost batches and poll pending ones, as far as the deadline allows.

    Args:
        deadline: the end of everything, network and database.
        wait_seconds: the longest single wait for the database before the providers are asked. What they answered is
            recorded whenever the database is free before the deadline.

    Raises:
        WarehouseBusy: another process held the database for longer; nothing is lost, the next tick sees it again.
    """
    share = _RECONCILE_SHARE * deadline.remaining()
    reconciled = reconcile(
        workspace,
        deadline.within(share, reserve=RECORD_SECONDS),
        margin_seconds=MARGIN_SECONDS,
        wait_seconds=deadline.remaining(wait_seconds),
        record_deadline=deadline,
    )
    listed = adopt_listed(
        workspace,
        deadline.within(share, reserve=RECORD_SECONDS),
        only_unreadable=True,
        wait_seconds=deadline.remaining(wait_seconds),
    )
    polled = poll(workspace, deadline, wait_seconds=wait_seconds)
    ended = [batch.submission for batch in ended_batches(workspace, deadline.remaining(wait_seconds))]
    stalled = stalled_direct_batches(workspace, deadline.remaining(wait_seconds))
    likely = likely_ends(workspace, deadline.remaining(wait_seconds))
    # A provider that did not answer could not cancel them either.
    late = sum(batch.submission in polled.states for batch in late_batches(workspace, deadline.remaining(wait_seconds)))
    orders = _read_orders(workspace, deadline)
    return TickReport(reconciled, listed, polled, (*ended, *stalled), likely, orders, late)


def _read_orders(workspace: Workspace, deadline: Deadline) -> tuple[OrderStatus, ...] | None:
    """Read the open orders if there is time; the next tick reads them otherwise."""
    if deadline.remaining() < _ORDERS_SECONDS:
        return None
    try:
        with workspace.warehouse.connect(deadline.remaining() - _ORDERS_SECONDS) as connection:
            return read_order_status(connection, read_progress(connection, workspace))
    except WarehouseBusy:
        return None


def likely_ends(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> tuple[LikelyEnd, ...]:
    """Return when the pending batches are likely to end, by provider."""
    with workspace.warehouse.connect(wait_seconds) as connection:
        return tuple(LikelyEnd(*row) for row in connection.execute(sql(__package__, "likely_ends")).fetchall())
