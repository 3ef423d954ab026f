"""Blocks on an open connection: a transaction, and a frame that is shown as a table."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager, suppress

import duckdb
import polars as pl


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, frame: pl.DataFrame) -> Generator[None]:
    """Show a frame as a table of this name while the block runs, and remove it however the block ends."""
    connection.register(name, frame)
    try:
        yield
    finally:
        # A statement that failed may have left its transaction unusable: the table then goes with the connection.
        with suppress(duckdb.Error):
            connection.unregister(name)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Generator[None]:
    """Commit everything in the block, or nothing if it fails."""
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        # After a damaged block or on a full disk this may fail too. Closing the connection ends the transaction then,
        # and the first error is the one to report.
        with suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
