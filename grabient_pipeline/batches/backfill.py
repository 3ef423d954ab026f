"""Start a backfill: find what is missing, reserve it, submit it.

A provider that fails takes nobody with it: its part is told with the reason, and the others go on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from grabient_pipeline.batches import ledger
from grabient_pipeline.batches.ledger import ProviderModels, Reservation
from grabient_pipeline.batches.request_file import json_text
from grabient_pipeline.batches.stages import TAGGING, Stage
from grabient_pipeline.batches.submission_lock import forget, hold_submissions, mark_creation_attempt
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError, ProviderRefused, ProviderUncertain, SettingsError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, Submission
from grabient_pipeline.providers.catalogue import Model
from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.warehouse import Warehouse, sql

MAX_ANALYSIS_COUNT = 20


@dataclass(frozen=True, slots=True)
class BatchReport:
    """What became of one batch: `batch_id` where the provider has it, else `error`."""

    submission: str
    model: Model
    request_count: int
    estimated_cost_usd: float
    api: str
    batch_id: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class BackfillReport:
    """What a backfill did, or in a dry run would do."""

    batches: tuple[BatchReport, ...] = ()
    left_out: tuple[str, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])
    dry_run: bool = False

    @property
    def submitted(self) -> tuple[BatchReport, ...]:
        return tuple(batch for batch in self.batches if batch.batch_id is not None)

    @property
    def request_count(self) -> int:
        return sum(batch.request_count for batch in self._counted)

    @property
    def estimated_cost_usd(self) -> float:
        return sum(batch.estimated_cost_usd for batch in self._counted)

    @property
    def _counted(self) -> tuple[BatchReport, ...]:
        return self.batches if self.dry_run else self.submitted


@dataclass(frozen=True, slots=True)
class BackfillOrder:
    """What is asked for. `limit`: at most so many palettes for each model; `max_cost_usd`: the cap in US dollars.

    `direct`: models (`provider/model`) and providers that are asked by ordinary calls, at the full price.
    """

    models: tuple[Model, ...]
    analysis_count: int
    max_cost_usd: float
    limit: int | None = None
    dry_run: bool = False
    direct: frozenset[str] = frozenset()

    def api(self, model: Model) -> str:
        """How a model is asked: its provider's batches, or ordinary calls."""
        return f"{model.provider}:direct" if {model.name, model.provider} & self.direct else model.provider

    def __post_init__(self) -> None:
        check_analysis_count(self.analysis_count)
        if self.limit is not None and self.limit < 1:
            raise SettingsError(f"the limit is {self.limit}; it must be 1 palette or more")
        if not self.max_cost_usd >= 0:
            raise SettingsError(f"the cost cap is {self.max_cost_usd}; it must be 0 US dollars or more")


def check_analysis_count(count: int) -> int:
    """The count, if it is one that may be set.

    Raises:
        SettingsError: it is not from 1 to 20.
    """
    if not 1 <= count <= MAX_ANALYSIS_COUNT:
        raise SettingsError(f"the analysis count is {count}; it must be a whole number from 1 to {MAX_ANALYSIS_COUNT}")
    return count


def backfill(
    warehouse: Warehouse,
    spool_dir: Path,
    open_provider: Callable[[str], BatchProvider],
    order: BackfillOrder,
    *,
    stage: Stage = TAGGING,
    progress: Progress = SILENT,
) -> BackfillReport:
    """Ask the models for whatever they have not said yet about the palettes; a batch a model, more where a limit cuts.

    Raises:
        CostCapError: the estimate is above the cap; nothing was submitted.
    """
    asked, failures = _open(open_provider, order)
    models = [model for entry in asked for model in entry.models]
    subjects = ledger.subjects_to_ask(warehouse, stage, models, order.analysis_count, order.limit)
    texts = {seed: json_text(text) for seed, text in stage.texts(subjects).items()}
    reservations = ledger.reserve(
        warehouse,
        stage,
        asked,
        texts,
        subjects=subjects,
        analysis_count=order.analysis_count,
        limit=order.limit,
        max_cost_usd=order.max_cost_usd,
        dry_run=order.dry_run,
    )
    if order.dry_run:
        reports = [_report(reservation) for reservation in reservations]
        return BackfillReport(tuple(reports), failures=failures, dry_run=True)
    providers = {ledger.api_name(entry.provider): entry.provider for entry in asked}
    with hold_submissions(spool_dir, [reservation.submission for reservation in reservations]):
        # Between the two, somebody who looked for lost batches may have released one of them.
        reservations = ledger.still_reserved(warehouse, reservations)
        reports = _submit_all(warehouse, spool_dir, providers, reservations, texts, progress)
    for report in reports:
        if report.error is not None:
            failures.setdefault(report.model.provider, report.error)
    failures |= work_on_direct_batches(warehouse, open_provider, progress=progress)
    return BackfillReport(tuple(reports), failures=failures)


def work_on_direct_batches(
    warehouse: Warehouse, open_provider: Callable[[str], BatchProvider], *, progress: Progress = SILENT
) -> dict[str, str]:
    """Ask whatever is left of batches of ordinary calls that nobody is working on; why not, by provider."""
    with warehouse.connect() as connection:
        batches = connection.execute(sql(__package__, "direct_batches")).fetchall()
    failures: dict[str, str] = {}
    for _, key, batch_id in batches:
        if key in failures:
            continue
        try:
            provider = open_provider(f"{key}:direct")
            if isinstance(provider, DirectCalls):
                provider.work(batch_id, progress=progress)
        except GrabientError as error:
            failures[key] = str(error)
    return failures


def _open(
    open_provider: Callable[[str], BatchProvider], order: BackfillOrder
) -> tuple[list[ProviderModels], dict[str, str]]:
    """The providers that are there and take our key, before anything is reserved for them."""
    by_provider: dict[str, list[Model]] = {}
    for model in order.models:
        by_provider.setdefault(order.api(model), []).append(model)

    def opened(key: str) -> BatchProvider | str:
        try:
            provider = open_provider(key)
            if not order.dry_run:
                provider.check()
        except GrabientError as error:
            return str(error)
        return provider

    asked: list[ProviderModels] = []
    failures: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(by_provider))) as pool:
        for key, outcome in zip(by_provider, pool.map(opened, by_provider), strict=True):
            if isinstance(outcome, str):
                failures[key] = outcome
            else:
                asked.append(ProviderModels(outcome, tuple(by_provider[key])))
    return asked, failures


def _submit_all(
    warehouse: Warehouse,
    spool_dir: Path,
    providers: Mapping[str, BatchProvider],
    reservations: Sequence[Reservation],
    texts: Mapping[str, bytes],
    progress: Progress,
) -> list[BatchReport]:
    """All providers at once, each with one batch at a time."""
    reports: dict[str, BatchReport] = {}
    begun: set[str] = set()
    stopped = threading.Event()
    total = sum(reservation.request_count for reservation in reservations)

    def submit_those_of(key: str) -> None:
        for reservation in reservations:
            if reservation.api != key:
                continue
            if stopped.is_set():
                return
            begun.add(reservation.submission)
            reports[reservation.submission] = _submit(warehouse, spool_dir, providers[key], reservation, texts)
            progress.advance("submitting", reservation.request_count, total)

    keys = {reservation.api for reservation in reservations}
    try:
        with ThreadPoolExecutor(max_workers=max(1, len(keys))) as pool:
            try:
                for future in [pool.submit(submit_those_of, key) for key in keys]:
                    future.result()
            except BaseException:
                stopped.set()
                raise
    finally:
        # What nobody began to send, after an interruption, certainly is at no provider. The rest may be.
        for reservation in reservations:
            if stopped.is_set() and reservation.submission not in begun:
                _release(warehouse, spool_dir, reservation, "interrupted before it was sent")
    return [reports[reservation.submission] for reservation in reservations]


def _submit(
    warehouse: Warehouse,
    spool_dir: Path,
    provider: BatchProvider,
    reservation: Reservation,
    texts: Mapping[str, bytes],
) -> BatchReport:
    file = spool_dir / f"{reservation.submission}.requests"
    try:
        try:
            reservation.template.write(file, reservation.requests(), texts)
        except OSError as error:
            raise ProviderRefused(provider.key, f"nothing was sent: cannot write {file} ({error.strerror})") from error
        crash_point("submit.file_written")
        may_exist = partial(_may_exist, spool_dir, reservation.submission)
        batch_id = provider.submit(Submission(reservation.submission, reservation.model.id, file, may_exist))
    except ProviderRefused as error:
        _release(warehouse, spool_dir, reservation, str(error))
        return _report(reservation, error=str(error))
    except ProviderUncertain as error:
        mark_creation_attempt(spool_dir, reservation.submission)
        reason = (
            f"{error}; it may have been created all the same: it stays reserved, and grabient reconcile looks for it"
        )
        ledger.record_uncertain(warehouse, reservation.submission, reason)
        return _report(reservation, error=reason)
    finally:
        file.unlink(missing_ok=True)
    crash_point("submit.created")
    ledger.record_submitted(warehouse, reservation.submission, batch_id)
    crash_point("submit.recorded")
    forget(spool_dir, reservation.submission)
    return _report(reservation, batch_id=batch_id)


def _may_exist(spool_dir: Path, submission: str) -> None:
    mark_creation_attempt(spool_dir, submission)
    crash_point("submit.uploaded")


def _release(warehouse: Warehouse, spool_dir: Path, reservation: Reservation, reason: str) -> None:
    ledger.release(warehouse, reservation.submission, reason)
    forget(spool_dir, reservation.submission)


def _report(reservation: Reservation, batch_id: str | None = None, error: str | None = None) -> BatchReport:
    return BatchReport(
        reservation.submission,
        reservation.model,
        reservation.request_count,
        reservation.estimated_cost_usd,
        reservation.api,
        batch_id,
        error,
    )
