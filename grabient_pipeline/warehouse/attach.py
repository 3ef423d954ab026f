"""Attaching database files: the one place where a path becomes part of a statement."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import duckdb


def attach(connection: duckdb.DuckDBPyConnection, path: Path, name: str, options: str = "") -> None:
    """Attach a file under a name. ATTACH takes no parameters, so the path is quoted."""
    quoted = str(path).replace("'", "''")
    connection.execute(f"ATTACH '{quoted}' AS {name} {options}")


@contextmanager
def read_only(path: Path) -> Generator[duckdb.DuckDBPyConnection]:
    """Open a file to read it, in an engine of its own. Creates nothing.

    Raises:
        duckdb.Error: the file is missing or no database, or another process is writing to it.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": False}) as connection:
        attach(connection, path, "ledger", "(READ_ONLY)")
        connection.execute("USE ledger")
        yield connection
