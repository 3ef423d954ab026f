"""Adopted batches: in progress at a provider when the export was made, polled and collected from here.

The export does not have their requests, so the ledger has none either. The custom id of each result was chosen by the
earlier system and has the palette's document id and the analysis index, so a result becomes an answer like an imported
one. A batch whose id at the provider is missing cannot be adopted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import polars as pl

from grabient_pipeline.batches.collect import Store, check_readable, download_results
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, is_collected
from grabient_pipeline.batches.settlement import (
    CollectedBatch,
    EndedBatch,
    Rows,
    Verdict,
    judge,
    record_look,
    record_undelivered,
)
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.batches.staging import scratch_folder
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.convex.answers import import_answers
from grabient_pipeline.convex.report import TableReport
from grabient_pipeline.convex.rows import AnswerRow, answers_frame
from grabient_pipeline.providers.base import BatchProvider, BatchState, ResultRow, UnreadableRow, result_rows
from grabient_pipeline.warehouse import registered, sql, transaction

# With any other outcome the provider never ran the request.
_ANSWERED = ("succeeded", "errored")

# A row of `collection_findings`: kind, custom id, detail.
_Finding = tuple[str, str | None, str | None]


def fetch_adopted(workspace: Workspace, provider: BatchProvider, batch: EndedBatch) -> Store:
    """Download and read the results of an adopted batch; they are stored by calling what this returns."""
    with workspace.warehouse.connect() as connection:
        seeds: dict[str, str] = dict(
            connection.execute("SELECT convex_id, seed FROM palette_spellings WHERE convex_id IS NOT NULL").fetchall()
        )
        ((version,),) = connection.execute(
            "SELECT prompt_version FROM tag_batches WHERE submission = ?", [batch.submission]
        ).fetchall()
    findings: list[_Finding] = []
    with scratch_folder(workspace.spool, batch.submission) as folder:
        delivery = download_results(provider, batch, folder)
        rows = list(result_rows(provider, delivery.files))
        answers = list(_read_answers(iter(rows), batch, version, seeds, findings))
    readable = [row for row in rows if isinstance(row, ResultRow)]
    check_readable(batch, len(readable), len(rows) - len(readable))
    verdict = judge(batch, delivery.state, _count(batch, readable), provider.owed)
    if not verdict.settles:
        # A line that cannot be read may be the cut end of a file that is not complete yet.
        findings = [finding for finding in findings if finding[1] is not None]

    def store() -> CollectedBatch | None:
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            return _settle(connection, batch, delivery.state, verdict, answers, findings)

    return store


def _count(batch: EndedBatch, rows: Sequence[ResultRow]) -> Rows:
    """Count the rows of this look; the ledger has no requests to compare them with, only their number."""
    requests = max(batch.request_count, len({row.custom_id for row in rows}))
    succeeded = len({row.custom_id for row in rows if row.outcome == "succeeded"})
    answered = len({row.custom_id for row in rows if row.outcome in _ANSWERED})
    return Rows(requests, succeeded, answered, requests - len({row.custom_id for row in rows}))


def _read_answers(
    rows: Iterator[ResultRow | UnreadableRow],
    batch: EndedBatch,
    version: str,
    seeds: Mapping[str, str],
    findings: list[_Finding],
) -> Iterator[AnswerRow]:
    """Yield the answers of an adopted batch, and append rows that are not answers to `findings`."""
    for number, row in enumerate(rows, start=1):
        if isinstance(row, UnreadableRow):
            findings.append(("unreadable", None, f"{row.reason}: {row.line}"))
            continue
        palette, _, index = row.custom_id.rpartition("_")
        if palette not in seeds or not (index.isascii() and index.isdigit() and len(index) < 9):
            findings.append(_unreadable(row.custom_id, "the custom id names no known palette", row.text or row.error))
            continue
        if row.outcome not in _ANSWERED:
            continue
        parsed = TAGGING.parse(row.text, row.finish_reason) if row.outcome == "succeeded" else None
        yield AnswerRow(
            line_number=number,
            convex_id=row.custom_id,
            created=None,
            custom_id=f"{batch.submission}_{row.custom_id}",
            submission=batch.submission,
            seed=seeds[palette],
            provider=batch.provider,
            model=batch.model,
            analysis_index=int(index),
            run_number=None,
            prompt_version=version,
            outcome=row.outcome,
            text=row.text,
            finish_reason=row.finish_reason,
            error=None if parsed else row.error or "the provider gave no reason",
            input_tokens=row.input_tokens,
            output_tokens=row.output_tokens,
            cached_input_tokens=row.cached_input_tokens,
            cache_write_tokens=row.cache_write_tokens,
            cache_write_hour_tokens=row.cache_write_hour_tokens,
            reasoning_tokens=row.reasoning_tokens,
            reason=parsed.error if parsed else None,
            tags=parsed.tags.as_json() if parsed and parsed.tags else None,
            convex_fields=None,
            repair=None,
        )


def _unreadable(custom_id: str, reason: str, text: str | None) -> _Finding:
    """Return the finding for a paid result that cannot be stored as an answer; its text is kept in the finding."""
    return "unreadable", custom_id, f"{reason}: {text}"


def _settle(
    connection: duckdb.DuckDBPyConnection,
    batch: EndedBatch,
    delivered: BatchState,
    verdict: Verdict,
    answers: Sequence[AnswerRow],
    findings: list[_Finding],
) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    if batch.collected_at is None and is_collected(connection, batch.submission):
        return None

    texts = {answer.line_number: answer.text for answer in answers}

    def add_finding(convex_id: str, line_number: int, reason: str) -> None:
        findings.append(_unreadable(convex_id, reason, texts[line_number]))

    with registered(connection, "incoming_answers", answers_frame(answers, TAGGING.parser_version)):
        import_answers(connection, TableReport(), add_finding)
    columns = {"kind": pl.String, "custom_id": pl.String, "detail": pl.String}
    frame = pl.DataFrame(findings, schema=columns, orient="row")
    with registered(connection, "findings", frame):
        connection.execute(sql(__package__, "insert_findings"), submission)
    if verdict.settles and verdict.reason is not None:
        record_undelivered(connection, batch, verdict.reason)
    cost_usd, settled = record_look(connection, batch, delivered, verdict)
    states = connection.execute(
        "SELECT state, count(*) FROM tag_requests WHERE submission = $submission GROUP BY state", submission
    ).fetchall()
    kinds = frame["kind"].value_counts()
    return CollectedBatch(
        batch.submission,
        batch.stage,
        batch.provider,
        batch.model,
        delivered.status,
        dict(states),
        dict(zip(kinds["kind"].to_list(), kinds["count"].to_list(), strict=True)),
        cost_usd,
        waiting=verdict.waiting,
        trouble=None if settled else verdict.reason,
        settled=settled,
    )
