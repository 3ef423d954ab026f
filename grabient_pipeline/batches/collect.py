"""Collecting: fetch the results of ended batches and settle each of their requests.

Results are streamed to disk and read line by line; one transaction per batch then stores responses, states, claims and
cost. A batch that fails anywhere on the way stays as it was and is collected next time.
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

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, finish, is_collected
from grabient_pipeline.batches.parse import store_parsed
from grabient_pipeline.batches.stages import STAGES, Stage
from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError, ProviderRefused, ProviderUncertain
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import AccessMode, BatchProvider, Route, UnreadableRow, result_rows
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.warehouse import WAIT_SECONDS, sql, transaction

# The fields of a `ResultRow`, the reason why a response is not usable, and the tags of a usable one.
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
# The outcome of requests without a row. A completed batch owes a row for each.
_OUTCOMES_OF_THE_REST = {"completed": "missing", "failed": "errored", "expired": "expired", "cancelled": "cancelled"}

# How long an ended batch may take to provide the files that its counts promise.
_FILES_APPEAR_WITHIN = dt.timedelta(days=1)

# The most fetched batches that wait for the database or are being stored.
_MAX_FETCHED = 2

# docs/performance.md has the gain, and what was tried instead.
_SWITCH_SECONDS = 0.0005

# One row as the columns of `_STAGED` expect it. Plain tuples of plain values: with anything else the garbage collector
# takes as long as the reading.
_StagedRow = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class EndedBatch:
    """An ended batch whose results are not collected yet."""

    submission: str
    stage: str
    provider: str
    access: AccessMode
    model: str
    batch_id: str
    status: str
    error: str | None
    created_at: dt.datetime
    completed_at: dt.datetime
    reported_count: int | None

    @property
    def route(self) -> Route:
        """How its provider is reached."""
        return Route(self.provider, self.access)

    @property
    def kept_until(self) -> dt.datetime:
        """When its provider deletes the results."""
        return self.created_at + dt.timedelta(days=load_catalogue().provider(self.provider).retention_days)


@dataclass(frozen=True, slots=True)
class CollectedBatch:
    """The outcome of a batch: its requests by state, findings by kind, and the cost in US dollars."""

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
        """Requests that succeeded or failed; the provider never ran the others."""
        return sum(self.states.get(state, 0) for state in ("succeeded", "failed"))


@dataclass(frozen=True)
class CollectReport:
    """The batches collected, and by submission or provider why others could not be."""

    batches: tuple[CollectedBatch, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])


# Stores what was fetched of a batch; None if another process stored it meanwhile.
Store = Callable[[], CollectedBatch | None]
Fetcher = Callable[[Workspace, BatchProvider, EndedBatch], Store]

_FETCHERS: dict[str, Fetcher] = {}


def register_fetcher(submission_prefix: str, fetcher: Fetcher) -> None:
    """Let `fetcher` fetch the batches whose submissions begin with this prefix, which no token of ours does."""
    _FETCHERS[submission_prefix] = fetcher


def ended_batches(workspace: Workspace, wait_seconds: float = WAIT_SECONDS) -> list[EndedBatch]:
    """Return the batches to collect; those whose results are deleted first come first."""
    with workspace.warehouse.connect(wait_seconds) as connection:
        ended = [EndedBatch(*row) for row in connection.execute(sql(__package__, "ended_batches")).fetchall()]
    return sorted(ended, key=lambda batch: batch.kept_until)


def collect(workspace: Workspace, *, progress: Progress = SILENT) -> CollectReport:
    """Collect every ended batch; one that cannot be collected is reported with the reason and affects no other.

    While the database stores one batch, the next is fetched and read.
    """
    ended = ended_batches(workspace)
    collected: list[CollectedBatch] = []
    failures: dict[str, str] = {}

    def finish_storing(batch: EndedBatch, stored: Future[CollectedBatch | None]) -> None:
        try:
            outcome = stored.result()
        except GrabientError as error:
            failures[batch.submission] = str(error)
            return
        if outcome is not None:
            collected.append(outcome)
            progress.advance("collecting", 1, len(ended))

    with _short_switch_interval(), ThreadPoolExecutor(max_workers=1) as database:
        under_way: deque[tuple[EndedBatch, Future[CollectedBatch | None]]] = deque()
        for batch in ended:
            try:
                store = _fetcher(batch)(workspace, workspace.providers.open(batch.route), batch)
            except GrabientError as error:
                failures[batch.submission] = str(error)
                continue
            # The disk holds no more than these and the next.
            if len(under_way) == _MAX_FETCHED:
                finish_storing(*under_way.popleft())
            under_way.append((batch, database.submit(store)))
        while under_way:
            finish_storing(*under_way.popleft())
    return CollectReport(tuple(collected), failures)


@contextmanager
def _short_switch_interval() -> Generator[None]:
    """Let threads take turns ten times as often as usual.

    A statement of DuckDB's wants the interpreter several times, and each time it would wait for 5 ms while the next
    batch is read: several times as long as the statement takes.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def collect_batch(workspace: Workspace, provider: BatchProvider, batch: EndedBatch) -> CollectedBatch | None:
    """Collect one batch; None if another process collected it meanwhile."""
    return _fetcher(batch)(workspace, provider, batch)()


def fetch_batch(workspace: Workspace, provider: BatchProvider, batch: EndedBatch) -> Store:
    """Download and read the results of a batch without holding the database; the files stay until they are stored."""
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(workspace.spool, batch.submission))
        files = download_results(provider, batch, folder)
        crash_point("collect.downloaded")
        staged = write_parquet(folder, _staged_rows(provider, STAGES[batch.stage], files), _staged_frame)
        crash_point("collect.staged")
        return partial(_store, workspace, provider, batch, staged, stack.pop_all())


def _fetcher(batch: EndedBatch) -> Fetcher:
    return next((fetch for prefix, fetch in _FETCHERS.items() if batch.submission.startswith(prefix)), fetch_batch)


def _store(
    workspace: Workspace, provider: BatchProvider, batch: EndedBatch, staged: list[str], files: ExitStack
) -> CollectedBatch | None:
    with files:
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            outcome = _settle(connection, batch, staged)
            crash_point("collect.settling")
        crash_point("collect.settled")
    provider.forget(batch.batch_id)
    return outcome


def download_results(provider: BatchProvider, batch: EndedBatch, folder: Path) -> list[Path]:
    """Download the result files; none if the provider certainly has none.

    Raises:
        ProviderUncertain: the batch promises responses and gives no file yet.
        ProviderRefused: the provider does not hand them out, and still keeps them.
    """
    moment = dt.datetime.now(dt.UTC)
    try:
        files = provider.download(batch.batch_id, folder)
    except ProviderRefused:
        if moment < batch.kept_until:
            raise
        # The provider deleted them: the requests are settled as missing, and show as paid for and not kept.
        return []
    # A completed batch owes a response to each request, also if its counts are missing.
    owed = batch.reported_count if batch.reported_count is not None else batch.status == "completed"
    if not files and owed and moment < batch.completed_at + _FILES_APPEAR_WITHIN:
        promised = "responses" if batch.reported_count is None else f"{batch.reported_count:,} responses"
        raise ProviderUncertain(
            batch.provider,
            f"{batch.batch_id} reports {promised} but provides no result file yet; the next poll tries again",
        )
    return files


def _staged_rows(provider: BatchProvider, stage: Stage, files: list[Path]) -> Iterator[_StagedRow]:
    for row in result_rows(provider, files):
        if isinstance(row, UnreadableRow):
            yield None, None, row.line, None, row.reason, None, None, None, None
        elif row.outcome == "succeeded":
            tags, reason = stage.parse(row.text, row.finish_reason)
            yield *row, reason, tags.as_json() if tags else None
        else:
            yield *row, None, None


def _staged_frame(first_line: int, rows: list[_StagedRow]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(_STAGED)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(_STAGED.items(), columns, strict=True)]
    )
    return frame.with_row_index("line_number", first_line)


def _settle(connection: duckdb.DuckDBPyConnection, batch: EndedBatch, staged: list[str]) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    if is_collected(connection, batch.submission):
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
    cost_usd = finish(connection, batch.submission)
    connection.execute(sql(__package__, "parsed_without_text"), submission)
    connection.execute(sql(__package__, "parsed_from_collected"))
    store_parsed(connection, STAGES[batch.stage], batch.submission)
    states = connection.execute(
        "SELECT state, count(*) FROM tag_requests WHERE submission = $submission GROUP BY state", submission
    ).fetchall()
    findings = connection.execute(
        "SELECT kind, count(*) FROM collection_findings WHERE submission = $submission GROUP BY kind", submission
    ).fetchall()
    return CollectedBatch(
        batch.submission, batch.stage, batch.provider, batch.model, batch.status, dict(states), dict(findings), cost_usd
    )
