"""Sending reservations to their providers, each batch at most once.

A refusal releases the reservation; an uncertain answer leaves it reserved, and `reconcile` looks for the batch.
"""

from __future__ import annotations

import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.reservation import Reservation, still_reserved
from grabient_pipeline.batches.submission_lock import hold_submissions, mark_creation_attempt, remove_lock
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import ProviderRefused, ProviderUncertain
from grabient_pipeline.progress import Progress
from grabient_pipeline.providers.base import BatchProvider, Route, Submission
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.transport.clock import Moment


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch: `batch_id` if the provider has it, else `error`. The cost is in US dollars."""

    submission: str
    model: Model
    request_count: int
    estimated_cost_usd: float
    route: Route
    batch_id: str | None = None
    error: str | None = None

    @classmethod
    def of(cls, reservation: Reservation, batch_id: str | None = None, error: str | None = None) -> BatchReport:
        """Report on a reservation."""
        return cls(
            reservation.submission,
            reservation.model,
            reservation.request_count,
            reservation.estimated_cost_usd,
            reservation.route,
            batch_id,
            error,
        )


def submit_reservations(
    workspace: Workspace,
    providers: Mapping[Route, BatchProvider],
    reservations: Sequence[Reservation],
    texts: Mapping[str, bytes],
    progress: Progress,
) -> list[BatchReport]:
    """Send every reservation that is still reserved; all routes at once, one batch at a time on each."""
    with hold_submissions(workspace.spool, [reservation.submission for reservation in reservations]):
        # Before the locks were held, a reconciliation may have released one of them.
        reserved = still_reserved(workspace.warehouse, reservations)
        sending = _Sending(workspace, providers, texts, progress, sum(each.request_count for each in reserved))
        return sending.run(reserved)


@dataclass
class _Sending:
    """One pass over reservations; the threads of several routes report into it."""

    workspace: Workspace
    providers: Mapping[Route, BatchProvider]
    texts: Mapping[str, bytes]
    progress: Progress
    total: int
    reports: dict[str, BatchReport] = field(default_factory=dict[str, BatchReport])
    begun: set[str] = field(default_factory=set[str])
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self, reservations: Sequence[Reservation]) -> list[BatchReport]:
        by_route: dict[Route, list[Reservation]] = {}
        for reservation in reservations:
            by_route.setdefault(reservation.route, []).append(reservation)
        try:
            with ThreadPoolExecutor(max_workers=max(1, len(by_route))) as pool:
                try:
                    for future in [pool.submit(self._send_all, theirs) for theirs in by_route.values()]:
                        future.result()
                except BaseException:
                    self.stopped.set()
                    raise
        finally:
            # After an interruption, batches that were not begun certainly exist at no provider; the others may.
            for reservation in reservations:
                if self.stopped.is_set() and reservation.submission not in self.begun:
                    self._release(reservation, "interrupted before it was sent")
        return [self.reports[reservation.submission] for reservation in reservations]

    def _send_all(self, reservations: Sequence[Reservation]) -> None:
        for reservation in reservations:
            if self.stopped.is_set():
                return
            self.begun.add(reservation.submission)
            self.reports[reservation.submission] = self._send(reservation)
            self.progress.advance("submitting", reservation.request_count, self.total)

    def _send(self, reservation: Reservation) -> BatchReport:
        warehouse, spool, submission = self.workspace.warehouse, self.workspace.spool, reservation.submission
        try:
            batch_id = self._create(reservation)
            crash_point("submit.created")
            ledger.record_submitted(warehouse, submission, batch_id)
        except ProviderRefused as error:
            self._release(reservation, str(error))
            return BatchReport.of(reservation, error=str(error))
        except ProviderUncertain as error:
            # Later than before the call, which may have taken minutes. If it cannot be written, that one counts.
            with suppress(OSError):
                self._mark_attempt(reservation)
            reason = f"{error}; the batch may exist, so it stays reserved and grabient reconcile looks for it"
            ledger.record_uncertain(warehouse, submission, reason)
            return BatchReport.of(reservation, error=reason)
        crash_point("submit.recorded")
        remove_lock(spool, submission)
        return BatchReport.of(reservation, batch_id=batch_id)

    def _create(self, reservation: Reservation) -> str:
        """Write the file of requests and create the batch from it; its id at the provider."""
        provider = self.providers[reservation.route]
        file = self.workspace.spool / f"{reservation.submission}.requests"

        def before_creation() -> None:
            with _refuse_unwritable(provider.key, self.workspace.spool):
                self._mark_attempt(reservation)
            crash_point("submit.uploaded")

        try:
            with _refuse_unwritable(provider.key, file):
                reservation.template.write(file, reservation.requests(), self.texts)
            crash_point("submit.file_written")
            return provider.submit(Submission(reservation.identity, reservation.model.id, file, before_creation))
        finally:
            file.unlink(missing_ok=True)

    def _mark_attempt(self, reservation: Reservation) -> None:
        moment = Moment.now(self.providers[reservation.route].clock_offset())
        mark_creation_attempt(self.workspace.spool, reservation.submission, moment)

    def _release(self, reservation: Reservation, reason: str) -> None:
        ledger.release(self.workspace.warehouse, reservation.submission, reason)
        remove_lock(self.workspace.spool, reservation.submission)


@contextmanager
def _refuse_unwritable(provider: str, path: Path) -> Generator[None]:
    """Turn an `OSError` in the body, which runs before the batch is created, into a refusal."""
    try:
        yield
    except OSError as error:
        raise ProviderRefused(provider, f"nothing was sent: cannot write {path} ({error.strerror})") from error
