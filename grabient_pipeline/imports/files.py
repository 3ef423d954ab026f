"""Rows of palettes from CSV, JSON Lines, Parquet and plain text.

An unreadable file is an error. An unreadable row is reported with its number, and the other rows are read.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import orjson
import polars as pl

from grabient_pipeline.errors import ImportFileError
from grabient_pipeline.formatting import printable

# The columns for the seed (the first one present is used), the name and the picture.
SEED_COLUMNS = ("seed", "id")
NAME_COLUMN = "name"
IMAGE_COLUMN = "image_url"

_EXCERPT_LENGTH = 80

# A line with a palette has some hundred characters.
_MAX_LINE_LENGTH = 100_000


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """A row of a file. `number`: its line, from 1; in Parquet its row, from 1."""

    number: int
    seed: str
    name: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that is not a palette, and the reason."""

    number: int
    text: str
    reason: str


Rows = Iterator[PaletteRow | InvalidRow]


def read_rows(path: Path) -> Rows:
    """Yield the rows of a file, in the format of its extension.

    Raises:
        ImportFileError: the file does not exist, has an unknown extension, or cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ImportFileError(f"{path}: unsupported kind of file; use {', '.join(_READERS)}")
    if not path.is_file():
        raise ImportFileError(f"{path}: there is no such file; check the path")
    try:
        yield from read(path)
    except OSError as error:
        raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ImportFileError(f"{path}: is not UTF-8 text (byte {error.start}); convert it and try again") from error


def _read_text(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            seed = line.strip()
            if seed:
                yield PaletteRow(number, seed)


def _read_jsonl(path: Path) -> Rows:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            stripped = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not stripped:
                continue
            if len(stripped) > _MAX_LINE_LENGTH:
                yield InvalidRow(number, excerpt(stripped[:80].decode("utf-8", "replace")), "the line is too long")
                continue
            try:
                value = orjson.loads(stripped)
            except orjson.JSONDecodeError:
                yield InvalidRow(number, excerpt(stripped.decode("utf-8", "replace")), "is not JSON")
                continue
            yield palette_row(
                number, cast("Mapping[str, object]", value) if isinstance(value, dict) else {"seed": value}
            )


def _read_csv(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        columns = [column.strip() for column in reader.fieldnames or ()]
        _require_seed_column(path, columns)
        reader.fieldnames = columns
        try:
            for row in reader:
                yield palette_row(reader.line_num, cast("dict[str, object]", row))
        except csv.Error as error:
            number = reader.line_num + 1
            raise ImportFileError(f"{path}: line {number} is not CSV ({error}); correct the file") from error


def _read_parquet(path: Path) -> Rows:
    try:
        # Opened here, because a path would be interpreted as a glob pattern.
        with path.open("rb") as file:
            columns = pl.read_parquet_schema(file)
        _require_seed_column(path, list(columns))
        wanted = [column for column in (*SEED_COLUMNS, NAME_COLUMN, IMAGE_COLUMN) if column in columns]
        frame = pl.read_parquet(path, columns=wanted, glob=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise ImportFileError(f"{path}: is not a readable Parquet file ({reason})") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield palette_row(number, row)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _read_csv,
    ".jsonl": _read_jsonl,
    ".ndjson": _read_jsonl,
    ".parquet": _read_parquet,
    ".txt": _read_text,
}


def _require_seed_column(path: Path, columns: list[str]) -> None:
    if not any(column in columns for column in SEED_COLUMNS):
        found = ", ".join(columns[:10]) or "nothing"
        raise ImportFileError(
            f"{path}: has no column {' or '.join(SEED_COLUMNS)} (found: {found}); rename the column of the seeds"
        )


def palette_row(number: int, fields: Mapping[str, object]) -> PaletteRow | InvalidRow:
    """Return a row from its columns."""
    seed = next((fields[column] for column in SEED_COLUMNS if fields.get(column) is not None), None)
    if not isinstance(seed, str):
        return InvalidRow(number, excerpt(str(dict(fields))), f"has no text in {' or '.join(SEED_COLUMNS)}")
    return PaletteRow(number, seed, _strip_text(fields.get(NAME_COLUMN)), _strip_text(fields.get(IMAGE_COLUMN)))


def _strip_text(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def excerpt(text: str) -> str:
    """Return the beginning of a row, safe to show in a terminal."""
    return printable(text[:1000], _EXCERPT_LENGTH, "�")
