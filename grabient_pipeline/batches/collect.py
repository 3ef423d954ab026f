"""Fetch what ended batches produced, and settle every request of theirs.

The results are streamed to disk, read a line at a time, and taken in by one transaction a batch: responses, states,
claims, cost. A batch of which anything fails stays as it was, and is collected next time.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.batches.ledger import PATIENCE_SECONDS
from grabient_pipeline.batches.parse import store_parsed
from grabient_pipeline.batches.stages import STAGES, Stage
from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError, ProviderRefused, ProviderUncertain
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, UnreadableRow, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, sql, transaction

# The fields of a `ResultRow`, the reason why the answer cannot be used, and the tags of one that can.
_STAGED = {
    "custom_id": pl.String,
    "outcome": pl.String,
    "text": pl.String,
    "finish_reason": pl.String,
    "error": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "reason": pl.String,
    "tags": pl.String,
}
# What became of the requests that a batch says nothing about. A completed batch owes an answer to each.
_OUTCOMES_OF_THE_REST = {"completed": "missing", "failed": "errored", "expired": "expired", "cancelled": "cancelled"}

# A batch that has ended without the files that its counts promise gets so long to give them.
_FILES_APPEAR_WITHIN = dt.timedelta(days=1)

# So many batches that have been fetched wait for the database, or are with it.
_WAITING = 2

_TURN_SECONDS = 0.0005

# A row of results as the columns of `_STAGED` take it, in a plain tuple of plain values: with anything else the garbage
# collector takes as long as the reading.
_Read = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """A batch whose results are waiting."""

    submission: str
    stage: str
    provider: str
    api: str
    model: str
    batch_id: str
    status: str
    error: str | None
    created_at: dt.datetime
    completed_at: dt.datetime
    reported_count: int | None

    @property
    def kept_until(self) -> dt.datetime:
        """When its provider throws the results away."""
        return self.created_at + dt.timedelta(days=load_catalogue().provider(self.provider).retention_days)


@dataclass(frozen=True, slots=True)
class CollectedBatch:
    """What came of a batch: its requests by state, the odd rows by kind, and what it cost in US dollars."""

    submission: str
    stage: str
    provider: str
    model: str
    status: str
    states: Mapping[str, int]
    findings: Mapping[str, int]
    cost_usd: float

    @property
    def answers(self) -> int:
        """Requests that came to something, good or bad; the provider never ran the others."""
        return sum(self.states.get(state, 0) for state in ("succeeded", "failed"))


@dataclass(frozen=True)
class CollectReport:
    """What was collected, and why the rest could not be."""

    batches: tuple[CollectedBatch, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])


# Takes in what was fetched of a batch; None if another process did meanwhile.
TakeIn = Callable[[Warehouse], CollectedBatch | None]
Fetch = Callable[[Warehouse, Path, BatchProvider, EndedBatch], TakeIn]


def ended_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[EndedBatch]:
    """What has ended and waits to be collected; first that whose results are the first to vanish."""
    with warehouse.connect(wait_seconds) as connection:
        ended = [EndedBatch(*row) for row in connection.execute(sql(__package__, "ended_batches")).fetchall()]
    return sorted(ended, key=lambda batch: batch.kept_until)


def collect(
    warehouse: Warehouse,
    spool_dir: Path,
    open_provider: Callable[[str], BatchProvider],
    *,
    fetch: Fetch | None = None,
    progress: Progress = SILENT,
) -> CollectReport:
    """Collect every batch that has ended; one that cannot be is told with the reason, and spoils no other.

    While one is taken in by the database, the next is fetched and read.

    Args:
        fetch: fetches and reads the results of a batch; by default `fetch_batch`.
    """
    ended = ended_batches(warehouse)
    collected: list[CollectedBatch] = []
    failures: dict[str, str] = {}

    def note(batch: EndedBatch, taken_in: Future[CollectedBatch | None]) -> None:
        try:
            outcome = taken_in.result()
        except GrabientError as error:
            failures[batch.submission] = str(error)
            return
        if outcome is not None:
            collected.append(outcome)
            progress.advance("collecting", 1, len(ended))

    with _turns_taken_quickly(), ThreadPoolExecutor(max_workers=1) as database:
        under_way: deque[tuple[EndedBatch, Future[CollectedBatch | None]]] = deque()
        for batch in ended:
            try:
                take_in = (fetch or fetch_batch)(warehouse, spool_dir, open_provider(batch.api), batch)
            except GrabientError as error:
                failures[batch.submission] = str(error)
                continue
            # The disk never holds more than these and the next.
            if len(under_way) == _WAITING:
                note(*under_way.popleft())
            under_way.append((batch, database.submit(take_in, warehouse)))
        while under_way:
            note(*under_way.popleft())
    return CollectReport(tuple(collected), failures)


@contextmanager
def _turns_taken_quickly() -> Generator[None]:
    """Let threads take turns ten times as often as usual.

    A statement of DuckDB's wants the interpreter several times, and each time it would wait for 5 ms while the next
    batch is read: several times as long as the statement takes.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def collect_batch(
    warehouse: Warehouse, spool_dir: Path, provider: BatchProvider, batch: EndedBatch
) -> CollectedBatch | None:
    """Collect one batch; None if another process did meanwhile."""
    return fetch_batch(warehouse, spool_dir, provider, batch)(warehouse)


def fetch_batch(warehouse: Warehouse, spool_dir: Path, provider: BatchProvider, batch: EndedBatch) -> TakeIn:
    """Download and read what a batch produced, without the database; it is to be taken in or its files stay."""
    del warehouse
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(spool_dir, batch.submission))
        files = downloaded_files(provider, batch, folder)
        crash_point("collect.downloaded")
        staged = write_parquet(folder, _rows(provider, STAGES[batch.stage], files), _frame)
        crash_point("collect.staged")
        return partial(_take_in, provider, batch, staged, stack.pop_all())


def _take_in(
    provider: BatchProvider, batch: EndedBatch, staged: list[str], files: ExitStack, warehouse: Warehouse
) -> CollectedBatch | None:
    with files:
        with warehouse.connect(PATIENCE_SECONDS) as connection, transaction(connection):
            outcome = _settle(connection, batch, staged)
            crash_point("collect.settling")
        crash_point("collect.settled")
    if isinstance(provider, DirectCalls):
        provider.forget(batch.batch_id)
    return outcome


def downloaded_files(provider: BatchProvider, batch: EndedBatch, folder: Path) -> list[Path]:
    """The files of results; none where the provider has none, for certain."""
    moment = dt.datetime.now(dt.UTC)
    try:
        files = provider.download(batch.batch_id, folder)
    except ProviderRefused:
        if moment < batch.kept_until:
            raise
        # Gone for good: the requests are settled as missing, and what was paid for shows as not kept.
        return []
    # Without its counts, a completed batch owes an answer to each request all the same.
    owed = batch.reported_count if batch.reported_count is not None else batch.status == "completed"
    if not files and owed and moment < batch.completed_at + _FILES_APPEAR_WITHIN:
        said = "answers" if batch.reported_count is None else f"{batch.reported_count:,} answers"
        raise ProviderUncertain(
            batch.provider,
            f"{batch.batch_id} is said to have {said} and gives no file of them yet; it is asked again",
        )
    return files


def _rows(provider: BatchProvider, stage: Stage, files: list[Path]) -> Iterator[_Read]:
    for row in result_rows(provider, files):
        if isinstance(row, UnreadableRow):
            yield None, None, row.line, None, row.reason, None, None, None, None
        elif row.outcome == "succeeded":
            tags, reason = stage.parse(row.text, row.finish_reason)
            yield *row, reason, tags.as_json() if tags else None
        else:
            yield *row, None, None


def _frame(first_line: int, rows: list[_Read]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(_STAGED)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(_STAGED.items(), columns, strict=True)]
    )
    return frame.with_row_index("line_number", first_line)


def _settle(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, staged: list[str]) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    ((collected_at,),) = connection.execute(
        "SELECT collected_at FROM tag_batches WHERE submission = $submission", submission
    ).fetchall()
    if collected_at is not None:
        return None
    show_staged(connection, staged)
    connection.execute(
        sql(__package__, "collect_results"), {**submission, "outcome": _OUTCOMES_OF_THE_REST[batch.status]}
    )
    connection.execute(sql(__package__, "insert_responses"), submission)
    connection.execute(sql(__package__, "record_findings"), submission)
    why = f"the batch ended as {batch.status}" + (f": {batch.error}" if batch.error else " without this request")
    connection.execute(sql(__package__, "insert_missing_responses"), {**submission, "error": why})
    connection.execute(sql(__package__, "record_missing"), submission)
    connection.execute(sql(__package__, "settle_requests"), submission)
    connection.execute(sql(__package__, "release_claims"), submission)
    connection.execute(sql(__package__, "finish_batch"), submission)
    connection.execute(sql(__package__, "parsed_without_text"), submission)
    connection.execute(sql(__package__, "parsed_from_collected"))
    store_parsed(connection, STAGES[batch.stage], batch.submission)
    states = connection.execute(
        "SELECT state, count(*) FROM tag_requests WHERE submission = $submission GROUP BY state", submission
    ).fetchall()
    findings = connection.execute(
        "SELECT kind, count(*) FROM collection_findings WHERE submission = $submission GROUP BY kind", submission
    ).fetchall()
    ((cost_usd,),) = connection.execute(
        "SELECT coalesce(cost_usd, 0) FROM tag_batches WHERE submission = $submission", submission
    ).fetchall()
    return CollectedBatch(
        batch.submission, batch.stage, batch.provider, batch.model, batch.status, dict(states), dict(findings), cost_usd
    )
