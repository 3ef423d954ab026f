"""Rows on their way into the database: Parquet files beside it, written piece by piece without holding the lock.

So memory does not grow with a batch, and the transaction that takes the files in is short.
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

ROWS_A_FILE: Final = 8_192


@contextmanager
def scratch_folder(spool_dir: Path, submission: str) -> Generator[Path]:
    """A folder for the files of one batch; each caller has one of its own, also when two work on the same batch."""
    folder = Path(tempfile.mkdtemp(prefix=f"{submission}.", dir=spool_dir))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_parquet(folder: Path, rows: Iterable[T], frame: Callable[[int, list[T]], pl.DataFrame]) -> list[str]:
    """Write the rows; the paths, of which there is at least one.

    `frame` turns a piece of them into columns, given the number of its first row; one of them is `tags`, as JSON
    (`Tags.as_json`) or null.
    """
    paths: list[str] = []
    for number, piece in enumerate(_pieces(rows)):
        path = str(folder / f"{number:06d}.parquet")
        frame(number * ROWS_A_FILE, piece).write_parquet(path, compression="lz4")
        paths.append(path)
    return paths


def show_staged(connection: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Let the view `staged` be the rows of these files."""
    connection.execute("SET VARIABLE staged_files = $paths", {"paths": paths})
    connection.execute(sql(__package__, "staged_files"))


def _pieces(rows: Iterable[T]) -> Iterator[list[T]]:
    """So many at a time; one empty piece if there is nothing, so that there is a file to read the columns from."""
    iterator = iter(rows)
    piece = list(islice(iterator, ROWS_A_FILE))
    while True:
        yield piece
        piece = list(islice(iterator, ROWS_A_FILE))
        if not piece:
            return
