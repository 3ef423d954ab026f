"""Fetch what ended batches produced, and settle every request of theirs.

The results are streamed to disk, read a line at a time, and taken in by one transaction a batch: responses, states,
claims, cost. A batch of which anything fails stays as it was, and is collected next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.batches.ledger import PATIENCE_SECONDS
from grabient_pipeline.batches.parse import store_parsed, tags_column, tags_text
from grabient_pipeline.batches.stages import STAGES, TAGGING, Stage
from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.errors import GrabientError
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, UnreadableRow, result_rows
from grabient_pipeline.warehouse import WAIT_SECONDS, Warehouse, query, transaction

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

# A row of results as the columns of `_STAGED` take it, in a plain tuple of plain values: with anything else the garbage
# collector takes as long as the reading.
_Read = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """A batch whose results are waiting."""

    submission: str
    stage: str
    provider: str
    model: str
    batch_id: str
    status: str
    error: str | None


@dataclass(frozen=True, slots=True)
class CollectedBatch:
    """What came of a batch: its requests by state, the odd rows by kind, and what it cost in US dollars."""

    submission: str
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


@dataclass(frozen=True, slots=True)
class _Results:
    """What a batch produced, read and waiting in files; `folder` takes them away at its end."""

    staged: list[str]
    folder: ExitStack


@dataclass(frozen=True)
class CollectReport:
    """What was collected, and why the rest could not be."""

    batches: tuple[CollectedBatch, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])


def ended_batches(warehouse: Warehouse, wait_seconds: float = WAIT_SECONDS) -> list[EndedBatch]:
    """What has ended and waits to be collected, oldest first."""
    with warehouse.connect(wait_seconds) as connection:
        return [EndedBatch(*row) for row in connection.execute(query("ended_batches")).fetchall()]


def collect(
    warehouse: Warehouse,
    spool_dir: Path,
    open_provider: Callable[[str], BatchProvider],
    *,
    progress: Progress = SILENT,
) -> CollectReport:
    """Collect every batch that has ended; one that cannot be is told with the reason, and spoils no other.

    While one is taken in by the database, the next is fetched and read.
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

    with ThreadPoolExecutor(max_workers=1) as database:
        under_way: list[tuple[EndedBatch, Future[CollectedBatch | None]]] = []
        for batch in ended:
            try:
                results = _fetch(spool_dir, open_provider(batch.provider), batch)
            except GrabientError as error:
                failures[batch.submission] = str(error)
                continue
            # Never more than one, so that the disk holds two batches at most.
            if under_way:
                note(*under_way.pop())
            under_way.append((batch, database.submit(_take_in, warehouse, batch, results)))
        if under_way:
            note(*under_way.pop())
    return CollectReport(tuple(collected), failures)


def collect_batch(
    warehouse: Warehouse, spool_dir: Path, provider: BatchProvider, batch: EndedBatch
) -> CollectedBatch | None:
    """Collect one batch; None if another process did meanwhile."""
    return _take_in(warehouse, batch, _fetch(spool_dir, provider, batch))


def _fetch(spool_dir: Path, provider: BatchProvider, batch: EndedBatch) -> _Results:
    """Download and read what a batch produced; none of it needs the database."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(spool_dir, batch.submission))
        files = provider.download(batch.batch_id, folder)
        staged = write_parquet(folder, _rows(provider, STAGES[batch.stage], files), _frame)
        return _Results(staged, stack.pop_all())


def _take_in(warehouse: Warehouse, batch: EndedBatch, results: _Results) -> CollectedBatch | None:
    with results.folder, warehouse.connect(PATIENCE_SECONDS) as connection, transaction(connection):
        return _settle(connection, batch, results.staged)


def _rows(provider: BatchProvider, stage: Stage, files: list[Path]) -> Iterator[_Read]:
    for row in result_rows(provider, files):
        if isinstance(row, UnreadableRow):
            yield None, None, row.line, None, row.reason, None, None, None, None
        elif row.outcome == "succeeded":
            tags, reason = stage.parse(row.text, row.finish_reason)
            yield *row, reason, tags_text(tags)
        else:
            yield *row, None, None


def _frame(first_line: int, rows: list[_Read]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(_STAGED)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(_STAGED.items(), columns, strict=True)]
    )
    return frame.with_row_index("line_number", first_line).with_columns(tags_column(frame["tags"]))


def _settle(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, staged: list[str]) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    ((collected_at,),) = connection.execute(
        "SELECT collected_at FROM tag_batches WHERE submission = $submission", submission
    ).fetchall()
    if collected_at is not None:
        return None
    show_staged(connection, staged)
    connection.execute(query("collect_results"), {**submission, "outcome": _OUTCOMES_OF_THE_REST[batch.status]})
    connection.execute(query("insert_responses"), submission)
    connection.execute(query("record_findings"), submission)
    why = f"the batch ended as {batch.status}" + (f": {batch.error}" if batch.error else " without this request")
    connection.execute(query("insert_missing_responses"), {**submission, "error": why})
    connection.execute(query("record_missing"), submission)
    connection.execute(query("settle_requests"), submission)
    connection.execute(query("release_claims"), submission)
    connection.execute(query("finish_batch"), submission)
    connection.execute(query("parsed_without_text"), submission)
    connection.execute(query("parsed_from_collected"))
    if batch.stage == TAGGING.name:
        store_parsed(connection, batch.submission)
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
        batch.submission, batch.provider, batch.model, batch.status, dict(states), dict(findings), cost_usd
    )
