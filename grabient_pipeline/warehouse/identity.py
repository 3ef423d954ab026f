"""Which ledger a database file holds, and how far it has come.

All that was paid for is in one file. A file that is missing, older or of another ledger must neither replace the good
copy of it nor be continued as if nothing had been paid yet.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.warehouse.attach import attach
from grabient_pipeline.warehouse.damage import WAY_BACK, first_line
from grabient_pipeline.warehouse.files import has_content
from grabient_pipeline.warehouse.sql_files import sql


@dataclass(frozen=True, slots=True)
class Identity:
    """The id of a ledger, and its revision: how often it has been published."""

    ledger_id: str
    revision: int


def identity_of(connection: duckdb.DuckDBPyConnection, database: str) -> Identity | None:
    """Read the identity of an attached database; None for a file of a version that had none."""
    columns = {
        name for (name,) in connection.execute(sql(__package__, "ledger_columns"), {"database": database}).fetchall()
    }
    if "ledger_id" not in columns:
        return None
    revision = "revision" if "revision" in columns else "0"
    # Both names are ours.
    rows = connection.execute(f"SELECT ledger_id, {revision} FROM {database}.config").fetchall()  # noqa: S608
    return Identity(*rows[0]) if rows and rows[0][0] else None


def refuse_loss(path: Path, published: Path, backups: Path) -> None:
    """Refuse to begin a new ledger where a copy shows that there was one.

    Raises:
        WarehouseError: the working database is missing or empty.
    """
    if has_content(path):
        return
    copy = published if has_content(published) else next(backups.glob("*.duckdb"), None)
    if copy is not None:
        state = "empty" if path.exists() else "missing"
        raise WarehouseError(
            f"the working database {path} is {state}, but its copy {copy} is there; nothing was changed. {WAY_BACK}"
        )


def refuse_older(engine: duckdb.DuckDBPyConnection, own: Identity | None, path: Path, published: Path) -> None:
    """Refuse to continue a ledger that is not the one of the published copy, or is older.

    Args:
        engine: attaches the copy for a moment.
        own: the identity of the working database at `path`.

    Raises:
        WarehouseError: the copy belongs to another ledger, is ahead, or cannot be read.
    """
    if own is None or not has_content(published):
        return
    copy = _published_identity(engine, path, published)
    if copy is None:
        return
    if copy.ledger_id != own.ledger_id:
        raise WarehouseError(
            f"{path} is the ledger {own.ledger_id}, but {published} is a copy of the ledger {copy.ledger_id}; nothing "
            "was changed. Move the one away that does not belong here, or set GRABIENT_DATA_DIR to another folder"
        )
    if copy.revision > own.revision:
        raise WarehouseError(is_older(path, own.revision, published, copy.revision))


def is_older(path: Path, revision: int, copy: Path, revision_of_copy: int) -> str:
    """Say that the working database is older than a copy of it."""
    return (
        f"{path} is older (revision {revision}) than its copy {copy} (revision {revision_of_copy}) and would pay again "
        f"for what was sent since; nothing was changed. {WAY_BACK}"
    )


def _published_identity(engine: duckdb.DuckDBPyConnection, path: Path, published: Path) -> Identity | None:
    connection = engine.cursor()
    try:
        attach(connection, published, "published", "(READ_ONLY)")
        return identity_of(connection, "published")
    except duckdb.Error as error:
        raise WarehouseError(
            f"the published copy {published} cannot be read ({first_line(error)}), so it is unknown whether {path} is "
            f"older; nothing was changed. {WAY_BACK}"
        ) from error
    finally:
        connection.close()
        with suppress(duckdb.Error):
            engine.execute("DETACH DATABASE IF EXISTS published")
