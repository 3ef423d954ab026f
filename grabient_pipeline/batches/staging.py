"""Staging rows in Parquet files, written piece by piece without holding the database.

Memory does not grow with the size of a batch, and the transaction that stores the files is short.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

import duckdb
import polars as pl

from grabient_pipeline.warehouse import sql

T = TypeVar("T")

ROWS_PER_FILE: Final = 8_192


@contextmanager
def scratch_folder(spool_dir: Path, submission: str) -> Generator[Path]:
    """Provide a folder for the files of one batch; callers that work on the same batch get one each."""
    folder = Path(tempfile.mkdtemp(prefix=f"{submission}.", dir=spool_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_parquet(folder: Path, rows: Iterable[T], frame: Callable[[int, list[T]], pl.DataFrame]) -> list[str]:
    """Write rows into one file or more, and return their paths.

    Args:
        frame: turns a piece of the rows into columns, given the number of its first row. One of the columns is `tags`,
            as JSON (`Tags.as_json`) or null.
    """
    paths: list[str] = []
    for number, piece in enumerate(_pieces(rows)):
        path = str(folder / f"{number:06d}.parquet")
        frame(number * ROWS_PER_FILE, piece).write_parquet(path, compression="lz4")
        paths.append(path)
    return paths


def show_staged(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Make the view `staged` show the rows of these files."""
    connection.execute("SET VARIABLE staged_files = $paths", {"paths": paths})
    connection.execute(sql(__package__, "staged_files"))


def _pieces(rows: Iterable[T]) -> Iterator[list[T]]:
    """Yield pieces; one empty piece if there are no rows, so that a file has the columns."""
    iterator = iter(rows)
    piece = list(islice(iterator, ROWS_PER_FILE))
    while True:
        yield piece
        piece = list(islice(iterator, ROWS_PER_FILE))
        if not piece:
            return
