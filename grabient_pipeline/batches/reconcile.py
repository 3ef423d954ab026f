"""Find again what a crash or a lost answer left `reserved`: adopt the batch, or release what certainly is not there.

A batch that the provider has is adopted whenever it is found. A reservation is released only when nobody is sending it
any more, the waiting margin has passed since it may have been created, and a complete listing without anything that
could be it does not have it. Whatever is found is written down as evidence.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.submission_lock import SubmissionInProgress, forget, hold_if_idle
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.providers.base import BatchProvider, LookupRequest, LookupResult
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, sql

# So long after it may have been created, a batch that a complete listing does not have is not there.
MARGIN_SECONDS = 900.0

BUDGET_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class LostBatch:
    """A reservation of which it is not known whether its provider has it."""

    submission: str
    provider: str
    api: str
    model: str
    request_count: int
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """What looking for a batch came to, in words; its id where it was found."""

    submission: str
    provider: str
    model: str
    evidence: str
    batch_id: str | None = None


@dataclass(frozen=True)
class ReconcileReport:
    """What was adopted, what was released, what may still turn up, and who could not be asked (by submission)."""

    adopted: tuple[Finding, ...] = ()
    released: tuple[Finding, ...] = ()
    waiting: tuple[Finding, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])


def lost_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[LostBatch]:
    """What is reserved, oldest first; some of it may be being sent right now."""
    with warehouse.connect(wait_seconds) as connection:
        return [LostBatch(*row) for row in connection.execute(sql(__package__, "lost_batches")).fetchall()]


def reconcile(
    warehouse: Warehouse,
    spool_dir: Path,
    open_provider: Callable[[str], BatchProvider],
    *,
    margin_seconds: float = MARGIN_SECONDS,
    budget_seconds: float = BUDGET_SECONDS,
    wait_seconds: float = WAIT_SECONDS,
) -> ReconcileReport:
    """Look for every lost batch, all providers at once; who does not answer within the budget is asked next time."""
    lost = lost_batches(warehouse, wait_seconds)
    if not lost:
        return ReconcileReport()
    with warehouse.connect(wait_seconds) as connection:
        known: dict[str, frozenset[str]] = {
            provider: frozenset(batch_ids)
            for provider, batch_ids in connection.execute(sql(__package__, "known_batches")).fetchall()
        }
    searching = _Searching(spool_dir, open_provider, known)
    deadline = time.monotonic() + budget_seconds
    threads: list[threading.Thread] = []
    for api in dict.fromkeys(batch.api for batch in lost):
        theirs = [batch for batch in lost if batch.api == api]
        # A thread of a pool would keep the process from ending while its call hangs.
        threads.append(threading.Thread(target=searching.look_for, args=(theirs, deadline), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return _settle(warehouse, spool_dir, lost, searching.outcomes(), margin_seconds, budget_seconds)


class _Searching:
    """What has been found so far, by submission; threads of several providers add to it."""

    def __init__(
        self, spool_dir: Path, open_provider: Callable[[str], BatchProvider], known: Mapping[str, frozenset[str]]
    ) -> None:
        self._spool_dir = spool_dir
        self._open_provider = open_provider
        self._known = known
        self._outcomes: dict[str, LookupResult | str | None] = {}
        self._lock = threading.Lock()

    def outcomes(self) -> dict[str, LookupResult | str | None]:
        """A search, a reason why there is none, or None for what is being sent right now."""
        with self._lock:
            return dict(self._outcomes)

    def look_for(self, batches: Sequence[LostBatch], deadline: float) -> None:
        """Look for a provider's batches, one after another."""
        for batch in batches:
            if time.monotonic() > deadline:
                return
            outcome = self._outcome(batch)
            with self._lock:
                self._outcomes[batch.submission] = outcome

    def _outcome(self, batch: LostBatch) -> LookupResult | str | None:
        known = self._known.get(batch.provider, frozenset())
        try:
            with hold_if_idle(self._spool_dir, batch.submission):
                pass
            provider = self._open_provider(batch.api)
            return provider.find(LookupRequest(batch.submission, batch.created_at, batch.request_count, known))
        except SubmissionInProgress:
            return None
        except GrabientError as error:
            return str(error)
        except Exception as error:
            return f"{batch.provider}: an answer that was not understood ({type(error).__name__})"


def _settle(
    warehouse: Warehouse,
    spool_dir: Path,
    lost: Sequence[LostBatch],
    outcomes: Mapping[str, LookupResult | str | None],
    margin_seconds: float,
    budget_seconds: float,
) -> ReconcileReport:
    adopted: list[Finding] = []
    released: list[Finding] = []
    waiting: list[Finding] = []
    failures: dict[str, str] = {}
    for batch in lost:
        late = f"{batch.provider}: no answer within {budget_seconds:.0f} s"
        outcome = outcomes.get(batch.submission, late)
        if outcome is None:
            continue
        if isinstance(outcome, str):
            failures[batch.submission] = outcome
            continue
        found = Finding(batch.submission, batch.provider, batch.model, outcome.evidence, outcome.batch_id)
        crash_point("reconcile.searched")
        if outcome.batch_id is not None:
            if ledger.adopt(warehouse, batch.submission, outcome.batch_id, f"adopted: {outcome.evidence}"):
                crash_point("reconcile.adopted")
                forget(spool_dir, batch.submission)
                adopted.append(found)
            continue
        why_not = _not_yet(warehouse, spool_dir, batch, outcome, margin_seconds)
        if why_not is None:
            released.append(found)
        elif why_not:
            waiting.append(Finding(batch.submission, batch.provider, batch.model, why_not))
    return ReconcileReport(tuple(adopted), tuple(released), tuple(waiting), failures)


def _not_yet(
    warehouse: Warehouse, spool_dir: Path, batch: LostBatch, search: LookupResult, margin_seconds: float
) -> str | None:
    """Release it, or say why that would be too early; empty if somebody is sending it."""
    try:
        with hold_if_idle(spool_dir, batch.submission) as touched:
            age = (dt.datetime.now(dt.UTC) - max(batch.created_at, touched or batch.created_at)).total_seconds()
            if search.candidates or not search.thorough:
                why_not = search.evidence
            elif age < margin_seconds:
                why_not = f"{search.evidence}; it is looked for until {margin_seconds - age:.0f} s from now"
            else:
                ledger.release(
                    warehouse, batch.submission, f"released: {search.evidence}, {age:.0f} s after it may have been made"
                )
                why_not = None
    except SubmissionInProgress:
        return ""
    if why_not is None:
        forget(spool_dir, batch.submission)
    else:
        ledger.record_evidence(warehouse, batch.submission, why_not)
    return why_not
