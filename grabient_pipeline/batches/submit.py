"""Sending a reservation to its provider, at most once.

A refusal releases the reservation; an uncertain answer leaves it reserved, and `reconcile` looks for the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS
from grabient_pipeline.batches.refusals import Refusal, record_refusal, refusal_of
from grabient_pipeline.batches.reservation import Piece, Reservation
from grabient_pipeline.batches.submission_lock import hold_submission, mark_creation_attempt, remove_lock
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.providers.base import BatchProvider, Route, Submission
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.clock import Moment
from grabient_pipeline.warehouse import transaction


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch: `batch_id` if the provider has it, else `error`. The cost is in US dollars.

    `stage`: by name. `refusal`: if the provider refused it, for what.
    """

    submission: str
    model: Model
    request_count: int
    estimated_cost_usd: float
    route: Route
    stage: str
    batch_id: str | None = None
    error: str | None = None
    refusal: Refusal | None = None

    @classmethod
    def of(
        cls,
        reservation: Reservation,
        batch_id: str | None = None,
        error: str | None = None,
        refusal: Refusal | None = None,
    ) -> BatchReport:
        """Report on a reservation."""
        return cls(
            reservation.submission,
            reservation.model,
            reservation.request_count,
            reservation.estimated_cost_usd,
            reservation.route,
            reservation.identity.stage,
            batch_id,
            error,
            refusal,
        )


def submit(
    workspace: Workspace, provider: BatchProvider, piece: Piece, is_stopped: Callable[[], bool]
) -> BatchReport | None:
    """Send a reservation; None if another process released it before, or if sending was stopped.

    Args:
        is_stopped: whether nothing may be sent any more; what is reserved and not sent is then released.
    """
    reservation = piece.reservation
    with hold_submission(workspace.spool, reservation.submission):
        # Before the lock was held, a reconciliation may have released it.
        if not _is_reserved(workspace, reservation.submission):
            remove_lock(workspace.spool, reservation.submission)
            return None
        if is_stopped():
            _release(workspace, reservation.submission, "interrupted before it was sent")
            return None
        return _send(workspace, provider, reservation, piece.contents)


def _send(
    workspace: Workspace, provider: BatchProvider, reservation: Reservation, contents: Mapping[str, bytes]
) -> BatchReport:
    submission = reservation.submission
    try:
        batch_id = _create(workspace, provider, reservation, contents)
        crash_point("submit.created")
        ledger.record_submitted(workspace.warehouse, submission, batch_id)
    except ProviderRefused as error:
        refusal = refusal_of(error)
        _release(workspace, submission, str(error), refusal)
        return BatchReport.of(reservation, error=str(error), refusal=refusal)
    except ProviderUncertain as error:
        # Later than before the call, which may have taken minutes. If it cannot be written, that one counts.
        with suppress(OSError):
            _mark_attempt(workspace, provider, submission)
        reason = f"{error}; the batch may exist, so it stays reserved and grabient reconcile looks for it"
        ledger.record_uncertain(workspace.warehouse, submission, reason)
        return BatchReport.of(reservation, error=reason)
    crash_point("submit.recorded")
    remove_lock(workspace.spool, submission)
    return BatchReport.of(reservation, batch_id=batch_id)


def _create(
    workspace: Workspace, provider: BatchProvider, reservation: Reservation, contents: Mapping[str, bytes]
) -> str:
    """Write the file of requests and create the batch from it; its id at the provider."""
    file = workspace.spool / f"{reservation.submission}.requests"

    def before_creation() -> None:
        with _refuse_unwritable(provider.key, workspace.spool):
            _mark_attempt(workspace, provider, reservation.submission)
        crash_point("submit.uploaded")

    try:
        with _refuse_unwritable(provider.key, file):
            reservation.template.write(file, reservation.requests(), contents)
        crash_point("submit.file_written")
        submission = Submission(
            reservation.identity, reservation.model.id, file, before_creation, reservation.window_hours
        )
        return provider.submit(submission)
    finally:
        file.unlink(missing_ok=True)


def _mark_attempt(workspace: Workspace, provider: BatchProvider, submission: str) -> None:
    mark_creation_attempt(workspace.spool, submission, Moment.now(provider.clock_offset()))


def _release(workspace: Workspace, submission: str, reason: str, refusal: Refusal | None = None) -> None:
    with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
        ledger.release_reserved(connection, submission, reason)
        if refusal is not None:
            record_refusal(connection, submission, refusal)
    remove_lock(workspace.spool, submission)


def _is_reserved(workspace: Workspace, submission: str) -> bool:
    with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection:
        rows = connection.execute("SELECT status FROM tag_batches WHERE submission = ?", [submission]).fetchall()
    return rows == [("reserved",)]


@contextmanager
def _refuse_unwritable(provider: str, path: Path) -> Generator[None]:
    """Turn an `OSError` in the body, which runs before the batch is created, into a refusal."""
    try:
        yield
    except OSError as error:
        raise ProviderRefused(provider, f"nothing was sent: cannot write {path} ({error.strerror})") from error
