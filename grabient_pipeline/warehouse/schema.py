"""The schema and its ordered migrations.

A migration is a file `NNNN_name.sql` in `migrations/`; each runs once, in order, in a transaction, and is recorded in
`schema_migrations`. A file that has landed is never edited: what comes later is a file of its own.
"""

from __future__ import annotations

from importlib import resources

import duckdb

from grabient_pipeline.errors import WarehouseError


def _migrations() -> list[tuple[str, str]]:
    folder = resources.files("grabient_pipeline.warehouse").joinpath("migrations")
    files = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [(file.name.removesuffix(".sql"), file.read_text("utf-8")) for file in files]


def needs_migration(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether a database that has had migrations lacks some of this version's."""
    known = connection.execute(
        "SELECT count(*) FROM duckdb_tables() "
        "WHERE database_name = current_database() AND table_name = 'schema_migrations'"
    ).fetchall()
    if known != [(1,)]:
        return False
    applied = {name for (name,) in connection.execute("SELECT name FROM schema_migrations").fetchall()}
    return bool(applied) and any(name not in applied for name, _ in _migrations())


def migrate(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Run the migrations that this database has not had yet; their names.

    Raises:
        WarehouseError: the database was made by a newer version of the pipeline.
    """
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (name VARCHAR PRIMARY KEY, applied_at TIMESTAMPTZ NOT NULL)"
    )
    applied = {name for (name,) in connection.execute("SELECT name FROM schema_migrations").fetchall()}
    migrations = _migrations()
    unknown = sorted(applied - {name for name, _ in migrations})
    if unknown:
        raise WarehouseError(
            f"the database has had the migration {unknown[-1]}, which this version does not know; "
            "update the pipeline (git pull, then make) before you go on"
        )
    done: list[str] = []
    for name, text in migrations:
        if name in applied:
            continue
        connection.execute("BEGIN")
        try:
            connection.execute(text)
            connection.execute("INSERT INTO schema_migrations VALUES (?, now())", [name])
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        done.append(name)
    return done
