"""Cancelling: ask providers to end batches early. What was finished is paid for, so it is collected all the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import duckdb

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS
from grabient_pipeline.batches.order_ledger import OrderPart, choose_orders, close_parts, open_parts
from grabient_pipeline.batches.poll import record_states
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError, ProviderError, UnknownBatchError
from grabient_pipeline.providers.base import AccessMode, BatchProvider, BatchState, Route
from grabient_pipeline.warehouse import Warehouse, sql, transaction

CANCELLED = "cancelled"

_GIVE_UP = "grabient abandon gives it up"


@dataclass(frozen=True, slots=True)
class CancelledBatch:
    """The outcome for one batch: its state at the provider now, or why it could not be cancelled."""

    submission: str
    provider: str
    model: str
    state: BatchState | None = None
    error: str | None = None

    @property
    def is_cancelled(self) -> bool:
        """Whether the cancellation was accepted, and the batch did not end in another way before."""
        return self.error is None and self.state is not None and self.state.status in ("submitted", "cancelled")


@dataclass(frozen=True, slots=True)
class KnownBatch:
    """A batch that a person can name. The cost is in US dollars, estimated for what is not stored yet."""

    submission: str
    provider: str
    access: AccessMode
    model: str
    batch_id: str | None
    status: str
    created_at: dt.datetime
    collected_at: dt.datetime | None
    open_requests: int
    outstanding_usd: float
    order_number: int | None = None

    @property
    def route(self) -> Route:
        """How its provider is reached."""
        return Route(self.provider, self.access)


def known_batches(warehouse: Warehouse) -> list[KnownBatch]:
    """Return every batch that a person can name, the newest first."""
    with warehouse.connect() as connection:
        return [KnownBatch(*row) for row in connection.execute(sql(__package__, "nameable_batches")).fetchall()]


def choose(batches: Sequence[KnownBatch], names: Collection[str]) -> list[KnownBatch]:
    """Return the batches with these names: submissions or the providers' ids.

    Raises:
        UnknownBatchError: a name that the ledger does not have.
    """
    by_name = {batch.submission: batch for batch in batches}
    by_name |= {batch.batch_id: batch for batch in batches if batch.batch_id is not None}
    for name in names:
        if name not in by_name:
            raise UnknownBatchError(f"there is no batch {name!r}; grabient status lists the pending ones")
    return list({by_name[name].submission: by_name[name] for name in names}.values())


def cancel(workspace: Workspace, names: Collection[str] | None = None) -> list[CancelledBatch]:
    """Cancel pending batches, and record their states. What they leave unanswered is not sent again by their orders.

    Args:
        names: submissions or the providers' ids; None for all.

    Raises:
        UnknownBatchError: a name that the ledger does not have.
    """
    batches = known_batches(workspace.warehouse)
    if names is None:
        return cancel_batches(workspace, [batch for batch in batches if batch.status == "submitted"])
    chosen = choose(batches, names)
    with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        for batch in chosen:
            close_part_of(connection, batch, "was cancelled")
    return cancel_batches(workspace, chosen)


def close_part_of(connection: duckdb.DuckDBPyConnection, batch: KnownBatch, what: str) -> None:
    """Close the part of the order that a batch belongs to, so that its other requests are not sent automatically.

    Args:
        what: what a person did to the batch, such as `was cancelled`.
    """
    model = (batch.order_number, batch.provider, batch.model)
    parts = [part for part in open_parts(connection) if (part.number, part.provider, part.model) == model]
    close_parts(connection, parts, f"its batch {batch.submission} {what}")


def cancel_orders(
    workspace: Workspace, numbers: Collection[int] | None = None, *, keep_batches: bool = False
) -> tuple[list[OrderPart], list[CancelledBatch]]:
    """End open orders: what waits is not sent any more, and pending batches of theirs are cancelled.

    Args:
        numbers: the orders; None for all.
        keep_batches: let what is under way come to its end.

    Returns:
        the parts that were closed, and the outcomes for batches.

    Raises:
        UnknownOrderError: one of the orders is not open.
    """
    with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        parts = choose_orders(connection, numbers)
        close_parts(connection, parts, CANCELLED)
    if keep_batches:
        return parts, []
    # Also a batch that another process has sent meanwhile.
    closed = {part.number for part in parts}
    pending = [batch for batch in known_batches(workspace.warehouse) if batch.status == "submitted"]
    return parts, cancel_batches(workspace, [each for each in pending if each.order_number in closed])


def cancel_batches(
    workspace: Workspace,
    batches: Sequence[KnownBatch],
    record: Callable[[Sequence[CancelledBatch]], object] = lambda outcomes: None,
) -> list[CancelledBatch]:
    """Cancel batches, those of different providers at the same time, and record their states.

    Args:
        workspace: where they are.
        batches: what to cancel.
        record: records what else there is to say of the outcomes, before the states are recorded.
    """
    by_route: dict[Route, list[KnownBatch]] = {}
    for batch in batches:
        by_route.setdefault(batch.route, []).append(batch)
    with ThreadPoolExecutor(max_workers=max(1, len(by_route))) as pool:
        of_routes = [pool.submit(_cancel_route, workspace, route, theirs) for route, theirs in by_route.items()]
        outcomes = {outcome.submission: outcome for of_route in of_routes for outcome in of_route.result()}
    record(list(outcomes.values()))
    states = {name: outcome.state for name, outcome in outcomes.items() if outcome.state is not None}
    record_states(workspace.warehouse, states)
    return [outcomes[batch.submission] for batch in batches]


def _cancel_route(workspace: Workspace, route: Route, batches: Sequence[KnownBatch]) -> list[CancelledBatch]:
    try:
        provider = workspace.providers.open(route)
    except GrabientError as error:
        return [CancelledBatch(each.submission, each.provider, each.model, error=str(error)) for each in batches]
    return [_cancel(provider, batch) for batch in batches]


def _cancel(provider: BatchProvider, batch: KnownBatch) -> CancelledBatch:
    def outcome(state: BatchState | None = None, error: str | None = None) -> CancelledBatch:
        return CancelledBatch(batch.submission, batch.provider, batch.model, state, error)

    if batch.status == "reserved" or batch.batch_id is None:
        return outcome(error=f"it is unknown whether the provider has it; run grabient reconcile, or {_GIVE_UP}")
    if batch.status != "submitted":
        return outcome(error=f"it has already ended ({batch.status})")
    try:
        refusal = _request_end(provider, batch.batch_id)
        state = provider.poll(batch.batch_id)
    except GrabientError as error:
        hint = f"; if the provider does not know it any more, {_GIVE_UP}" if _is_gone(error) else ""
        return outcome(error=f"{error}{hint}")
    # A provider refuses to cancel a batch that has just ended, which serves as well.
    if refusal is None or state.status != "submitted":
        return outcome(state)
    return outcome(
        state, f"it is {state.provider_status!r} and was not cancelled ({refusal}); if that lasts, {_GIVE_UP}"
    )


def _is_gone(error: GrabientError) -> bool:
    return isinstance(error, ProviderError) and error.status == 404


def _request_end(provider: BatchProvider, batch_id: str) -> str | None:
    """Return why the provider refused or did not answer; None if it accepted."""
    try:
        provider.cancel(batch_id)
    except GrabientError as error:
        return str(error)
    return None
