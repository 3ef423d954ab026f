"""From raw answers to tags: a pure function of what came back, run anew for nothing by a better parser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.batches.stages import Stage
from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.warehouse import Warehouse, sql, transaction

_Answer = tuple[str, str | None, str | None]
_Parsed = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class ParseReport:
    """How many answers were read anew, of how many batches."""

    batches: int
    answers: int
    usable: int


def parse_answers(warehouse: Warehouse, spool_dir: Path, stage: Stage, *, progress: Progress = SILENT) -> ParseReport:
    """Read every collected answer that this version of the stage's parser has not read, a batch at a time."""
    with warehouse.connect() as connection:
        submissions = connection.execute(
            sql(__package__, "batches_to_parse"), {"stage": stage.name, "parser_version": stage.parser_version}
        ).fetchall()
    answers = usable = 0
    for (submission,) in submissions:
        with scratch_folder(spool_dir, submission) as folder:
            read, good = _parse_batch(warehouse, stage, submission, folder)
        answers += read
        usable += good
        progress.advance("parsing", 1, len(submissions))
    return ParseReport(len(submissions), answers, usable)


def store_parsed(connection: duckdb.DuckDBPyConnection, stage: Stage, submission: str) -> None:
    """Bring the stage's table up to the view `parsed` (custom_id, tags, error) of what a batch's answers say."""
    stage.merge(connection)
    connection.execute(
        sql(__package__, "record_parse"), {"submission": submission, "parser_version": stage.parser_version}
    )


def _parse_batch(warehouse: Warehouse, stage: Stage, submission: str, folder: Path) -> tuple[int, int]:
    of_batch = {"submission": submission}
    with warehouse.connect() as connection:
        rows: list[_Answer] = connection.execute(sql(__package__, "responses_to_parse"), of_batch).fetchall()
    parsed = write_parquet(folder, _parsed(stage, rows), _frame)
    crash_point("parse.read")
    with warehouse.connect() as connection, transaction(connection):
        show_staged(connection, parsed)
        connection.execute(sql(__package__, "parsed_without_text"), of_batch)
        connection.execute(sql(__package__, "parsed_from_staged"))
        store_parsed(connection, stage, submission)
        connection.execute(sql(__package__, "claim_readable_requests"), of_batch)
        connection.execute(sql(__package__, "reinstate_readable_requests"), of_batch)
        crash_point("parse.storing")
        return connection.execute("SELECT count(*), count(tags) FROM parsed").fetchall()[0]


def _parsed(stage: Stage, rows: Iterable[_Answer]) -> Iterator[_Parsed]:
    for custom_id, text, finish_reason in rows:
        tags, error = stage.parse(text, finish_reason)
        yield custom_id, error, tags.as_json() if tags else None


def _frame(first_row: int, rows: list[_Parsed]) -> pl.DataFrame:
    del first_row
    return pl.DataFrame(
        {
            "custom_id": pl.Series([custom_id for custom_id, _, _ in rows], dtype=pl.String),
            "reason": pl.Series([error for _, error, _ in rows], dtype=pl.String),
            "tags": pl.Series([tags for _, _, tags in rows], dtype=pl.String),
        }
    )
