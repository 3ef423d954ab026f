"""Deadlines: batches that are later than their orders allow are cancelled, and what becomes of the rest is said before.

How the rest is sent on is in `send_on.py` and follows from the order and from `late_at` of its batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from grabient_pipeline.batches.cancel import CancelledBatch, KnownBatch, cancel_batches
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, record_trouble
from grabient_pipeline.batches.order_ledger import PlannedPart
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.formatting import dollars
from grabient_pipeline.progress import Progress
from grabient_pipeline.warehouse import WAIT_SECONDS, sql
from grabient_pipeline.warehouse.spending_pause import read_pause

# At two calls a batch, one provider takes about a minute for so many. The others have their turn at the next call.
_MOST_AT_ONCE: Final = 200


def late_batches(
    workspace: Workspace, wait_seconds: float = WAIT_SECONDS, limit: int = _MOST_AT_ONCE
) -> list[KnownBatch]:
    """Return batches that are later than their orders allow, and not cancelled for that yet.

    After a restore there are none until a person has lifted the pause: another machine may be working with them.
    """
    with workspace.warehouse.connect(wait_seconds) as connection:
        if read_pause(connection) is not None:
            return []
        rows = connection.execute(sql(__package__, "late_batches"), {"limit": limit}).fetchall()
    return [KnownBatch(*row) for row in rows]


def cancel_late(workspace: Workspace) -> list[CancelledBatch]:
    """Cancel late batches, and record which were cancelled for that.

    What was finished is collected like that of any cancelled batch. One that had just ended by itself is not late. What
    could not be cancelled shows as trouble with the batch, and is tried again at the next call. If the process dies
    before a cancellation is recorded, the next call finds the batch cancelled or cancels it again.
    """
    batches = late_batches(workspace)
    outcomes = cancel_batches(workspace, batches, lambda outcomes: _record_late(workspace, outcomes)) if batches else []
    errors = {outcome.submission: outcome.error for outcome in outcomes if outcome.error is not None}
    record_trouble(workspace.warehouse, errors)
    with workspace.warehouse.connect() as connection:
        connection.execute(sql(__package__, "record_cancelled_late"))
    return outcomes


def late_cost(planned: Sequence[PlannedPart]) -> float | None:
    """Return what these requests cost if all of them are late and become ordinary calls; None if none ever do."""
    costs = [part.late_cost_usd for part in planned if part.late_cost_usd is not None]
    return sum(costs) if costs else None


def note_deadline(order: BackfillOrder, planned: Sequence[PlannedPart], progress: Progress) -> None:
    """Say what the deadline of an order means, before anything is sent."""
    if order.deadline_hours is None:
        return
    if not planned:
        progress.note("nothing new is ordered, so the deadline applies to nothing; earlier orders keep their own")
        return
    late = f"what a batch has not answered after {order.deadline_hours:g} hours "
    cost = late_cost(planned)
    if cost is not None:
        progress.note(
            f"{late}is asked by ordinary calls {_late_price(planned)}: at most {dollars(cost)} if that is everything, "
            f"and within the order's cap of {dollars(order.max_cost_usd)}"
        )
    elif all(part.route.access == "direct" for part in planned):
        progress.note("the deadline applies to nothing: all requests are ordinary calls, and only batches can be late")
    elif order.when_late == "leave":
        progress.note(f"{late}is not asked again for this order")
    else:
        progress.note(f"{late}is sent again as a batch")


def _late_price(planned: Sequence[PlannedPart]) -> str:
    """Say at which price late requests become ordinary calls."""
    flex = [part.model.flex is not None for part in planned if part.late_cost_usd is not None]
    return "at the price of a batch (flex)" if all(flex) else "at full or flex price" if any(flex) else "at full price"


def _record_late(workspace: Workspace, outcomes: Sequence[CancelledBatch]) -> None:
    cancelled = [outcome.submission for outcome in outcomes if outcome.is_cancelled]
    if cancelled:
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection:
            connection.execute(sql(__package__, "record_late"), {"submissions": cancelled})
