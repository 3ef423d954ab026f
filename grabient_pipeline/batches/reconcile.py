"""Reconciling: find batches that a crash or a lost response left `reserved`; adopt them, or release what is not there.

A batch that its provider has is adopted whenever it is found. A reservation is released only if no process is sending
it, the grace period since it may have been created has passed, and a complete listing shows nothing that could be it.
What was found is recorded as evidence. Times are compared by the provider's clock, because this machine's may be wrong,
or may have been set in the meantime. Batches that were abandoned before their provider responded are looked for too.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.submission_lock import SubmissionInProgress, hold_if_idle, remove_lock
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.deadline import Deadline
from grabient_pipeline.errors import GrabientError, ProviderUncertain
from grabient_pipeline.providers.base import AccessMode, LookupRequest, LookupResult, Route
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.transport.clock import Moment
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, sql

# Grace period before a batch that a complete listing does not show is released.
MARGIN_SECONDS = 900.0

# How long the providers have to answer, unless the caller's deadline is earlier.
RECONCILE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class LostBatch:
    """A batch of which it is unknown whether its provider has it: reserved, or abandoned in that state.

    `looked_for_at`: when it was first looked for and not found.
    """

    submission: str
    route: Route
    model: str
    request_count: int
    reserved: Moment
    looked_for_at: dt.datetime | None
    abandoned: bool

    @property
    def forgotten(self) -> bool:
        """Whether it was abandoned and its provider no longer keeps its results."""
        if not self.abandoned:
            return False
        kept_days = load_catalogue().provider(self.route.provider).retention_days
        return dt.datetime.now(dt.UTC) > self.reserved.local + dt.timedelta(days=kept_days)


@dataclass(frozen=True, slots=True)
class Finding:
    """What looking for a batch showed, in words; its id at the provider if it was found."""

    submission: str
    provider: str
    model: str
    evidence: str
    batch_id: str | None = None


@dataclass(frozen=True)
class ReconcileReport:
    """What was adopted, released, is still looked for, and by submission which lookups failed."""

    adopted: tuple[Finding, ...] = ()
    released: tuple[Finding, ...] = ()
    waiting: tuple[Finding, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def changed(self) -> bool:
        """Whether the ledger has something new."""
        return bool(self.adopted or self.released or self.waiting)


def lost_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[LostBatch]:
    """Return the reserved batches, oldest first, and the abandoned ones that are due to be looked for.

    Some of the reserved ones may be on their way to the provider right now.
    """
    with warehouse.connect(wait_seconds) as connection:
        rows: list[tuple[str, str, AccessMode, str, int, dt.datetime, float | None, dt.datetime | None, bool]]
        rows = connection.execute(sql(__package__, "lost_batches")).fetchall()
    lost = [
        LostBatch(
            submission, Route(provider, access), model, count, Moment.measured(created_at, offset), looked_at, abandoned
        )
        for submission, provider, access, model, count, created_at, offset, looked_at, abandoned in rows
    ]
    return [batch for batch in lost if not batch.forgotten]


def reconcile(
    workspace: Workspace,
    deadline: Deadline,
    *,
    margin_seconds: float = MARGIN_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
    record_deadline: Deadline | None = None,
) -> ReconcileReport:
    """Look for every lost batch, all routes at once.

    Args:
        deadline: when the providers' answers must be there; the others are asked next time.
        margin_seconds: the grace period before a batch that is not there is released.
        wait_seconds: how long to wait for the database before the lookups.
        record_deadline: until when to wait for the database to record an outcome; by default
            `ledger.RECORD_WAIT_SECONDS` each time. An outcome that is not recorded is found again next time.

    Raises:
        WarehouseBusy: another process held the database for longer.
    """
    budget = deadline.remaining()
    lost = lost_batches(workspace.warehouse, wait_seconds)
    if not lost:
        return ReconcileReport()
    with workspace.warehouse.connect(wait_seconds) as connection:
        identified = ledger.identified_batches(connection)
    lookups = _Lookups(workspace, identified, deadline)
    threads: list[threading.Thread] = []
    for route in dict.fromkeys(batch.route for batch in lost):
        theirs = [batch for batch in lost if batch.route == route]
        # Daemon threads: a pool's thread would keep the process alive while its call hangs.
        threads.append(threading.Thread(target=lookups.look_for, args=(theirs,), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(deadline.remaining())
    outcomes = lookups.outcomes()
    settling = _Settling(workspace, margin_seconds, record_deadline)
    for batch in lost:
        if batch.submission in outcomes:
            settling.settle(batch, outcomes[batch.submission])
        else:
            settling.postpone(batch, f"{batch.route.label}: no response within {budget:.0f} s")
    report = settling.report()
    released = {finding.submission for finding in report.released}
    _discard_uploads(workspace, [batch for batch in lost if batch.submission in released], deadline)
    return report


def _discard_uploads(workspace: Workspace, released: Sequence[LostBatch], deadline: Deadline) -> None:
    """Delete the request files of batches that were never created, as far as the time allows."""

    def discard(batch: LostBatch) -> None:
        # Only tidiness: a file that stays costs nothing.
        with suppress(GrabientError):
            workspace.providers.open(batch.route).discard(batch.submission)

    threads = [threading.Thread(target=discard, args=(batch,), daemon=True) for batch in released]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(deadline.remaining())


@dataclass(frozen=True, slots=True)
class _Lookup:
    """The result of looking for a batch, and when the lookup began."""

    result: LookupResult
    began: Moment


# What a lookup showed, a reason why there is no result, or None while a process is sending the batch.
_Outcome = _Lookup | str | None


class _Lookups:
    """Outcomes by submission; threads of several routes add to them."""

    def __init__(self, workspace: Workspace, known: Mapping[str, frozenset[str]], deadline: Deadline) -> None:
        self._workspace = workspace
        self._known = known
        self._deadline = deadline
        self._outcomes: dict[str, _Outcome] = {}
        self._lock = threading.Lock()

    def outcomes(self) -> dict[str, _Outcome]:
        """The outcomes so far."""
        with self._lock:
            return dict(self._outcomes)

    def look_for(self, batches: Sequence[LostBatch]) -> None:
        """Look for the batches of a route, one after another."""
        for batch in batches:
            if self._deadline.passed:
                return
            outcome = self._look_up(batch)
            with self._lock:
                self._outcomes[batch.submission] = outcome

    def _look_up(self, batch: LostBatch) -> _Outcome:
        known = self._known.get(batch.route.provider, frozenset())
        try:
            with hold_if_idle(self._workspace.spool, batch.submission):
                pass
            provider = self._workspace.providers.open(batch.route)
            since = batch.reserved.at_provider
            started_at = dt.datetime.now(dt.UTC)
            result = provider.find(LookupRequest(batch.submission, since, batch.request_count, known))
            return _Lookup(result, Moment(started_at, provider.clock_offset()))
        except SubmissionInProgress:
            return None
        except GrabientError as error:
            return str(error)
        except Exception as error:
            return f"{batch.route.label}: unexpected response ({type(error).__name__})"


class _Settling:
    """Adopts, releases or keeps looking for one lost batch after another."""

    def __init__(self, workspace: Workspace, margin_seconds: float, record_deadline: Deadline | None) -> None:
        self._warehouse = workspace.warehouse
        self._spool = workspace.spool
        self._margin_seconds = margin_seconds
        self._record_deadline = record_deadline
        self._adopted: list[Finding] = []
        self._released: list[Finding] = []
        self._waiting: list[Finding] = []
        self._failures: dict[str, str] = {}

    def report(self) -> ReconcileReport:
        return ReconcileReport(tuple(self._adopted), tuple(self._released), tuple(self._waiting), self._failures)

    def settle(self, batch: LostBatch, outcome: _Outcome) -> None:
        """Record what a lookup showed."""
        if outcome is None:
            return
        if isinstance(outcome, str):
            self.postpone(batch, outcome)
            if batch.abandoned:
                # It is looked for again tomorrow.
                self._record_evidence(batch, outcome)
            return
        crash_point("reconcile.searched")
        if outcome.result.batch_id is not None:
            self._adopt(batch, outcome.result, outcome.result.batch_id)
            return
        why_not = self._release_if_certain(batch, outcome)
        if why_not is None:
            self._released.append(self._finding(batch, outcome.result.evidence))
        elif why_not:
            self._waiting.append(self._finding(batch, why_not))

    def postpone(self, batch: LostBatch, reason: str) -> None:
        """Report why a batch could not be looked for."""
        self._failures[batch.submission] = reason

    def _adopt(self, batch: LostBatch, result: LookupResult, batch_id: str) -> None:
        evidence = f"{result.evidence}; it stays abandoned" if batch.abandoned else result.evidence
        try:
            adopted = ledger.adopt(
                self._warehouse, batch.submission, batch_id, f"adopted: {evidence}", self._wait_seconds()
            )
        except ProviderUncertain as error:
            self._record_evidence(batch, str(error))
            self._waiting.append(self._finding(batch, str(error)))
            return
        if adopted:
            crash_point("reconcile.adopted")
            remove_lock(self._spool, batch.submission)
            self._adopted.append(self._finding(batch, evidence, batch_id))

    def _release_if_certain(self, batch: LostBatch, lookup: _Lookup) -> str | None:
        """Release the batch, or return why that would be too early; empty while a process is sending it."""
        result = lookup.result
        try:
            with hold_if_idle(self._spool, batch.submission) as attempt:
                waited = _seconds_waited(batch, attempt, lookup.began)
                why_not = self._why_not(result, waited)
                if why_not is None:
                    evidence = f"released: {result.evidence}; it did not turn up within {waited:.0f} s"
                    ledger.release(self._warehouse, batch.submission, evidence, self._wait_seconds())
        except SubmissionInProgress:
            return ""
        if why_not is None:
            remove_lock(self._spool, batch.submission)
        else:
            self._record_evidence(batch, why_not)
        return why_not

    def _why_not(self, result: LookupResult, waited: float) -> str | None:
        """Return why the batch may still turn up; None if it certainly does not exist."""
        if result.candidates or not result.thorough:
            return result.evidence
        if waited < self._margin_seconds:
            return f"{result.evidence}; it is looked for during another {self._margin_seconds - waited:.0f} s"
        return None

    def _record_evidence(self, batch: LostBatch, evidence: str) -> None:
        ledger.record_evidence(self._warehouse, batch.submission, evidence, self._wait_seconds())

    def _wait_seconds(self) -> float:
        if self._record_deadline is None:
            return ledger.RECORD_WAIT_SECONDS
        return self._record_deadline.remaining()

    @staticmethod
    def _finding(batch: LostBatch, evidence: str, batch_id: str | None = None) -> Finding:
        return Finding(batch.submission, batch.route.provider, batch.model, evidence, batch_id)


def _seconds_waited(batch: LostBatch, attempt: Moment | None, lookup: Moment) -> float:
    """Return for how long, at a lookup, the batch could have been found if its provider had it.

    By the provider's clock since it was last about to be created, or was reserved. If that clock was not measured at
    both ends, since the first lookup: then no error of this machine's clock can release a batch at once.
    """
    start = (attempt or batch.reserved).at_provider
    end = lookup.at_provider
    if start is None or end is None:
        start, end = batch.looked_for_at or lookup.local, lookup.local
    # Measurements are off by about a second, so that the difference of two may be negative.
    return max(0.0, (end - start).total_seconds())
