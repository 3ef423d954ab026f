"""Write palettes into the table `palettes`, described and identified by their canonical form, so each only once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import duckdb
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.errors import ImportFileError
from grabient_pipeline.imports.d1 import SOURCE as D1_SOURCE
from grabient_pipeline.imports.d1 import D1Access, d1_rows
from grabient_pipeline.imports.d1_files import dump_rows, sqlite_rows
from grabient_pipeline.imports.files import InvalidRow, PaletteRow, Rows, excerpt, read_rows
from grabient_pipeline.palette import InvalidSeedError, Palette, describe_palettes, read_palette
from grabient_pipeline.settings import SAMPLE_PALETTES
from grabient_pipeline.warehouse import Warehouse, registered, sql, transaction

_ROWS_PER_TRANSACTION = 20_000


@dataclass(frozen=True, slots=True)
class InvalidPalette:
    """A row that was not imported: its source, its number there, an excerpt, and the reason."""

    source: str
    number: int
    text: str
    reason: str

    def __str__(self) -> str:
        """Return the row as one line for people."""
        return f"{self.source}, line {self.number}: {self.text!r} {self.reason}"


@dataclass
class ImportReport:
    """Counts of new palettes and of palettes already there (in this or another encoding), and the invalid rows."""

    imported: int = 0
    already_there: int = 0
    invalid: list[InvalidPalette] = field(default_factory=list[InvalidPalette])


# Exports of the site's database, by extension.
_DATABASE_READERS: dict[str, Callable[[Path, str | None], Rows]] = {
    ".sqlite": sqlite_rows,
    ".sqlite3": sqlite_rows,
    ".db": sqlite_rows,
    ".sql": dump_rows,
}


def import_palettes(
    warehouse: Warehouse,
    files: Sequence[Path] = (),
    d1_query: str | None = None,
    d1_environment: Mapping[str, str] | None = None,
) -> ImportReport:
    """Import files, then Cloudflare D1; with neither, an empty table gets the sample palettes.

    Args:
        d1_query: the SELECT for D1, or for an export of it; by default the palettes that the site's admins like.
        d1_environment: the variables that open Cloudflare D1; None to leave it out.

    Raises:
        ImportFileError: a file or the database cannot be read at all; what was read before it is imported.
        MissingKeyError: a variable for D1 is not set.
    """
    access = D1Access.from_environment(d1_environment) if d1_environment is not None else None
    if not files and not access and _count_palettes(warehouse) == 0:
        files = (SAMPLE_PALETTES,)
    report = import_files(warehouse, files, d1_query)
    if access:
        import_rows(warehouse, d1_rows(access, d1_query), D1_SOURCE, report)
    return report


def import_sample_palettes(warehouse: Warehouse, count: int | None = None) -> ImportReport:
    """Import the first `count` palettes that come with the project, or all of them."""
    report = ImportReport()
    import_rows(warehouse, islice(read_rows(SAMPLE_PALETTES), count), SAMPLE_PALETTES.name, report)
    return report


def import_files(warehouse: Warehouse, files: Sequence[Path], d1_query: str | None = None) -> ImportReport:
    """Import the palettes of these files, in order.

    Args:
        warehouse: the database.
        files: palettes in any of the supported formats.
        d1_query: the query for exports of the site's database; by default the palettes that its admins like.

    Raises:
        ImportFileError: a file cannot be read; the rows before the failure are imported.
    """
    report = ImportReport()
    for file in files:
        import_rows(warehouse, _read_file(file, d1_query), file.name, report)
    return report


def _read_file(file: Path, d1_query: str | None) -> Rows:
    read = _DATABASE_READERS.get(file.suffix.lower())
    if read is None:
        return read_rows(file)
    if not file.is_file():
        raise ImportFileError(f"{file}: there is no such file; check the path")
    return read(file, d1_query)


def import_rows(
    warehouse: Warehouse, rows: Iterable[PaletteRow | InvalidRow], source: str, report: ImportReport
) -> None:
    """Import rows, some thousands per transaction, and add to the report. Importing rows again has no effect."""
    palettes = _read_palettes(rows, source, report)
    while piece := list(islice(palettes, _ROWS_PER_TRANSACTION)):
        with warehouse.connect() as connection, transaction(connection):
            imported = write_palettes(connection, piece, source)
        crash_point("import.written")
        report.imported += imported
        report.already_there += len(piece) - imported


def _read_palettes(
    rows: Iterable[PaletteRow | InvalidRow], source: str, report: ImportReport
) -> Iterator[tuple[PaletteRow, Palette]]:
    for row in rows:
        if isinstance(row, InvalidRow):
            report.invalid.append(InvalidPalette(source, row.number, row.text, row.reason))
            continue
        try:
            palette = read_palette(row.seed)
        except InvalidSeedError as error:
            report.invalid.append(InvalidPalette(source, row.number, excerpt(row.seed), f"is not a palette: {error}"))
            continue
        yield row, palette


def write_palettes(
    connection: duckdb.DuckDBPyConnection, piece: Sequence[tuple[PaletteRow, Palette]], source: str
) -> int:
    """Insert palettes in the caller's transaction, and return how many of them are new."""
    # The first of several encodings of a palette becomes its seed; the others are recorded as spellings.
    first: dict[str, tuple[PaletteRow, Palette]] = {}
    for row, palette in piece:
        first.setdefault(palette.palette_id, (row, palette))
    described = describe_palettes([palette.canonical_seed for _, palette in first.values()])
    palettes = pl.DataFrame(
        [
            {
                "position": position,
                "seed": palette.seed,
                "palette_id": palette.palette_id,
                "canonical_seed": palette.canonical_seed,
                "name": row.name,
                "image_url": row.image_url or f"images/{palette.palette_id}.png",
                "hex": description.hex,
                "temperature": description.temperature,
                "contrast": description.contrast,
                "brightness": description.brightness,
                "saturation": description.saturation,
                "harmony": description.harmony,
                "colour_names": description.colour_names,
            }
            for position, ((row, palette), description) in enumerate(zip(first.values(), described, strict=True))
        ],
        schema_overrides={
            "name": pl.String,
            "harmony": pl.List(pl.String),
            "colour_names": pl.List(pl.String),
        },
    )
    spellings = pl.DataFrame([{"seed": palette.seed, "palette_id": palette.palette_id} for _, palette in piece]).unique(
        "seed", keep="first", maintain_order=True
    )
    ((before,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
    with registered(connection, "incoming", palettes), registered(connection, "spellings", spellings):
        connection.execute(sql(__package__, "insert_palettes"), {"source": source})
        connection.execute(sql(__package__, "insert_spellings"), {"source": source})
    ((after,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
    crash_point("import.writing")
    return after - before


def _count_palettes(warehouse: Warehouse) -> int:
    with warehouse.connect() as connection:
        ((count,),) = connection.execute("SELECT count(*) FROM palettes").fetchall()
    return count
