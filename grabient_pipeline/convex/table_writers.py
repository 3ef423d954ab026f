"""How the rows of each table of an export are written: one method per table, each in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb
import polars as pl

from grabient_pipeline.batches.results import merge_refined
from grabient_pipeline.batches.stages import REFINEMENT, TAGGING
from grabient_pipeline.convex.answers import (
    count_imported,
    import_answers,
    insert_answer_batches,
    insert_responses,
    update_batches,
)
from grabient_pipeline.convex.archive import Line
from grabient_pipeline.convex.chunk import Chunk
from grabient_pipeline.convex.documents import RejectedDocumentError
from grabient_pipeline.convex.rows import (
    AnswerRow,
    BatchRow,
    PaletteRow,
    PromptRow,
    answers_frame,
    price_columns,
    rows_frame,
    timestamp,
)
from grabient_pipeline.imports import files
from grabient_pipeline.imports.palettes import write_palettes
from grabient_pipeline.palette import InvalidSeedError, Palette, read_palette
from grabient_pipeline.providers.prices import Price, known_batch_price
from grabient_pipeline.warehouse import registered, sql


class TableWriters:
    """Writes chunks of one export. Remembers the palettes and batches it has seen.

    Args:
        source: the name of the export, which becomes the source of its palettes.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        # Seeds seen so far: None for a palette, the reason for a text that is not one.
        self._seeds: dict[str, str | None] = {}
        self._submissions: set[str] = set()
        self._unpriced: set[str] = set()

    @property
    def unpriced_models(self) -> tuple[str, ...]:
        """Models without a known price, as `provider/model`."""
        return tuple(sorted(self._unpriced))

    def write_config(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Apply the analysis count of a document that has not been imported before."""
        for place, setting in enumerate(chunk.rows):
            if place:
                chunk.add_conflict(setting.convex_id, setting.line_number, "settings are one document: the first won")
                continue
            ((known,),) = connection.execute("SELECT convex_id FROM config").fetchall()
            if known == setting.convex_id:
                # A later change of the setting here is kept.
                chunk.report.already_there += 1
                continue
            connection.execute(
                "UPDATE config SET tag_analysis_count = ?, convex_id = ?, updated_at = now()",
                [setting.analysis_count, setting.convex_id],
            )
            chunk.report.imported += 1

    def write_prompts(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Write prompt versions with the hashes of the earlier system."""
        with registered(connection, "prompts", rows_frame(chunk.rows, PromptRow)):
            connection.execute(sql(__package__, "merge_prompts"))
        ranked = connection.execute("SELECT verdict, convex_id, line_number FROM ranked_prompts").fetchall()
        for verdict, convex_id, line_number in ranked:
            if verdict == "new":
                chunk.report.imported += 1
            elif verdict == "known":
                chunk.report.already_there += 1
            else:
                chunk.add_conflict(convex_id, line_number, "two prompts with one version: the first stays")

    def write_palettes(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Write palettes, and link their documents to them."""
        self._ensure_palettes(connection, chunk, self._source)
        with registered(connection, "documents", rows_frame(chunk.rows, PaletteRow)):
            connection.execute(sql(__package__, "rank_palettes"))
        ranked = connection.execute("SELECT verdict, convex_id, line_number FROM ranked_palettes").fetchall()
        for verdict, convex_id, line_number in ranked:
            if verdict == "known":
                chunk.report.already_there += 1
            elif verdict == "duplicate":
                chunk.add_conflict(convex_id, line_number, "two documents for one seed: the first won")
            else:
                chunk.report.imported += 1
                if verdict == "another encoding":
                    chunk.report.repaired["another encoding of a palette that is already there"] += 1

    def write_batches(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Write batches of either stage."""
        prices = {(row.provider, row.model): self._price(row.provider, row.model) for row in chunk.rows}
        frame = rows_frame(chunk.rows, BatchRow).with_columns(
            timestamp("submitted").alias("submitted_at"),
            timestamp("ended").alias("ended_at"),
            *price_columns([prices[row.provider, row.model] for row in chunk.rows]),
        )
        with registered(connection, "documents", frame):
            connection.execute(sql(__package__, "merge_batches"))
        ranked = connection.execute(
            "SELECT verdict, convex_id, line_number, adopted, repair FROM ranked_batches"
        ).fetchall()
        for verdict, convex_id, line_number, adopted, repair in ranked:
            if verdict == "known":
                chunk.report.already_there += 1
            elif verdict == "duplicate":
                chunk.add_conflict(convex_id, line_number, "two documents for one batch: the first won")
            else:
                chunk.report.imported += 1
                chunk.report.adopted += adopted
                if repair:
                    chunk.report.repaired[repair] += 1

    def write_answers(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Write tagging answers, those without an analysis index into `unnumbered_palette_tags`."""
        self._ensure_palettes(connection, chunk, f"{self._source} (palette_tags)")
        self._ensure_batches(connection, "tagging", chunk.rows)
        frame = answers_frame(chunk.rows, TAGGING.parser_version)
        with registered(connection, "incoming_answers", frame.filter(pl.col("analysis_index").is_not_null())):
            import_answers(connection, chunk.report, chunk.add_conflict)
        unnumbered = frame.filter(pl.col("analysis_index").is_null())
        if not unnumbered.is_empty():
            self._write_unnumbered(connection, chunk, unnumbered)

    def write_refined(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk) -> None:
        """Write refinements: all into the ledger, the newest usable one into `palette_tag_refined`."""
        self._ensure_palettes(connection, chunk, f"{self._source} (palette_tag_refined)")
        self._ensure_batches(connection, "refinement", chunk.rows)
        ((before,),) = connection.execute("SELECT count(*) FROM palette_tag_refined").fetchall()
        with registered(connection, "incoming_answers", answers_frame(chunk.rows, REFINEMENT.parser_version)):
            connection.execute(sql(__package__, "insert_refined"))
            insert_responses(connection)
            merge_refined(connection)
        connection.execute(sql(__package__, "mark_refined"))
        update_batches(connection)
        ((after,),) = connection.execute("SELECT count(*) FROM palette_tag_refined").fetchall()
        imported = count_imported(connection, chunk.report)
        chunk.report.already_there += len(chunk.rows) - imported
        if imported > after - before:
            reason = "several refinements of a palette by one model and prompt: the newest usable one won"
            chunk.report.conflicts[reason] += imported - (after - before)

    def _write_unnumbered(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk, unnumbered: pl.DataFrame) -> None:
        count = "SELECT count(*) FROM unnumbered_palette_tags"
        ((before,),) = connection.execute(count).fetchall()
        with registered(connection, "unnumbered", unnumbered):
            connection.execute(sql(__package__, "insert_unnumbered"))
            lost = connection.execute(
                "SELECT document_key, convex_set_aside.reason FROM convex_set_aside "
                "JOIN unnumbered ON document_key = convex_id AND table_name = 'palette_tags' AND kind = 'conflict'"
            ).fetchall()
        ((after,),) = connection.execute(count).fetchall()
        chunk.still_rejected |= {convex_id for convex_id, _ in lost}
        for _, reason in lost:
            chunk.report.conflicts[reason] += 1
        chunk.report.pending_index += after - before
        chunk.report.already_there += len(unnumbered) - (after - before) - len(lost)

    def _ensure_palettes(self, connection: duckdb.DuckDBPyConnection, chunk: Chunk, source: str) -> None:
        """Insert the palettes of these rows, and reject the rows whose seed is not a palette."""
        new: list[tuple[files.PaletteRow, Palette]] = []
        for row in chunk.rows:
            if row.seed in self._seeds:
                continue
            try:
                palette = read_palette(row.seed)
            except InvalidSeedError as error:
                self._seeds[row.seed] = f"is not a palette: {error}"
            else:
                self._seeds[row.seed] = None
                new.append((files.PaletteRow(row.line_number, row.seed), palette))
        if new:
            added = write_palettes(connection, new, source)
            if source != self._source and added:
                chunk.report.repaired["palettes added that only their answers name"] += added
        valid: list[Any] = []
        for row in chunk.rows:
            reason = self._seeds[row.seed]
            if reason is None:
                valid.append(row)
            else:
                line = Line(row.line_number, chunk.texts[row.line_number])
                chunk.reject(row.convex_id, line, RejectedDocumentError(reason))
        chunk.rows = valid

    def _ensure_batches(self, connection: duckdb.DuckDBPyConnection, stage: str, rows: Sequence[AnswerRow]) -> None:
        """Insert the batches of these answers."""
        new: dict[str, AnswerRow] = {}
        for row in rows:
            if row.submission not in self._submissions:
                new.setdefault(row.submission, row)
        if new:
            insert_answer_batches(connection, stage, list(new.values()), self._price)
            self._submissions |= new.keys()

    def _price(self, provider: str, model: str) -> Price:
        price = known_batch_price(provider, model)
        if price is None:
            self._unpriced.add(f"{provider}/{model}")
            return Price(0.0, 0.0)
        return price
