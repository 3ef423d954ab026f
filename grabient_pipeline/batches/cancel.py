"""Ask providers to end batches early. What was finished is paid for, so it is collected all the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from grabient_pipeline.batches.poll import record_states
from grabient_pipeline.errors import GrabientError, UnknownBatchError
from grabient_pipeline.providers.base import BatchProvider, BatchState
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, sql


@dataclass(frozen=True, slots=True)
class CancelledBatch:
    """What became of one: its state at the provider now, or the reason why it could not be cancelled."""

    submission: str
    provider: str
    model: str
    state: BatchState | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class _Open:
    submission: str
    provider: str
    api: str
    model: str
    batch_id: str | None
    status: str


def cancel(
    warehouse: Warehouse,
    open_provider: Callable[[str], BatchProvider],
    names: Collection[str] | None = None,
) -> list[CancelledBatch]:
    """Cancel batches that are under way, and write down what they have come to.

    Args:
        names: submissions or the providers' ids; None for all.

    Raises:
        UnknownBatchError: a name that is no batch of ours.
    """
    with warehouse.connect() as connection:
        batches = [_Open(*row) for row in connection.execute(sql(__package__, "cancellable_batches")).fetchall()]
    chosen = _chosen(batches, names)
    outcomes = [_cancel(open_provider, batch) for batch in chosen]
    states = {outcome.submission: outcome.state for outcome in outcomes if outcome.state is not None}
    record_states(warehouse, states, WAIT_SECONDS)
    return outcomes


def _chosen(batches: Sequence[_Open], names: Collection[str] | None) -> list[_Open]:
    if names is None:
        return [batch for batch in batches if batch.status == "submitted"]
    by_name = {batch.submission: batch for batch in batches}
    by_name |= {batch.batch_id: batch for batch in batches if batch.batch_id is not None}
    for name in names:
        if name not in by_name:
            raise UnknownBatchError(f"there is no batch {name!r}; grabient status lists those that are under way")
    return list({by_name[name].submission: by_name[name] for name in names}.values())


def _cancel(open_provider: Callable[[str], BatchProvider], batch: _Open) -> CancelledBatch:
    def outcome(state: BatchState | None = None, error: str | None = None) -> CancelledBatch:
        return CancelledBatch(batch.submission, batch.provider, batch.model, state, error)

    if batch.status == "reserved" or batch.batch_id is None:
        return outcome(error="it is not known yet whether the provider has it; grabient reconcile finds out")
    if batch.status != "submitted":
        return outcome(error=f"it has ended already ({batch.status})")
    try:
        provider = open_provider(batch.api)
        refusal = _asked_to_end(provider, batch.batch_id)
        state = provider.poll(batch.batch_id)
    except GrabientError as error:
        return outcome(error=str(error))
    # A provider refuses to cancel what has just ended, which is as good.
    return outcome(state, refusal if state.status == "submitted" else None)


def _asked_to_end(provider: BatchProvider, batch_id: str) -> str | None:
    """Why the provider said no, or did not say; None if it said yes."""
    try:
        provider.cancel(batch_id)
    except GrabientError as error:
        return str(error)
    return None
