"""Rows of palettes from CSV, JSON Lines, Parquet and plain text.

A file that cannot be read at all is an error; a row that cannot be is told with its number, and the others go in.
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

# Where a row keeps its seed, its name and its picture; the first that is there counts.
SEED_COLUMNS = ("seed", "id")
NAME_COLUMN = "name"
IMAGE_COLUMN = "image_url"

_EXCERPT = 80

# A palette's line is some hundred characters; whatever is longer is not one.
_LONGEST_LINE = 100_000


@dataclass(frozen=True, slots=True)
class PaletteRow:
    """A row as it stands in a file. `number`: its line, from 1; in Parquet its row, from 1."""

    number: int
    seed: str
    name: str | None = None
    image_url: str | None = None


@dataclass(frozen=True, slots=True)
class InvalidRow:
    """A row that is no palette, and why."""

    number: int
    text: str
    reason: str


Rows = Iterator[PaletteRow | InvalidRow]


def read_rows(path: Path) -> Rows:
    """The rows of a file, by its ending.

    Raises:
        ImportFileError: the file is not there, is of no known kind, or cannot be read.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise ImportFileError(f"{path}: not a kind of file that is read here; use {', '.join(_READERS)}")
    if not path.is_file():
        raise ImportFileError(f"{path}: there is no such file; check the path")
    try:
        yield from read(path)
    except OSError as error:
        raise ImportFileError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise ImportFileError(f"{path}: is not UTF-8 text (byte {error.start}); convert it and try again") from error


def _text(path: Path) -> Rows:
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for number, line in enumerate(file, start=1):
            seed = line.strip()
            if seed:
                yield PaletteRow(number, seed)


def _jsonl(path: Path) -> Rows:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            stripped = line.removeprefix(b"\xef\xbb\xbf").strip()
            if not stripped:
                continue
            if len(stripped) > _LONGEST_LINE:
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


def _csv(path: Path) -> Rows:
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


def _parquet(path: Path) -> Rows:
    try:
        # Given a path, this takes it for a pattern.
        with path.open("rb") as file:
            columns = pl.read_parquet_schema(file)
        _require_seed_column(path, list(columns))
        wanted = [column for column in (*SEED_COLUMNS, NAME_COLUMN, IMAGE_COLUMN) if column in columns]
        frame = pl.read_parquet(path, columns=wanted, glob=False)
    except pl.exceptions.PolarsError as error:
        reason = str(error).strip().splitlines()[0]
        raise ImportFileError(f"{path}: is not Parquet that can be read ({reason})") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield palette_row(number, row)


_READERS: dict[str, Callable[[Path], Rows]] = {
    ".csv": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".txt": _text,
}


def _require_seed_column(path: Path, columns: list[str]) -> None:
    if not any(column in columns for column in SEED_COLUMNS):
        found = ", ".join(columns[:10]) or "nothing"
        raise ImportFileError(f"{path}: has no column {' or '.join(SEED_COLUMNS)} (found: {found}); name the seeds so")


def palette_row(number: int, fields: Mapping[str, object]) -> PaletteRow | InvalidRow:
    """A row by its columns."""
    seed = next((fields[column] for column in SEED_COLUMNS if fields.get(column) is not None), None)
    if not isinstance(seed, str):
        return InvalidRow(number, excerpt(str(dict(fields))), f"has no text in {' or '.join(SEED_COLUMNS)}")
    return PaletteRow(number, seed, _optional(fields.get(NAME_COLUMN)), _optional(fields.get(IMAGE_COLUMN)))


def _optional(value: object) -> str | None:
    return value.strip() or None if isinstance(value, str) else None


def excerpt(text: str) -> str:
    """Return the beginning of a row, safe to show in a terminal."""
    return printable(text[:1000], _EXCERPT, "�")
