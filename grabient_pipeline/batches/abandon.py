"""Abandoning: give up a batch that cannot be brought to an end. Its requests are free again.

The provider may have done the work, and may bill it: what was given up counts against the cost cap until the
provider's window ends. Results that arrive later are still stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from grabient_pipeline.batches.cancel import KnownBatch, choose, close_part_of, known_batches
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, release_requests
from grabient_pipeline.batches.submission_lock import SubmissionInProgress, hold_if_idle
from grabient_pipeline.batches.windows import window_of
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.errors import UnknownBatchError
from grabient_pipeline.warehouse import Warehouse, sql, transaction


def abandonable(warehouse: Warehouse, names: Collection[str]) -> list[KnownBatch]:
    """Return the batches with these names, with what giving them up may cost.

    Args:
        names: submissions or the providers' ids.

    Raises:
        UnknownBatchError: the ledger does not have a name, or nothing of that batch is open.
    """
    chosen = choose(known_batches(warehouse), names)
    for batch in chosen:
        if batch.collected_at is not None:
            raise UnknownBatchError(f"{batch.submission} is collected ({batch.status}); there is nothing to give up")
        if batch.status == "abandoned":
            raise UnknownBatchError(f"{batch.submission} is abandoned already")
    return chosen


def abandon(workspace: Workspace, batches: Sequence[KnownBatch]) -> int:
    """Give up batches; return how many of their requests are free again.

    Raises:
        UnknownBatchError: a process is sending one of them right now.
    """
    freed = 0
    for batch in batches:
        try:
            freed += _abandon(workspace, batch)
        except SubmissionInProgress:
            raise UnknownBatchError(
                f"{batch.submission} is being submitted right now; wait until that is done"
            ) from None
    return freed


def _abandon(workspace: Workspace, batch: KnownBatch) -> int:
    of_batch = {"submission": batch.submission}
    with (
        hold_if_idle(workspace.spool, batch.submission),
        workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection,
        transaction(connection),
    ):
        ((in_flight,),) = connection.execute(
            "SELECT count(*) FROM tag_requests WHERE submission = $submission AND state = 'in_flight'", of_batch
        ).fetchall()
        connection.execute(
            sql(__package__, "abandon_batch"), {**of_batch, "usual_hours": window_of(batch.provider, None)}
        )
        ((status, late_at),) = connection.execute(
            "SELECT status, late_at FROM tag_batches WHERE submission = $submission", of_batch
        ).fetchall()
        if status != "abandoned":
            # It was collected or released meanwhile.
            return 0
        release_requests(connection, batch.submission)
        if late_at is None:
            # They may be paid for already: only a person asks for them again. Of a late batch the order has the say.
            close_part_of(connection, batch, "was given up")
    return in_flight
