"""Fetch what ended batches produced, and settle every request of theirs.

The results are streamed to disk, read a line at a time, and taken in by one transaction a batch: responses, states,
claims, cost. A batch of which anything fails stays as it was, and is collected next time.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.batches.ledger import PATIENCE_SECONDS
from grabient_pipeline.batches.parse import store_parsed, tags_column
from grabient_pipeline.batches.stages import STAGES, Stage
from grabient_pipeline.batches.staging import scratch_folder, write_parquet
from grabient_pipeline.errors import GrabientError, ProviderRefused, ProviderUncertain
from grabient_pipeline.moments import reached
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, ResultRow, UnreadableRow, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.direct import DirectCalls
from grabient_pipeline.tagging import ParsedAnswer
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, query, transaction

_STAGED = {
    "line_number": pl.Int64,
    "custom_id": pl.String,
    "outcome": pl.String,
    "text": pl.String,
    "finish_reason": pl.String,
    "error": pl.String,
    "input_tokens": pl.Int64,
    "output_tokens": pl.Int64,
    "reason": pl.String,
}
# What became of the requests that a batch says nothing about. A completed batch owes an answer to each.
_OUTCOMES_OF_THE_REST = {"completed": "missing", "failed": "errored", "expired": "expired", "cancelled": "cancelled"}

# A batch that has ended without the files that its counts promise gets so long to give them.
_FILES_APPEAR_WITHIN = dt.timedelta(days=1)

# A row, and what the stage makes of it if it is an answer.
_Read = tuple[ResultRow | UnreadableRow, ParsedAnswer | None]


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


CollectOne = Callable[[Warehouse, Path, BatchProvider, EndedBatch], CollectedBatch | None]


def ended_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[EndedBatch]:
    """What has ended and waits to be collected; first that whose results are the first to vanish."""
    with warehouse.connect(wait_seconds) as connection:
        ended = [EndedBatch(*row) for row in connection.execute(query("ended_batches")).fetchall()]
    return sorted(ended, key=lambda batch: batch.kept_until)


def collect(
    warehouse: Warehouse,
    spool_dir: Path,
    open_provider: Callable[[str], BatchProvider],
    *,
    collect_one: CollectOne | None = None,
    progress: Progress = SILENT,
) -> CollectReport:
    """Collect every batch that has ended; one that cannot be is told with the reason, and spoils no other.

    Args:
        collect_one: collects a batch; by default `collect_batch`.
    """
    ended = ended_batches(warehouse)
    collected: list[CollectedBatch] = []
    failures: dict[str, str] = {}
    for batch in ended:
        try:
            outcome = (collect_one or collect_batch)(warehouse, spool_dir, open_provider(batch.api), batch)
        except GrabientError as error:
            failures[batch.submission] = str(error)
            continue
        if outcome is not None:
            collected.append(outcome)
            progress.advance("collecting", 1, len(ended))
    return CollectReport(tuple(collected), failures)


def collect_batch(
    warehouse: Warehouse, spool_dir: Path, provider: BatchProvider, batch: EndedBatch
) -> CollectedBatch | None:
    """Collect one batch; None if another process did meanwhile."""
    stage = STAGES[batch.stage]
    with scratch_folder(spool_dir, batch.submission) as folder:
        files = _downloaded(provider, batch, folder)
        reached("collect.downloaded")
        staged = write_parquet(folder, _rows(provider, stage, files), _frame)
        reached("collect.staged")
        with warehouse.connect(PATIENCE_SECONDS) as connection, transaction(connection):
            outcome = _settle(connection, batch, staged)
            reached("collect.settling")
        reached("collect.settled")
    if isinstance(provider, DirectCalls):
        provider.forget(batch.batch_id)
    return outcome


def _downloaded(provider: BatchProvider, batch: EndedBatch, folder: Path) -> list[Path]:
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
        if isinstance(row, ResultRow) and row.outcome == "succeeded":
            yield row, stage.parse(row.text, row.finish_reason)
        else:
            yield row, None


def _frame(first_line: int, rows: list[_Read]) -> pl.DataFrame:
    columns: list[list[object]] = [[] for _ in _STAGED]
    for number, (row, answer) in enumerate(rows, start=first_line):
        if isinstance(row, UnreadableRow):
            values = (number, None, None, row.line, None, row.reason, None, None, None)
        else:
            values = (
                number,
                row.custom_id,
                row.outcome,
                row.text,
                row.finish_reason,
                row.error,
                row.input_tokens,
                row.output_tokens,
                None if answer is None else answer.error,
            )
        for column, value in zip(columns, values, strict=True):
            column.append(value)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(_STAGED.items(), columns, strict=True)]
    )
    return frame.with_columns(tags_column([answer for _, answer in rows]))


def _settle(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, staged: list[str]) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    from_file = {**submission, "staged": staged}
    ((collected_at,),) = connection.execute(
        "SELECT collected_at FROM tag_batches WHERE submission = $submission", submission
    ).fetchall()
    if collected_at is not None:
        return None
    connection.execute(query("stage_results"), from_file)
    connection.execute(query("insert_responses"), submission)
    connection.execute(query("record_findings"), from_file)
    why = f"the batch ended as {batch.status}" + (f": {batch.error}" if batch.error else " without this request")
    rest = {**submission, "outcome": _OUTCOMES_OF_THE_REST[batch.status], "error": why}
    connection.execute(query("insert_missing_responses"), rest)
    connection.execute(query("record_missing"), submission)
    connection.execute(query("settle_requests"), submission)
    connection.execute(query("release_claims"), submission)
    connection.execute(query("finish_batch"), submission)
    connection.execute(query("parsed_from_collected"))
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
