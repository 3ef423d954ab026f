"""Cancelling: ask providers to end batches early. What was finished is paid for, so it is collected all the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from grabient_pipeline.batches.poll import record_states
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError, ProviderError, UnknownBatchError
from grabient_pipeline.providers.base import AccessMode, BatchProvider, BatchState, Route
from grabient_pipeline.warehouse import Warehouse, sql

_GIVE_UP = "grabient abandon gives it up"


@dataclass(frozen=True, slots=True)
class CancelledBatch:
    """The outcome for one batch: its state at the provider now, or why it could not be cancelled."""

    submission: str
    provider: str
    model: str
    state: BatchState | None = None
    error: str | None = None


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
    """Cancel pending batches, and record their states.

    Args:
        names: submissions or the providers' ids; None for all.

    Raises:
        UnknownBatchError: a name that the ledger does not have.
    """
    batches = known_batches(workspace.warehouse)
    chosen = (
        choose(batches, names) if names is not None else [batch for batch in batches if batch.status == "submitted"]
    )
    outcomes = [_cancel(workspace, batch) for batch in chosen]
    states = {outcome.submission: outcome.state for outcome in outcomes if outcome.state is not None}
    record_states(workspace.warehouse, states)
    return outcomes


def _cancel(workspace: Workspace, batch: KnownBatch) -> CancelledBatch:
    def outcome(state: BatchState | None = None, error: str | None = None) -> CancelledBatch:
        return CancelledBatch(batch.submission, batch.provider, batch.model, state, error)

    if batch.status == "reserved" or batch.batch_id is None:
        return outcome(error=f"it is unknown whether the provider has it; run grabient reconcile, or {_GIVE_UP}")
    if batch.status != "submitted":
        return outcome(error=f"it has already ended ({batch.status})")
    try:
        provider = workspace.providers.open(Route(batch.provider, batch.access))
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
