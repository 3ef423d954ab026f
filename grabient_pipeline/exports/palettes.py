"""Exports palettes as Parquet, JSON Lines, CSV, and as NDJSON for Cloudflare Vectorize.

Reads the published database, and so needs no lock. Tags are untrusted text written by models: CSV cells are escaped so
that no spreadsheet evaluates them as formulas.
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

# The limits of Vectorize: https://developers.cloudflare.com/vectorize/platform/limits/
MAX_DIMENSIONS: Final = 1_536
MAX_METADATA_BYTES: Final = 10 * 1024
VECTORS_PER_FILE: Final = 5_000
BYTES_PER_FILE: Final = 95_000_000

FORMATS: Final = ("parquet", "jsonl", "csv", "vectorize")

# The start of a formula in a spreadsheet, in ASCII or full width, after any white space.
_FORMULA: Final = r"^\s*[=+\-@\t\r\n＝＋－＠]"


@dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        palettes: All exported palettes.
        refined: Those with refined tags.
        vectors: Those with an embedding by `embedding_model`.
        embedding_model: Its name, or None if nothing is embedded.
        files: The files, in the order they were written.
        notes: What the user should know, one sentence each.
    """

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
    """Write the palettes to files in a folder. Each file is replaced atomically.

    Args:
        data_dir: The data directory with the published database.
        folder: Where to write; created if missing.
        formats: Any of FORMATS.
        embedding_model: The model whose embeddings are exported; by default the only one.
        only_refined: Leave out palettes without refined tags.

    Raises:
        SettingsError: An unknown format or embedding model, embeddings that Vectorize does not accept, or a folder
            that cannot be written to.
        WarehouseError: Nothing has been published yet.
    """
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise SettingsError(f"unknown format {unknown[0]!r}; choose from {', '.join(FORMATS)}")
    with connect(data_dir) as connection:
        models = [name for (name,) in connection.execute(sql(__package__, "embedding_models")).fetchall()]
        model = _choose_model(models, embedding_model)
        parameters = {"embedding_model": model, "only_refined": only_refined}
        frame = connection.sql(sql(__package__, "palettes"), params=parameters).pl()
    notes: list[str] = []
    writers: dict[str, Callable[[], list[Path]]] = {
        "parquet": lambda: [write_atomic(folder / "palettes.parquet", frame.write_parquet)],
        "jsonl": lambda: [write_atomic(folder / "palettes.jsonl", frame.write_ndjson)],
        "csv": lambda: [write_atomic(folder / "palettes.csv", lambda path: _write_csv(frame, path))],
        "vectorize": lambda: _write_vectors(folder, frame, notes),
    }
    if "vectorize" in formats:
        _check_vectors(frame, model, alone=set(formats) == {"vectorize"})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [path for name in FORMATS if name in formats for path in writers[name]()]
    except OSError as error:
        raise SettingsError(
            f"cannot write to {folder}: {error.strerror or error}; choose another folder (--to)"
        ) from error
    return ExportReport(
        len(frame),
        frame.filter(pl.col("text_source") == "refined").height,
        frame["embedding"].count(),
        model,
        tuple(files),
        tuple(notes),
    )


def escape_formulas(frame: pl.DataFrame) -> pl.DataFrame:
    """Join lists into text, and put an apostrophe before text that a spreadsheet would evaluate as a formula."""
    numbers = pl.col("embedding").map_elements(_as_json, return_dtype=pl.String)
    texts = frame.with_columns(numbers, cs.by_dtype(pl.List(pl.String)).list.join("; "))
    # An embedding starts with a bracket, and is too long to search.
    columns = [pl.col(name) for name in texts.select(cs.string()).columns if name != "embedding"]
    return texts.with_columns(
        pl.when(column.str.contains(_FORMULA)).then(pl.lit("'") + column).otherwise(column).name.keep()
        for column in columns
    )


def render_vector_lines(frame: pl.DataFrame, notes: list[str]) -> Iterator[bytes]:
    """Yield one line of NDJSON for each palette that has an embedding. Adds a note if tags had to be dropped."""
    shortened = 0
    for row in frame.filter(pl.col("embedding").is_not_null()).iter_rows(named=True):
        metadata = _metadata(row)
        tags: list[str] = metadata["tags"]
        # Real tags never take this much. The last tags are the least important.
        while tags and len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
            del tags[-max(1, len(tags) // 8) :]
            if not tags or len(orjson.dumps(metadata)) <= MAX_METADATA_BYTES:
                shortened += 1
        yield orjson.dumps({"id": row["palette_id"], "values": row["embedding"], "metadata": metadata}) + b"\n"
    if shortened:
        notes.append(
            f"{shortened:,} palettes have more tags than fit into Vectorize's {MAX_METADATA_BYTES:,} bytes of metadata"
        )


def _metadata(row: dict[str, Any]) -> dict[str, Any]:
    attributes = {name: row[name] for name in ("temperature", "contrast", "brightness", "saturation")}
    words = [row[name] for name in ("harmony", "colour_names", "mood", "style", "seasonal", "associations")]
    tags = list(dict.fromkeys(tag for each in words for tag in each or ()))
    metadata = {"seed": row["seed"], "name": row["name"], "image_url": row["image_url"], **attributes, "tags": tags}
    # Vectorize has no null: it filters by the keys that are present.
    return {name: value for name, value in metadata.items() if value is not None}


def _choose_model(models: Sequence[str], requested: str | None) -> str | None:
    if requested is not None:
        if requested not in models:
            available = ", ".join(models) or "none yet"
            raise SettingsError(f"there are no embeddings by {requested!r}; available: {available}")
        return requested
    if len(models) > 1:
        names = ", ".join(models)
        raise SettingsError(f"there are embeddings by several models; choose one (--embedding-model): {names}")
    return models[0] if models else None


def _check_vectors(frame: pl.DataFrame, model: str | None, *, alone: bool) -> None:
    dimensions = frame["dimension"].drop_nulls().unique().to_list()
    if not dimensions:
        if alone:
            raise SettingsError("there are no embeddings to export for Vectorize; embed the palettes first")
        return
    if len(dimensions) > 1 or dimensions[0] > MAX_DIMENSIONS:
        lengths = ", ".join(map(str, sorted(dimensions)))
        raise SettingsError(
            f"the embeddings by {model} have {lengths} dimensions; Vectorize requires a single length of at most "
            f"{MAX_DIMENSIONS:,} (use --format to leave it out)"
        )


def _write_vectors(folder: Path, frame: pl.DataFrame, notes: list[str]) -> list[Path]:
    """Write files within Vectorize's upload limits, and delete those that an earlier export left over."""
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

    for line in render_vector_lines(frame, notes):
        if pieces and (len(pieces) == VECTORS_PER_FILE or size + len(line) > BYTES_PER_FILE):
            finish()
        pieces.append(line)
        size += len(line)
    if pieces:
        finish()
    for stale in set(folder.glob("vectorize-[0-9][0-9][0-9][0-9].ndjson")) - set(paths):
        stale.unlink()
    return paths


def _write_csv(frame: pl.DataFrame, path: Path) -> None:
    # All text is quoted, so that line breaks of any kind stay inside their cell.
    escape_formulas(frame).write_csv(path, quote_style="non_numeric")


def _as_json(values: pl.Series) -> str:
    return orjson.dumps(values.to_list()).decode()
