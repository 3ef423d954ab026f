"""Collecting: fetch the results of ended batches, and store what is delivered.

Results are streamed to disk and read line by line; one transaction per batch then stores responses, states, claims and
cost (`settlement`). A batch that fails anywhere on the way stays as it was and is collected next time; what its
provider has not given yet is waited for.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import polars as pl

from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, record_trouble
from grabient_pipeline.batches.settlement import CollectedBatch, EndedBatch, read_chosen, settle
from grabient_pipeline.batches.stages import STAGES, Stage
from grabient_pipeline.batches.staging import scratch_folder, write_parquet
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import GrabientError, ProviderRefused, ProviderUncertain
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.base import BatchProvider, BatchState, Delivery, ResultRow, UnreadableRow, result_rows
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
    "cached_input_tokens": pl.Int64,
    "cache_write_tokens": pl.Int64,
    "cache_write_hour_tokens": pl.Int64,
    "reasoning_tokens": pl.Int64,
    "service_tier": pl.String,
    "reason": pl.String,
    "tags": pl.String,
}

# The columns after `error` of a line that cannot be read.
_NOTHING = (None,) * (len(_STAGED) - 5)

# The most fetched batches that wait for the database or are being stored.
_MAX_FETCHED = 2

# docs/performance.md has the gain, and what was tried instead.
_SWITCH_SECONDS = 0.0005

# One row as the columns of `_STAGED` expect it. Plain tuples of plain values: with anything else the garbage collector
# takes as long as the reading.
_StagedRow = tuple[object, ...]


@dataclass(frozen=True)
class CollectReport:
    """The batches with newly stored results and, by submission or provider, why others could not be collected.

    `refused`: of the latter, those that fail until a person has changed a key or a setting. `waiting`: by submission,
    what its provider still owes.
    """

    batches: tuple[CollectedBatch, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict[str, str])
    waiting: Mapping[str, str] = field(default_factory=dict[str, str])
    refused: frozenset[str] = frozenset()


# Stores what was fetched of a batch; None if another process stored it meanwhile.
Store = Callable[[], CollectedBatch | None]
Fetcher = Callable[[Workspace, BatchProvider, EndedBatch], Store]

_FETCHERS: dict[str, Fetcher] = {}


def register_fetcher(submission_prefix: str, fetcher: Fetcher) -> None:
    """Let `fetcher` fetch the batches whose submissions begin with this prefix, which no token of ours does."""
    _FETCHERS[submission_prefix] = fetcher


def ended_batches(
    workspace: Workspace, wait_seconds: float = WAIT_SECONDS, *, every_late: bool = False
) -> list[EndedBatch]:
    """Return the batches to collect; those whose results are deleted first come first.

    Args:
        every_late: also those that owe answers although they were settled or abandoned; otherwise each once a day.
    """
    with workspace.warehouse.connect(wait_seconds) as connection:
        connection.execute(sql(__package__, "choose_ended"), {"every_late": every_late})
        ended = read_chosen(connection)
    now = dt.datetime.now(dt.UTC)
    return sorted(
        (batch for batch in ended if not batch.is_late or now < batch.kept_until), key=lambda batch: batch.kept_until
    )


def collect(workspace: Workspace, *, every_late: bool = False, progress: Progress = SILENT) -> CollectReport:
    """Collect every ended batch; one that cannot be collected is reported with the reason and affects no other.

    While the database stores one batch, the next is fetched and read.

    Args:
        every_late: as in `ended_batches`.
    """
    ended = ended_batches(workspace, every_late=every_late)
    collected: list[CollectedBatch] = []
    failures: dict[str, GrabientError] = {}

    def finish_storing(batch: EndedBatch, stored: Future[CollectedBatch | None]) -> None:
        try:
            outcome = stored.result()
        except GrabientError as error:
            failures[batch.submission] = error
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
                failures[batch.submission] = error
                continue
            # The disk holds no more than these and the next.
            if len(under_way) == _MAX_FETCHED:
                finish_storing(*under_way.popleft())
            under_way.append((batch, database.submit(store)))
        while under_way:
            finish_storing(*under_way.popleft())
    record_trouble(workspace.warehouse, {submission: str(error) for submission, error in failures.items()})
    # A failure is not reported for a batch that was settled or abandoned before: no request waits for it.
    late = {batch.submission for batch in ended if batch.is_late}
    open_ones = [submission for submission in failures if submission not in late]
    return CollectReport(
        tuple(batch for batch in collected if batch.states or (batch.settled and batch.submission not in late)),
        {submission: str(failures[submission]) for submission in open_ones},
        {batch.submission: batch.trouble for batch in collected if batch.trouble is not None},
        frozenset(submission for submission in open_ones if failures[submission].needs_person),
    )


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
    """Download and read the results of a batch without holding the database; the files stay until they are stored.

    Raises:
        ProviderUncertain: what came is not results, and the next poll may get them.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder(workspace.spool, batch.submission))
        delivery = download_results(provider, batch, folder)
        crash_point("collect.downloaded")
        reading = _Reading(STAGES[batch.stage], result_rows(provider, delivery.files))
        staged = write_parquet(folder, reading.rows(), _staged_frame)
        check_readable(batch, reading.readable, reading.unreadable)
        crash_point("collect.staged")
        return partial(_store, workspace, provider, batch, delivery.state, staged, stack.pop_all())


def stage_rows(stage: Stage, folder: Path, results: Iterable[ResultRow]) -> list[str]:
    """Write results into files as `settlement` reads them, and return their paths."""
    return write_parquet(folder, _Reading(stage, results).rows(), _staged_frame)


def _fetcher(batch: EndedBatch) -> Fetcher:
    return next((fetch for prefix, fetch in _FETCHERS.items() if batch.submission.startswith(prefix)), fetch_batch)


def _store(
    workspace: Workspace,
    provider: BatchProvider,
    batch: EndedBatch,
    delivered: BatchState,
    staged: list[str],
    files: ExitStack,
) -> CollectedBatch | None:
    with files:
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            outcome = settle(connection, batch, delivered, staged, provider.owed)
            crash_point("collect.settling")
        crash_point("collect.settled")
    if outcome is None or outcome.settled:
        provider.forget(batch.batch_id)
    return outcome


def download_results(provider: BatchProvider, batch: EndedBatch, folder: Path) -> Delivery:
    """Download the result files that there are, with the state of the batch.

    Raises:
        ProviderUncertain: the batch has not ended after all.
        ProviderRefused: the provider does not hand them out, and still keeps them.
    """
    try:
        delivery = provider.download(batch.batch_id, folder)
    except ProviderRefused:
        if dt.datetime.now(dt.UTC) < batch.kept_until:
            raise
        # The provider deleted them: the requests are settled as missing, and show as paid for and not kept.
        return Delivery(_last_known_state(batch), [])
    if delivery.state.status == "submitted":
        raise ProviderUncertain(
            batch.provider,
            f"{batch.batch_id} had ended and is {delivery.state.provider_status!r} again; the next poll asks again",
        )
    return delivery


def _last_known_state(batch: EndedBatch) -> BatchState:
    # An abandoned batch has no other; nothing is settled by it.
    status = batch.status if batch.status in ("completed", "expired", "cancelled", "failed") else "completed"
    return BatchState(status, status, batch.reported, batch.reported_failed)


def check_readable(batch: EndedBatch, readable: int, unreadable: int) -> None:
    """Raise `ProviderUncertain` if not one line of a download could be read, unless nothing else can be expected."""
    if unreadable and not readable and batch.is_awaited:
        raise ProviderUncertain(
            batch.provider,
            f"no line of the results of {batch.batch_id} can be read, so they are not taken for results; "
            "the next poll fetches them again",
        )


class _Reading:
    """Turns results into rows of `_STAGED`, and counts the lines that can be read and those that cannot."""

    def __init__(self, stage: Stage, results: Iterable[ResultRow | UnreadableRow]) -> None:
        self._stage = stage
        self._results = results
        self.readable = 0
        self.unreadable = 0

    def rows(self) -> Iterator[_StagedRow]:
        parse = self._stage.parse
        readable = unreadable = 0
        for row in self._results:
            if isinstance(row, UnreadableRow):
                unreadable += 1
                yield None, None, row.line, None, row.reason, *_NOTHING
                continue
            readable += 1
            if row.outcome == "succeeded":
                tags, reason = parse(row.text, row.finish_reason)
                yield *row, reason, tags.as_json() if tags else None
            else:
                yield *row, None, None
        self.readable, self.unreadable = readable, unreadable


def _staged_frame(first_line: int, rows: list[_StagedRow]) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) or [()] * len(_STAGED)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(_STAGED.items(), columns, strict=True)]
    )
    return frame.with_row_index("line_number", first_line)
