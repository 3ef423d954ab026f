"""Import a Convex export, some thousand documents per transaction.

Each transaction also records the progress, so an interrupted import resumes where it stopped and reports the whole.
Importing an export again adds only what is new.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import duckdb
import orjson
import polars as pl

from grabient_pipeline.convex import documents
from grabient_pipeline.convex.archive import BrokenTableError, Export, ExportTable, Line, lines, open_export
from grabient_pipeline.convex.chunk import Chunk, RejectedDocument
from grabient_pipeline.convex.documents import Document, RejectedDocumentError
from grabient_pipeline.convex.report import ConvexReport, TableReport
from grabient_pipeline.convex.rows import Source
from grabient_pipeline.convex.table_writers import TableWriters
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.tagging import parse_answer, parse_refinement
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

LINES_PER_CHUNK: Final = 50_000

_RECOUNTED_TABLE: Final = "palette_tag_consensus"


def import_convex(
    warehouse: Warehouse, path: Path, *, dry_run: bool = False, progress: Progress = SILENT
) -> ConvexReport:
    """Import what is new in an export. A dry run imports into a temporary copy of the database.

    Raises:
        ImportFileError: there is no export at this path, or it cannot be read; nothing was imported.
    """
    with open_export(path) as export:
        if not dry_run:
            return _Import(warehouse, export, progress).run()
        with tempfile.TemporaryDirectory(prefix="grabient-dry-run-") as folder:
            report = _Import(warehouse.copy_to(Path(folder)), export, progress).run()
            return replace(report, dry_run=True)


@dataclass(frozen=True)
class _Table:
    """The reader of a table's documents, and the writer of its rows."""

    read: Callable[[Document, Source], Any]
    write: Callable[[duckdb.DuckDBPyConnection, Chunk], None]


@dataclass
class _TableProgress:
    """How far the import of a table has come."""

    lines_done: int = 0
    finished: bool = False
    report: TableReport = field(default_factory=TableReport)


class _Import:
    """One pass over one export."""

    def __init__(self, warehouse: Warehouse, export: Export, progress: Progress) -> None:
        self._warehouse = warehouse
        self._export = export
        self._progress = progress
        self._writers = writers = TableWriters(export.path.name)
        self._tables: dict[str, _Table] = {
            "config": _Table(documents.read_setting, writers.write_config),
            "prompt_versions": _Table(documents.read_prompt, writers.write_prompts),
            "palettes": _Table(documents.read_palette, writers.write_palettes),
            "palette_tags": _Table(partial(documents.read_tagging_answer, parse=parse_answer), writers.write_answers),
            # After the answers, whose average cost is the estimate for batches in progress.
            "tag_batches": _Table(partial(documents.read_batch, stage="tagging"), writers.write_batches),
            "refinement_batches": _Table(partial(documents.read_batch, stage="refinement"), writers.write_batches),
            "palette_tag_refined": _Table(
                partial(documents.read_refined_answer, parse=parse_refinement), writers.write_refined
            ),
        }

    def run(self) -> ConvexReport:
        """Import all tables in order."""
        resumed = self._load_progress()
        report = ConvexReport(str(self._export.path), refused=self._export.refused, resumed=bool(resumed))
        for name, table in self._tables.items():
            exported = self._export.tables.get(name)
            if exported is not None:
                progress = resumed.get(name, _TableProgress())
                self._import_table(exported, table, progress)
                report.tables[name] = progress.report
        self._finish()
        for name in sorted(self._export.tables.keys() - self._tables.keys()):
            reason = "recounted from the answers" if name == _RECOUNTED_TABLE else "has no counterpart here"
            if not name.startswith("_"):
                report.tables[name] = TableReport(left_out=reason)
        report.missing_tables = tuple(name for name in self._tables if name not in self._export.tables)
        report.unpriced_models = self._writers.unpriced_models
        return report

    def _load_progress(self) -> dict[str, _TableProgress]:
        """Return the progress of an interrupted import of this export by table; empty if there was none."""
        with self._warehouse.connect() as connection:
            rows = connection.execute(
                "SELECT table_name, lines_done, finished, counts FROM convex_imports WHERE fingerprint = ?",
                [self._export.fingerprint],
            ).fetchall()
        return {
            name: _TableProgress(lines_done, finished, TableReport.from_counts(orjson.loads(counts)))
            for name, lines_done, finished, counts in rows
        }

    def _finish(self) -> None:
        with self._warehouse.connect() as connection, transaction(connection):
            connection.execute(sql(__package__, "register_prompts"))
            # The next import starts from the beginning, because rejected documents may have become valid.
            connection.execute("DELETE FROM convex_imports WHERE fingerprint = ?", [self._export.fingerprint])

    def _import_table(self, exported: ExportTable, table: _Table, progress: _TableProgress) -> None:
        stream = lines(exported, progress.lines_done)
        while not progress.finished:
            chunk = Chunk()
            size = 0
            try:
                for line in islice(stream, LINES_PER_CHUNK):
                    progress.lines_done = line.number
                    size += len(line.text or b"")
                    _read_line(table, chunk, line)
            except BrokenTableError as error:
                progress.report.broken = str(error)
            progress.finished = progress.report.broken is not None or chunk.report.read < LINES_PER_CHUNK
            with self._warehouse.connect() as connection, transaction(connection):
                table.write(connection, chunk)
                _update_rejected(connection, exported.name, chunk)
                progress.report.add(chunk.report)
                self._record_progress(connection, exported.name, progress)
            self._progress.advance(f"{exported.name} (kB)", _kilobytes(size), _kilobytes(exported.size))

    def _record_progress(self, connection: duckdb.DuckDBPyConnection, name: str, progress: _TableProgress) -> None:
        connection.execute(
            sql(__package__, "record_import"),
            {
                "fingerprint": self._export.fingerprint,
                "table_name": name,
                "source": str(self._export.path),
                "lines_done": progress.lines_done,
                "finished": progress.finished,
                "counts": orjson.dumps(progress.report.counts()).decode(),
            },
        )


def _read_line(table: _Table, chunk: Chunk, line: Line) -> None:
    chunk.report.read += 1
    if line.text is None:
        too_long = RejectedDocumentError("is longer than any document", "unreadable")
        chunk.reject(documents.document_id(None, line.beginning), line, too_long)
        return
    document = None
    try:
        document = documents.decode(line.text)
        row = table.read(document, Source(line.number, documents.document_id(document, line.text)))
    except RejectedDocumentError as error:
        chunk.reject(documents.document_id(document, line.text), line, error)
        return
    chunk.texts[line.number] = line.text
    chunk.rows.append(row)


def _update_rejected(connection: duckdb.DuckDBPyConnection, name: str, chunk: Chunk) -> None:
    """Delete rejections of documents that are imported now, and insert the new ones."""
    ((kept,),) = connection.execute("SELECT count(*) FROM convex_set_aside WHERE table_name = ?", [name]).fetchall()
    if kept:
        rejected = chunk.still_rejected.union(each.document_key for each in chunk.rejected)
        settled = [row.convex_id for row in chunk.rows if row.convex_id not in rejected]
        with registered(connection, "settled", pl.DataFrame({"document_key": settled}, {"document_key": pl.String})):
            connection.execute(sql(__package__, "delete_settled_rejections"), {"table_name": name})
    if chunk.rejected:
        frame = pl.DataFrame(chunk.rejected, schema=list(RejectedDocument._fields), orient="row")
        with registered(connection, "rejected", frame.select(pl.lit(name).alias("table_name"), pl.all())):
            connection.execute(sql(__package__, "insert_rejected"))


def _kilobytes(size: int) -> int:
    return size // 1024 + 1
