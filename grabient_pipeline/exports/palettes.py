"""Refined tags, embed texts and vectors as Parquet, JSON Lines, CSV, and the NDJSON that Cloudflare Vectorize takes.

Read from the published database, so that nobody is held up. Tags are what models wrote: in CSV nothing of them is taken
for a formula by a spreadsheet.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import polars as pl
import polars.selectors as cs

from grabient_pipeline.atomic import write_atomic
from grabient_pipeline.errors import SettingsError
from grabient_pipeline.warehouse import connect, sql

# What Vectorize takes: https://developers.cloudflare.com/vectorize/platform/limits/
MOST_DIMENSIONS: Final = 1_536
MOST_METADATA_BYTES: Final = 10 * 1024
VECTORS_A_FILE: Final = 5_000
BYTES_A_FILE: Final = 95_000_000

FORMATS: Final = ("parquet", "jsonl", "csv", "vectorize")

# What a spreadsheet takes for the beginning of a formula, in both widths, whatever blank stands before it.
_FORMULA: Final = r"^\s*[=+\-@\t\r\n＝＋－＠]"


@dataclass(frozen=True)
class ExportReport:
    """What was written. `vectors`: of how many of the palettes there is a vector, by `embedding_model`."""

    palettes: int
    refined: int
    vectors: int
    embedding_model: str | None
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()


def export_palettes(
    data_dir: Path,
    folder: Path,
    formats: Collection[str] = FORMATS,
    *,
    embedding_model: str | None = None,
    only_refined: bool = False,
) -> ExportReport:
    """Write the palettes into files of a folder; each file is whole or is not there, and takes the place of the last.

    Args:
        embedding_model: whose vectors; by default the only one that there is.
        only_refined: leave out the palettes whose tags are only counted or measured.

    Raises:
        SettingsError: an unknown format or embedding model, vectors that Vectorize cannot take, a folder that cannot
            be written to.
        WarehouseError: nothing has been published yet.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise SettingsError(f"there is no format {unknown[0]!r}; there are {', '.join(FORMATS)}")
    with connect(data_dir) as connection:
        models = [name for (name,) in connection.execute(sql(__package__, "embedding_models")).fetchall()]
        chosen = _chosen(models, embedding_model)
        parameters = {"embedding_model": chosen, "only_refined": only_refined}
        frame = connection.sql(sql(__package__, "palettes"), params=parameters).pl()
    notes: list[str] = []
    writers: dict[str, Callable[[], list[Path]]] = {
        "parquet": lambda: [write_atomic(folder / "palettes.parquet", frame.write_parquet)],
        "jsonl": lambda: [write_atomic(folder / "palettes.jsonl", frame.write_ndjson)],
        "csv": lambda: [write_atomic(folder / "palettes.csv", lambda path: _write_csv(frame, path))],
        "vectorize": lambda: _write_vectors(folder, frame, notes),
    }
    if "vectorize" in formats:
        _check_vectors(frame, chosen, alone=set(formats) == {"vectorize"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [path for name in FORMATS if name in formats for path in writers[name]()]
    except OSError as error:
        raise SettingsError(f"cannot write to {folder}: {error.strerror or error}; name another (--to)") from error
    return ExportReport(
        len(frame),
        frame.filter(pl.col("text_source") == "refined").height,
        frame["embedding"].count(),
        chosen,
        tuple(files),
        tuple(notes),
    )


def for_spreadsheets(frame: pl.DataFrame) -> pl.DataFrame:
    """Lists joined to texts, and an apostrophe before what a spreadsheet would take for a formula."""
    numbers = pl.col("embedding").map_elements(_as_json, return_dtype=pl.String)
    texts = frame.with_columns(numbers, cs.by_dtype(pl.List(pl.String)).list.join("; "))
    # A vector begins with a bracket, and what is long is not looked through.
    columns = [pl.col(name) for name in texts.select(cs.string()).columns if name != "embedding"]
    return texts.with_columns(
        pl.when(column.str.contains(_FORMULA)).then(pl.lit("'") + column).otherwise(column).name.keep()
        for column in columns
    )


def vector_lines(frame: pl.DataFrame, notes: list[str]) -> Iterator[bytes]:
    """A line of Vectorize's NDJSON for each palette that has a vector; what had to be shortened is noted."""
    shortened = 0
    for row in frame.filter(pl.col("embedding").is_not_null()).iter_rows(named=True):
        metadata = _metadata(row)
        tags: list[str] = metadata["tags"]
        # Far more than real tags take; then the last, which fit least, go.
        while tags and len(orjson.dumps(metadata)) > MOST_METADATA_BYTES:
            del tags[-max(1, len(tags) // 8) :]
            if not tags or len(orjson.dumps(metadata)) <= MOST_METADATA_BYTES:
                shortened += 1
        yield orjson.dumps({"id": row["palette_id"], "values": row["embedding"], "metadata": metadata}) + b"\n"
    if shortened:
        notes.append(f"{shortened:,} palettes have more tags than Vectorize's {MOST_METADATA_BYTES:,} bytes take")


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    attributes = {name: row[name] for name in ("temperature", "contrast", "brightness", "saturation")}
    words = [row[name] for name in ("harmony", "colour_names", "mood", "style", "seasonal", "associations")]
    tags = list(dict.fromkeys(tag for each in words for tag in each or ()))
    metadata = {"seed": row["seed"], "name": row["name"], "image_url": row["image_url"], **attributes, "tags": tags}
    # Vectorize filters by what is there; an absent key is its null.
    return {name: value for name, value in metadata.items() if value is not None}


def _chosen(models: Sequence[str], asked: str | None) -> str | None:
    if asked is not None:
        if asked not in models:
            there = ", ".join(models) or "none yet"
            raise SettingsError(f"there are no vectors by {asked!r}; there are those by: {there}")
        return asked
    if len(models) > 1:
        raise SettingsError(f"there are vectors by several models; choose one (--embedding-model): {', '.join(models)}")
    return models[0] if models else None


def _check_vectors(frame: pl.DataFrame, model: str | None, *, alone: bool) -> None:
    dimensions = frame["dimension"].drop_nulls().unique().to_list()
    if not dimensions:
        if alone:
            raise SettingsError("there are no vectors yet, so there is nothing for Vectorize; embed the palettes first")
        return
    if len(dimensions) > 1 or dimensions[0] > MOST_DIMENSIONS:
        told = ", ".join(map(str, sorted(dimensions)))
        raise SettingsError(
            f"the vectors by {model} have {told} dimensions; Vectorize takes vectors of one length, of "
            f"{MOST_DIMENSIONS:,} at most (--format leaves it out)"
        )


def _write_vectors(folder: Path, frame: pl.DataFrame, notes: list[str]) -> list[Path]:
    """As many files as Vectorize takes at a time; those of an earlier export that are too many are taken away."""
    paths: list[Path] = []
    pieces: list[bytes] = []
    size = 0

    def finish() -> None:
        nonlocal size
        path = folder / f"vectorize-{len(paths) + 1:04d}.ndjson"
        content = b"".join(pieces)
        paths.append(write_atomic(path, lambda file: file.write_bytes(content)))
        pieces.clear()
        size = 0

    for line in vector_lines(frame, notes):
        if pieces and (len(pieces) == VECTORS_A_FILE or size + len(line) > BYTES_A_FILE):
            finish()
        pieces.append(line)
        size += len(line)
    if pieces:
        finish()
    for stale in set(folder.glob("vectorize-[0-9][0-9][0-9][0-9].ndjson")) - set(paths):
        stale.unlink()
    return paths


def _write_csv(frame: pl.DataFrame, path: Path) -> None:
    # Every text in quotes: a line break of any kind stays in its cell.
    for_spreadsheets(frame).write_csv(path, quote_style="non_numeric")


def _as_json(values: pl.Series) -> str:
    return orjson.dumps(values.to_list()).decode()
