"""Parsing: raw responses to tags, a pure function of the responses. A better parser costs a run, not a bill."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.batches.stages import Stage
from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.batches.workspace import Workspace
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.warehouse import Warehouse, sql, transaction

# (custom id, text, finish reason) of a response, and (custom id, error, tags as JSON) of what was parsed.
_Response = tuple[str, str | None, str | None]
_Parsed = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class ParseReport:
    """How many responses were parsed, of how many batches, and how many of them are usable."""

    batches: int
    answers: int
    usable: int


def parse_answers(workspace: Workspace, stage: Stage, *, progress: Progress = SILENT) -> ParseReport:
    """Parse every collected response that this version of the stage's parser has not parsed, batch by batch."""
    with workspace.warehouse.connect() as connection:
        submissions = connection.execute(
            sql(__package__, "batches_to_parse"), {"stage": stage.name, "parser_version": stage.parser_version}
        ).fetchall()
    answers = usable = 0
    for (submission,) in submissions:
        with scratch_folder(workspace.spool, submission) as folder:
            parsed, good = _parse_batch(workspace.warehouse, stage, submission, folder)
        answers += parsed
        usable += good
        progress.advance("parsing", 1, len(submissions))
    return ParseReport(len(submissions), answers, usable)


def store_parsed(connection: duckdb.DuckDBPyConnection, stage: Stage, submission: str, *, whole: bool) -> None:
    """Bring the stage's table up to date with the view `parsed` (custom_id, tags, error) of a batch.

    Args:
        whole: whether all responses of the batch were parsed. If not, another version may have parsed the earlier ones:
            then that version stays recorded, and `parse_answers` parses all of them again.
    """
    stage.merge(connection)
    record = "record_parse" if whole else "record_first_parse"
    connection.execute(sql(__package__, record), {"submission": submission, "parser_version": stage.parser_version})


def _parse_batch(warehouse: Warehouse, stage: Stage, submission: str, folder: Path) -> tuple[int, int]:
    of_batch = {"submission": submission}
    with warehouse.connect() as connection:
        rows: list[_Response] = connection.execute(sql(__package__, "responses_to_parse"), of_batch).fetchall()
    parsed = write_parquet(folder, _parse_rows(stage, rows), _parsed_frame)
    crash_point("parse.read")
    with warehouse.connect() as connection, transaction(connection):
        show_staged(connection, parsed)
        connection.execute(sql(__package__, "parsed_without_text"), of_batch)
        connection.execute(sql(__package__, "parsed_from_staged"))
        store_parsed(connection, stage, submission, whole=True)
        connection.execute(sql(__package__, "claim_readable_requests"), of_batch)
        connection.execute(sql(__package__, "reinstate_readable_requests"), of_batch)
        crash_point("parse.storing")
        return connection.execute("SELECT count(*), count(tags) FROM parsed").fetchall()[0]


def _parse_rows(stage: Stage, rows: Iterable[_Response]) -> Iterator[_Parsed]:
    for custom_id, text, finish_reason in rows:
        tags, error = stage.parse(text, finish_reason)
        yield custom_id, error, tags.as_json() if tags else None


def _parsed_frame(first_row: int, rows: list[_Parsed]) -> pl.DataFrame:
    del first_row
    return pl.DataFrame(
        {
            "custom_id": pl.Series([custom_id for custom_id, _, _ in rows], dtype=pl.String),
            "reason": pl.Series([error for _, error, _ in rows], dtype=pl.String),
            "tags": pl.Series([tags for _, _, tags in rows], dtype=pl.String),
        }
    )
