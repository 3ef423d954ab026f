"""Batches that were under way at a provider when the export was made: followed by their id, collected from here.

What they carry is not in the export, so nothing of them is reserved; each row of results names its palette and its
analysis index in the custom id that the earlier system gave it, and becomes an answer like an imported one. The
provider's id is all that is needed, and without it a batch is not adopted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import polars as pl

from grabient_pipeline.batches.collect import CollectedBatch, EndedBatch, Store, download_results
from grabient_pipeline.batches.ledger import RECORD_WAIT_SECONDS, finish, is_collected
from grabient_pipeline.batches.stages import TAGGING
from grabient_pipeline.batches.staging import scratch_folder
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.convex.documents import Answer
from grabient_pipeline.convex.importer import answer_frame, take_answers
from grabient_pipeline.convex.report import TableReport
from grabient_pipeline.providers.base import BatchProvider, ResultRow, UnreadableRow, result_rows
from grabient_pipeline.warehouse import registered, sql, transaction

# What the provider never ran is no answer.
_ANSWERED = ("succeeded", "errored")

# kind, custom id, detail: as `collection_findings` keeps them.
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
        rows = result_rows(provider, download_results(provider, batch, folder))
        answers = list(_answers(rows, batch, version, seeds, findings))

    def store() -> CollectedBatch | None:
        with workspace.warehouse.connect(RECORD_WAIT_SECONDS) as connection, transaction(connection):
            return _settle(connection, batch, answers, findings)

    return store


def _answers(
    rows: Iterator[ResultRow | UnreadableRow],
    batch: EndedBatch,
    version: str,
    seeds: Mapping[str, str],
    findings: list[_Finding],
) -> Iterator[Answer]:
    for number, row in enumerate(rows, start=1):
        if isinstance(row, UnreadableRow):
            findings.append(("unreadable", None, f"{row.reason}: {row.line}"))
            continue
        palette, _, index = row.custom_id.rpartition("_")
        if palette not in seeds or not (index.isascii() and index.isdigit() and len(index) < 9):
            findings.append(
                _kept_as_it_came(row.custom_id, "names no palette that is known here", row.text or row.error)
            )
            continue
        if row.outcome not in _ANSWERED:
            continue
        parsed = TAGGING.parse(row.text, row.finish_reason) if row.outcome == "succeeded" else None
        yield Answer(
            line_number=number,
            key=row.custom_id,
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
            reason=parsed.error if parsed else None,
            tags=parsed.tags.as_json() if parsed and parsed.tags else None,
            fields=None,
            repair=None,
        )


def _kept_as_it_came(custom_id: str, why: str, text: str | None) -> _Finding:
    """A row that is paid for and has no place: with its text, so that it counts as kept."""
    return "unreadable", custom_id, f"{why}: {text}"


def _settle(
    connection: duckdb.DuckDBPyConnection, batch: EndedBatch, answers: Sequence[Answer], findings: list[_Finding]
) -> CollectedBatch | None:
    submission = {"submission": batch.submission}
    if is_collected(connection, batch.submission):
        return None

    texts = {answer.line_number: answer.text for answer in answers}

    def lost(key: str, line_number: int, reason: str) -> None:
        findings.append(_kept_as_it_came(key, reason, texts[line_number]))

    with registered(connection, "earlier", answer_frame(answers, TAGGING.parser_version)):
        take_answers(connection, TableReport(), lost)
    columns = {"kind": pl.String, "custom_id": pl.String, "detail": pl.String}
    found = pl.DataFrame(findings, schema=columns, orient="row")
    with registered(connection, "found", found):
        connection.execute(sql(__package__, "insert_findings"), submission)
    cost_usd = finish(connection, batch.submission)
    states = connection.execute(
        "SELECT state, count(*) FROM tag_requests WHERE submission = $submission GROUP BY state", submission
    ).fetchall()
    kinds = found["kind"].value_counts()
    return CollectedBatch(
        batch.submission,
        batch.stage,
        batch.provider,
        batch.model,
        batch.status,
        dict(states),
        dict(zip(kinds["kind"].to_list(), kinds["count"].to_list(), strict=True)),
        cost_usd,
    )
