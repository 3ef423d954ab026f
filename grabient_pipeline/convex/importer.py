"""A Convex export into the tables: some thousand documents at a time, each piece whole or not at all.

With every piece the import writes down how far it has come, in the same transaction; so one that was killed goes on
where it stopped, and its report is that of the whole. Importing again takes only what is new.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import orjson
import polars as pl

from grabient_pipeline.batches.results import merge_refined
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING
from grabient_pipeline.convex import documents
from grabient_pipeline.convex.archive import BrokenTableError, Export, ExportTable, Line, lines, open_export
from grabient_pipeline.convex.documents import Answer, Batch, Document, SetAsideError
from grabient_pipeline.convex.report import ConvexReport, TableReport
from grabient_pipeline.imports.files import PaletteRow
from grabient_pipeline.imports.palettes import write_palettes
from grabient_pipeline.palette import InvalidSeedError, Palette, read_palette
from grabient_pipeline.progress import SILENT, Progress
from grabient_pipeline.providers.prices import known_batch_price
from grabient_pipeline.tagging import parse_answer, parse_refinement
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

LINES_AT_A_TIME: Final = 50_000
# A line that is no UTF-8 is kept as it is, written so that it can be read.
_KEPT: Final = "backslashreplace"

_RECOUNTED: Final = "palette_tag_consensus"


class _Aside(NamedTuple):
    """A document that is not taken, as `convex_set_aside` keeps it."""

    document_key: str
    line_number: int
    kind: str
    reason: str
    document: str


@dataclass
class _Piece:
    """Some lines of a table on their way in: what they are, what is set aside of them, and what the report says.

    `still_aside`: documents that an earlier import or migration set aside, and that stay there.
    """

    texts: dict[int, bytes] = field(default_factory=dict[int, bytes])
    rows: list[Any] = field(default_factory=list[Any])
    aside: list[_Aside] = field(default_factory=list[_Aside])
    still_aside: set[str] = field(default_factory=set[str])
    report: TableReport = field(default_factory=TableReport)

    def set_aside(self, key: str, line: Line, error: SetAsideError) -> None:
        text = line.text if line.text is not None else line.beginning
        self.aside.append(_Aside(key, line.number, error.kind, error.reason, text.decode("utf-8", _KEPT)))
        self.report.set_aside[error.reason.partition(":")[0]] += 1

    def conflict(self, key: str, line_number: int, reason: str) -> None:
        document = self.texts[line_number].decode("utf-8", _KEPT)
        self.aside.append(_Aside(key, line_number, "conflict", reason, document))
        self.report.conflicts[reason] += 1


def import_convex(
    warehouse: Warehouse, path: Path, *, dry_run: bool = False, progress: Progress = SILENT
) -> ConvexReport:
    """Import what is new in an export; in a dry run into a copy of the database that is thrown away.

    Raises:
        ImportFileError: there is no export there, or it cannot be read at all; nothing was imported.
    """
    with open_export(path) as export:
        if not dry_run:
            return _Import(warehouse, export, progress).run()
        with tempfile.TemporaryDirectory(prefix="grabient-dry-run-") as folder:
            report = _Import(warehouse.copy_to(Path(folder)), export, progress).run()
            return replace(report, dry_run=True)


class _Import:
    """One pass over one export."""

    def __init__(self, warehouse: Warehouse, export: Export, progress: Progress) -> None:
        self._warehouse = warehouse
        self._export = export
        self._progress = progress
        self._source = export.path.name
        # Seeds of which it is known what they are: a palette that is written down, or the reason why they are none.
        self._seeds: dict[str, str | None] = {}
        self._submissions: set[str] = set()
        self._unpriced: set[str] = set()
        self._tables: dict[str, _Table] = {
            "config": _Table(_read_config, self._write_config),
            "prompt_versions": _Table(_read_prompt, self._write_prompts),
            "palettes": _Table(_read_palette, self._write_palettes),
            "palette_tags": _Table(_read_answer, self._write_answers),
            # After the answers, from which it is known what one costs.
            "tag_batches": _Table(_read_tag_batch, self._write_batches),
            "refinement_batches": _Table(_read_refinement_batch, self._write_batches),
            "palette_tag_refined": _Table(_read_refined, self._write_refined),
        }

    def run(self) -> ConvexReport:
        done = self._resumed()
        report = ConvexReport(str(self._export.path), refused=self._export.refused, resumed=bool(done))
        for name, table in self._tables.items():
            found = self._export.tables.get(name)
            if found is not None:
                report.tables[name] = self._import_table(found, table, *done.get(name, (0, False, TableReport())))
        self._finish()
        for name in sorted(self._export.tables.keys() - self._tables.keys()):
            why = "counted anew from the answers" if name == _RECOUNTED else "has no place here"
            if not name.startswith("_"):
                report.tables[name] = TableReport(left_out=why)
        report.missing_tables = tuple(name for name in self._tables if name not in self._export.tables)
        report.unpriced_models = tuple(sorted(self._unpriced))
        return report

    def _resumed(self) -> dict[str, tuple[int, bool, TableReport]]:
        """How far a killed import of this very export has come; nothing if none was, or if it came to its end."""
        with self._warehouse.connect() as connection:
            rows = connection.execute(
                "SELECT table_name, lines_done, finished, counts FROM convex_imports WHERE fingerprint = ?",
                [self._export.fingerprint],
            ).fetchall()
        return {
            name: (lines_done, finished, TableReport.of(orjson.loads(counts)))
            for name, lines_done, finished, counts in rows
        }

    def _finish(self) -> None:
        with self._warehouse.connect() as connection, transaction(connection):
            connection.execute(sql(__package__, "register_prompts"))
            # Another import of it looks at everything again: what was set aside may have become possible.
            connection.execute("DELETE FROM convex_imports WHERE fingerprint = ?", [self._export.fingerprint])

    def _import_table(
        self, found: ExportTable, table: _Table, skip: int, finished: bool, report: TableReport
    ) -> TableReport:
        if finished:
            return report
        stream = lines(found, skip)
        last = skip
        while True:
            piece = _Piece()
            size = 0
            try:
                for line in islice(stream, LINES_AT_A_TIME):
                    last = line.number
                    size += len(line.text or b"")
                    _read_line(table, piece, line)
            except BrokenTableError as error:
                report.broken = str(error)
            at_end = report.broken is not None or piece.report.read < LINES_AT_A_TIME
            with self._warehouse.connect() as connection, transaction(connection):
                table.write(connection, piece)
                self._set_aside(connection, found.name, piece)
                report.add(piece.report)
                self._record(connection, found.name, last, at_end, report)
            self._progress.advance(f"{found.name} (kB)", _kilobytes(size), _kilobytes(found.size))
            if at_end:
                return report

    def _record(
        self, connection: duckdb.DuckDBPyConnection, name: str, lines_done: int, finished: bool, report: TableReport
    ) -> None:
        connection.execute(
            sql(__package__, "record_import"),
            {
                "fingerprint": self._export.fingerprint,
                "table_name": name,
                "source": str(self._export.path),
                "lines_done": lines_done,
                "finished": finished,
                "counts": orjson.dumps(report.counts()).decode(),
            },
        )

    def _set_aside(self, connection: duckdb.DuckDBPyConnection, name: str, piece: _Piece) -> None:
        ((kept,),) = connection.execute("SELECT count(*) FROM convex_set_aside WHERE table_name = ?", [name]).fetchall()
        if kept:
            not_taken = piece.still_aside.union(each.document_key for each in piece.aside)
            settled = [row.key for row in piece.rows if row.key not in not_taken]
            connection.register("settled", pl.DataFrame({"document_key": settled}, schema={"document_key": pl.String}))
            connection.execute(sql(__package__, "delete_settled_rejections"), {"table_name": name})
            connection.unregister("settled")
        if piece.aside:
            frame = pl.DataFrame(piece.aside, schema=list(_Aside._fields), orient="row")
            connection.register("aside", frame.select(pl.lit(name).alias("table_name"), pl.all()))
            connection.execute(sql(__package__, "insert_rejected"))
            connection.unregister("aside")

    # What each table writes

    def _write_config(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        for place, setting in enumerate(piece.rows):
            if place:
                piece.conflict(setting.key, setting.line_number, "settings are one document: the first won")
                continue
            ((known,),) = connection.execute("SELECT convex_id FROM config").fetchall()
            if known == setting.key:
                # Whatever was set here since then stays.
                piece.report.already_there += 1
                continue
            connection.execute(
                "UPDATE config SET tag_analysis_count = ?, convex_id = ?, updated_at = now()",
                [setting.analysis_count, setting.key],
            )
            piece.report.taken += 1

    def _write_prompts(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        with registered(connection, "prompts", _frame(piece.rows, documents.PROMPT_SCHEMA)):
            connection.execute(sql(__package__, "merge_prompts"))
        ranked = connection.execute("SELECT verdict, convex_id, line_number FROM ranked_prompts").fetchall()
        for verdict, key, line_number in ranked:
            if verdict == "new":
                piece.report.taken += 1
            elif verdict == "there":
                piece.report.already_there += 1
            else:
                piece.conflict(key, line_number, "two prompts under one version: the one that was first stays")

    def _write_palettes(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        self._know_palettes(connection, piece, self._source)
        with registered(connection, "documents", _frame(piece.rows, documents.PALETTE_SCHEMA)):
            connection.execute(sql(__package__, "rank_palettes"))
        ranked = connection.execute("SELECT verdict, convex_id, line_number FROM ranked_palettes").fetchall()
        for verdict, key, line_number in ranked:
            if verdict == "there":
                piece.report.already_there += 1
            elif verdict == "doubled":
                piece.conflict(key, line_number, "two documents for one seed: the first won")
            else:
                piece.report.taken += 1
                piece.report.repaired["another spelling of a palette that is there"] += verdict == "another spelling"
        piece.report.repaired = +piece.report.repaired

    def _write_batches(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        prices = {(row.provider, row.model): self._price(row.provider, row.model) for row in piece.rows}
        frame = _frame(piece.rows, documents.BATCH_SCHEMA).with_columns(
            _moment("submitted").alias("submitted_at"),
            _moment("ended").alias("ended_at"),
            *_price_columns([prices[row.provider, row.model] for row in piece.rows]),
        )
        with registered(connection, "documents", frame):
            connection.execute(sql(__package__, "merge_batches"))
        ranked = connection.execute(
            "SELECT verdict, convex_id, line_number, adopted, repair FROM ranked_batches"
        ).fetchall()
        for verdict, key, line_number, adopted, repair in ranked:
            if verdict == "there":
                piece.report.already_there += 1
            elif verdict == "doubled":
                piece.conflict(key, line_number, "two documents for one batch: the first won")
            else:
                piece.report.taken += 1
                piece.report.adopted += adopted
                if repair:
                    piece.report.repaired[repair] += 1

    def _write_answers(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        self._know_palettes(connection, piece, f"{self._source} (palette_tags)")
        self._know_batches(connection, "tagging", piece.rows)
        frame = answer_frame(piece.rows, TAGGING.parser_version)
        numbered = frame.filter(pl.col("analysis_index").is_not_null())
        with registered(connection, "earlier", numbered):
            take_answers(connection, piece.report, piece.conflict)
        self._keep_unnumbered(connection, piece, frame.filter(pl.col("analysis_index").is_null()))

    def _keep_unnumbered(self, connection: duckdb.DuckDBPyConnection, piece: _Piece, unnumbered: pl.DataFrame) -> None:
        if unnumbered.is_empty():
            return
        counting = "SELECT count(*) FROM unnumbered_palette_tags"
        ((before,),) = connection.execute(counting).fetchall()
        with registered(connection, "unnumbered", unnumbered):
            connection.execute(sql(__package__, "insert_unnumbered"))
            lost = connection.execute(
                "SELECT document_key, convex_set_aside.reason FROM convex_set_aside "
                "JOIN unnumbered ON document_key = convex_id AND table_name = 'palette_tags' AND kind = 'conflict'"
            ).fetchall()
        ((after,),) = connection.execute(counting).fetchall()
        piece.still_aside |= {key for key, _ in lost}
        for _, reason in lost:
            piece.report.conflicts[reason] += 1
        piece.report.waiting += after - before
        piece.report.already_there += len(unnumbered) - (after - before) - len(lost)

    def _write_refined(self, connection: duckdb.DuckDBPyConnection, piece: _Piece) -> None:
        self._know_palettes(connection, piece, f"{self._source} (palette_tag_refined)")
        self._know_batches(connection, "refinement", piece.rows)
        ((before,),) = connection.execute("SELECT count(*) FROM palette_tag_refined").fetchall()
        with registered(connection, "earlier", answer_frame(piece.rows, REFINEMENT.parser_version)):
            connection.execute(sql(__package__, "insert_refined"))
            merge_refined(connection)
        connection.execute(sql(__package__, "mark_refined"))
        _count_batches(connection)
        ((after,),) = connection.execute("SELECT count(*) FROM palette_tag_refined").fetchall()
        taken = _count_taken(connection, piece.report)
        piece.report.already_there += len(piece.rows) - taken
        if taken > after - before:
            # All of them are in the ledger; the table has one for each palette, model and prompt.
            reason = "several refinements of a palette by one model and prompt: the newest usable one won"
            piece.report.conflicts[reason] += taken - (after - before)

    # What rows stand on

    def _know_palettes(self, connection: duckdb.DuckDBPyConnection, piece: _Piece, source: str) -> None:
        """Write down the palettes that these rows name; rows whose seed is none are set aside."""
        fresh: list[tuple[PaletteRow, Palette]] = []
        for row in piece.rows:
            if row.seed in self._seeds:
                continue
            try:
                palette = read_palette(row.seed)
            except InvalidSeedError as error:
                self._seeds[row.seed] = f"is no palette: {error}"
            else:
                self._seeds[row.seed] = None
                fresh.append((PaletteRow(row.line_number, row.seed), palette))
        if fresh:
            added = write_palettes(connection, fresh, source)
            if source != self._source and added:
                piece.report.repaired["palettes added that only their answers name"] += added
        good: list[Any] = []
        for row in piece.rows:
            reason = self._seeds[row.seed]
            if reason is None:
                good.append(row)
            else:
                line = Line(row.line_number, piece.texts[row.line_number])
                piece.set_aside(row.key, line, SetAsideError(reason))
        piece.rows = good

    def _know_batches(self, connection: duckdb.DuckDBPyConnection, stage: str, rows: Sequence[Answer]) -> None:
        """Write down the batches that these answers belong to."""
        fresh: dict[str, Answer] = {}
        for row in rows:
            if row.submission not in self._submissions:
                fresh.setdefault(row.submission, row)
        if not fresh:
            return
        insert_answer_batches(connection, stage, list(fresh.values()), self._price)
        self._submissions |= fresh.keys()

    def _price(self, provider: str, model: str) -> tuple[float, float]:
        price = known_batch_price(provider, model)
        if price is None:
            self._unpriced.add(f"{provider}/{model}")
            return 0.0, 0.0
        return price.input_usd_per_million, price.output_usd_per_million


def _kilobytes(size: int) -> int:
    return size // 1024 + 1


def insert_answer_batches(
    connection: duckdb.DuckDBPyConnection,
    stage: str,
    answers: Sequence[Answer],
    price: Callable[[str, str], tuple[float, float]],
) -> None:
    """A batch for each of these answers, if it is not there."""
    frame = pl.DataFrame(
        {
            "submission": [row.submission for row in answers],
            "stage": [stage] * len(answers),
            "provider": [row.provider for row in answers],
            "model": [row.model for row in answers],
            "prompt_version": [row.prompt_version for row in answers],
            "created": [row.created for row in answers],
        },
        schema_overrides={"created": pl.Int64},
    ).with_columns(
        _moment("created").alias("convex_created_at"),
        *_price_columns([price(row.provider, row.model) for row in answers]),
    )
    with registered(connection, "answer_batches", frame):
        connection.execute(sql(__package__, "insert_batches"))


def take_answers(
    connection: duckdb.DuckDBPyConnection,
    report: TableReport,
    conflict: Callable[[str, int, str], None],
) -> None:
    """Bring the ledger and `palette_tags` up to the table `earlier`, and say in the report what became of it.

    Args:
        conflict: told of each answer that lost: its document, its line, and which won and why.
    """
    connection.execute(sql(__package__, "rank_answers"))
    connection.execute(sql(__package__, "insert_answers"))
    _count_batches(connection)
    taken = _count_taken(connection, report)
    ((replaced,),) = connection.execute("SELECT count(*) FROM taken WHERE verdict <> 'new'").fetchall()
    if replaced:
        report.conflicts["two answers for one key: the usable one replaced the error"] += replaced
    lost = connection.execute(
        "SELECT convex_id, line_number, verdict FROM ranked WHERE starts_with(verdict, 'lost') ORDER BY line_number"
    ).fetchall()
    for key, line_number, verdict in lost:
        conflict(key, line_number, _LOST[verdict])
    ((read,),) = connection.execute("SELECT count(*) FROM earlier").fetchall()
    report.already_there += read - taken - len(lost)


_LOST: Final = {
    "lost to a usable one": "two answers for one key: the usable one won over an error",
    "lost to an earlier one": "two answers for one key: the one that came first stays",
}


def _count_taken(connection: duckdb.DuckDBPyConnection, report: TableReport) -> int:
    taken = 0
    for repair, count in connection.execute("SELECT repair, count(*) FROM taken GROUP BY repair").fetchall():
        taken += count
        if repair:
            report.repaired[repair] += count
    report.taken += taken
    return taken


def _count_batches(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(sql(__package__, "count_batches"))
    connection.execute(sql(__package__, "record_parses"))


@dataclass(frozen=True)
class _Table:
    """How a table of the export is read and written."""

    read: Callable[[Document, str, int], Any]
    write: Callable[[duckdb.DuckDBPyConnection, _Piece], None]


class _Setting(NamedTuple):
    """A row of `config`."""

    line_number: int
    key: str
    analysis_count: int


def _read_line(table: _Table, piece: _Piece, line: Line) -> None:
    piece.report.read += 1
    if line.text is None:
        too_long = SetAsideError("is longer than any document", "unreadable")
        piece.set_aside(documents.document_key(None, line.beginning), line, too_long)
        return
    document = None
    try:
        document = documents.decode(line.text)
        row = table.read(document, documents.document_key(document, line.text), line.number)
    except SetAsideError as error:
        piece.set_aside(documents.document_key(document, line.text), line, error)
        return
    piece.texts[line.number] = line.text
    piece.rows.append(row)


def _read_config(document: Document, key: str, line_number: int) -> _Setting:
    return _Setting(line_number, key, documents.analysis_count(document))


def _read_prompt(document: Document, key: str, line_number: int) -> documents.PromptVersion:
    return documents.prompt_version(document, key, line_number)


def _read_palette(document: Document, key: str, line_number: int) -> documents.Palette:
    return documents.palette(document, key, line_number)


def _read_tag_batch(document: Document, key: str, line_number: int) -> Batch:
    return documents.batch(document, key, line_number, "tagging")


def _read_refinement_batch(document: Document, key: str, line_number: int) -> Batch:
    return documents.batch(document, key, line_number, "refinement")


def _read_answer(document: Document, key: str, line_number: int) -> Answer:
    return documents.tagging_answer(document, key, line_number, parse_answer)


def _read_refined(document: Document, key: str, line_number: int) -> Answer:
    return documents.refined_answer(document, key, line_number, parse_refinement)


def _frame(rows: Sequence[tuple[Any, ...]], schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    columns: Iterable[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(schema)
    frame = pl.DataFrame(
        [pl.Series(name, column, dtype=kind) for (name, kind), column in zip(schema.items(), columns, strict=True)]
    )
    return frame.with_columns(_moment("created").alias("convex_created_at")).drop("created")


def answer_frame(rows: Sequence[Answer], parser_version: int) -> pl.DataFrame:
    """Answers as `take_answers` takes them."""
    return _frame(rows, documents.ANSWER_SCHEMA).with_columns(pl.lit(parser_version).alias("parser_version"))


def _moment(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Datetime("us", "UTC"))


def _price_columns(prices: Sequence[tuple[float, float]]) -> list[pl.Series]:
    names = ("input_usd_per_million", "output_usd_per_million")
    return [pl.Series(name, [price[place] for price in prices], dtype=pl.Float64) for place, name in enumerate(names)]
