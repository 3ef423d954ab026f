"""From raw answers to `palette_tags`: a pure function of what came back, run anew for nothing by a better parser."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import orjson
import polars as pl

from grabient_pipeline.batches.staging import scratch_folder, show_staged, write_parquet
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.tagging import PARSER_VERSION, Tags, parse_answer
from grabient_pipeline.tagging.vocabulary import ATTRIBUTES, FIELDS
from grabient_pipeline.warehouse import Warehouse, query, transaction

_TAGS: Final = pl.Struct({name: pl.String() if name in ATTRIBUTES else pl.List(pl.String) for name in FIELDS})
_Answer = tuple[str, str | None, str | None]
_Parsed = tuple[str, str | None, str | None]


@dataclass(frozen=True, slots=True)
class ParseReport:
    """How many answers were read anew, of how many batches."""

    batches: int
    answers: int
    usable: int


def parse_answers(warehouse: Warehouse, spool_dir: Path, *, progress: Progress = SILENT) -> ParseReport:
    """Read every collected tagging answer that this version of the parser has not read, a batch at a time."""
    with warehouse.connect() as connection:
        submissions = connection.execute(query("batches_to_parse"), {"parser_version": PARSER_VERSION}).fetchall()
    answers = usable = 0
    for (submission,) in submissions:
        with scratch_folder(spool_dir, submission) as folder:
            read, good = _parse_batch(warehouse, submission, folder)
        answers += read
        usable += good
        progress.advance("parsing", 1, len(submissions))
    return ParseReport(len(submissions), answers, usable)


def store_parsed(connection: duckdb.DuckDBPyConnection, submission: str) -> None:
    """Take in the view `parsed` (custom_id, tags, error) of what a batch's answers say."""
    merge_palette_tags(connection)
    connection.execute(query("record_parse"), {"submission": submission, "parser_version": PARSER_VERSION})


def merge_palette_tags(connection: duckdb.DuckDBPyConnection) -> None:
    """Bring `palette_tags` up to the view `parsed`."""
    # Not by MERGE, which holds all that is new in memory at once.
    connection.execute(query("fresh_tags"))
    ((answered_before,),) = connection.execute(query("answered_before")).fetchall()
    if answered_before:
        connection.execute(query("update_palette_tags"))
    connection.execute(query("insert_palette_tags"))


def tags_text(tags: Tags | None) -> str | None:
    """Tags on their way into a column: JSON, of which the garbage collector has nothing to look at."""
    return None if tags is None else orjson.dumps(dict(zip(FIELDS, tags, strict=True))).decode()


def tags_column(texts: Iterable[str | None]) -> pl.Series:
    """The tags of answers, each as `tags_text` gives it; null where there are none."""
    # Not from the lists themselves: polars makes a series of every single one, seven times as slow.
    return pl.Series("tags", texts, dtype=pl.String).str.json_decode(_TAGS)


def _parse_batch(warehouse: Warehouse, submission: str, folder: Path) -> tuple[int, int]:
    of_batch = {"submission": submission}
    with warehouse.connect() as connection:
        rows: list[_Answer] = connection.execute(query("answers_to_parse"), of_batch).fetchall()
    parsed = write_parquet(folder, _parsed(rows), _frame)
    with warehouse.connect() as connection, transaction(connection):
        show_staged(connection, parsed)
        connection.execute(query("parsed_without_text"), of_batch)
        connection.execute(query("parsed_from_staged"))
        store_parsed(connection, submission)
        connection.execute(query("claim_readable_requests"), of_batch)
        connection.execute(query("lift_readable_requests"), of_batch)
        return connection.execute("SELECT count(*), count(tags) FROM parsed").fetchall()[0]


def _parsed(rows: Iterable[_Answer]) -> Iterator[_Parsed]:
    for custom_id, text, finish_reason in rows:
        tags, error = parse_answer(text, finish_reason)
        yield custom_id, error, tags_text(tags)


def _frame(first_row: int, rows: list[_Parsed]) -> pl.DataFrame:
    del first_row
    return pl.DataFrame(
        {
            "custom_id": pl.Series([custom_id for custom_id, _, _ in rows], dtype=pl.String),
            "reason": pl.Series([error for _, error, _ in rows], dtype=pl.String),
            "tags": tags_column([tags for _, _, tags in rows]),
        }
    )
