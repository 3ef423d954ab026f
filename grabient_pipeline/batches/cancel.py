"""Cancelling: ask providers to end batches early. What was finished is paid for, so it is collected all the same."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from grabient_pipeline.batches.poll import record_states
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import GrabientError, UnknownBatchError
from grabient_pipeline.providers.base import AccessMode, BatchProvider, BatchState, Route
from grabient_pipeline.warehouse import sql


@dataclass(frozen=True, slots=True)
class CancelledBatch:
    """The outcome for one batch: its state at the provider now, or why it could not be cancelled."""

    submission: str
    provider: str
    model: str
    state: BatchState | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _KnownBatch:
    submission: str
    provider: str
    access: AccessMode
    model: str
    batch_id: str | None
    status: str


def cancel(workspace: Workspace, names: Collection[str] | None = None) -> list[CancelledBatch]:
    """Cancel pending batches, and record their states.

    Args:
        names: submissions or the providers' ids; None for all.

    Raises:
        UnknownBatchError: a name that the ledger does not have.
    """
    with workspace.warehouse.connect() as connection:
        rows = connection.execute(sql(__package__, "cancellable_batches")).fetchall()
    chosen = _choose([_KnownBatch(*row) for row in rows], names)
    outcomes = [_cancel(workspace, batch) for batch in chosen]
    states = {outcome.submission: outcome.state for outcome in outcomes if outcome.state is not None}
    record_states(workspace.warehouse, states)
    return outcomes


def _choose(batches: Sequence[_KnownBatch], names: Collection[str] | None) -> list[_KnownBatch]:
    if names is None:
        return [batch for batch in batches if batch.status == "submitted"]
    by_name = {batch.submission: batch for batch in batches}
    by_name |= {batch.batch_id: batch for batch in batches if batch.batch_id is not None}
    for name in names:
        if name not in by_name:
            raise UnknownBatchError(f"there is no batch {name!r}; grabient status lists the pending ones")
    return list({by_name[name].submission: by_name[name] for name in names}.values())


def _cancel(workspace: Workspace, batch: _KnownBatch) -> CancelledBatch:
    def outcome(state: BatchState | None = None, error: str | None = None) -> CancelledBatch:
        return CancelledBatch(batch.submission, batch.provider, batch.model, state, error)

    if batch.status == "reserved" or batch.batch_id is None:
        return outcome(error="it is unknown whether the provider has it; run grabient reconcile")
    if batch.status != "submitted":
        return outcome(error=f"it has already ended ({batch.status})")
    try:
        provider = workspace.providers.open(Route(batch.provider, batch.access))
        refusal = _request_end(provider, batch.batch_id)
        state = provider.poll(batch.batch_id)
    except GrabientError as error:
        return outcome(error=str(error))
    # A provider refuses to cancel a batch that has just ended, which serves as well.
    return outcome(state, refusal if state.status == "submitted" else None)


def _request_end(provider: BatchProvider, batch_id: str) -> str | None:
    """Return why the provider refused or did not answer; None if it accepted."""
    try:
        provider.cancel(batch_id)
    except GrabientError as error:
        return str(error)
    return None
