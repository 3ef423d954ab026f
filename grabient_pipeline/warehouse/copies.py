"""What a copy of a ledger holds, and whether it can be read in full.

A copy is good only after every column of every table was read, so that DuckDB has compared each block of data with its
checksum. The blocks of indexes are not read: they hold no answers.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from grabient_pipeline.errors import WarehouseError
from grabient_pipeline.warehouse.attach import read_only
from grabient_pipeline.warehouse.damage import first_line
from grabient_pipeline.warehouse.files import has_content
from grabient_pipeline.warehouse.identity import Identity, identity_of
from grabient_pipeline.warehouse.sql_files import sql


@dataclass(frozen=True, slots=True)
class LedgerCopy:
    """A file that holds, or held, a ledger. The cost is in US dollars; None stands for what cannot be read.

    `identity`: also None for a file of a version that had none. `damage`: why it cannot be read in full; None for a
    good copy.
    """

    path: Path
    written_at: dt.datetime
    identity: Identity | None = None
    answers: int | None = None
    batches: int | None = None
    open_batches: int | None = None
    cost_usd: float | None = None
    damage: str | None = None

    @property
    def revision(self) -> int:
        """How often its ledger had been published; 0 if it does not say."""
        return self.identity.revision if self.identity else 0

    @property
    def ledger_id(self) -> str | None:
        """The id of its ledger."""
        return self.identity.ledger_id if self.identity else None


def read_copy(path: Path) -> LedgerCopy:
    """Read a copy through, and return what it holds.

    Raises:
        WarehouseError: it is missing, is no ledger, or cannot be read in full.
    """
    copy = inspect_copy(path)
    if copy is None:
        raise WarehouseError(f"there is no copy of a ledger at {path}")
    if copy.damage is not None:
        raise WarehouseError(f"{path} cannot be read in full: {copy.damage}")
    return copy


def inspect_copy(path: Path) -> LedgerCopy | None:
    """Return what a file holds as far as it can be read; None if there is no file, or an empty one."""
    if not has_content(path):
        return None
    written_at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    try:
        with read_only(path) as connection:
            problems: list[str] = []
            identity = _try(problems, lambda: identity_of(connection, "ledger"))
            answers = _try(problems, lambda: connection.execute(sql(__package__, "copy_answers")).fetchall()[0][0])
            batches, open_batches, cost_usd = _try(
                problems, lambda: connection.execute(sql(__package__, "copy_batches")).fetchall()[0]
            ) or (None, None, None)
            _try(problems, lambda: read_through(connection))
    except duckdb.Error as error:
        return LedgerCopy(path, written_at, damage=first_line(error))
    if answers is None and not problems:
        problems.append("it holds no ledger")
    damage = problems[0] if problems else None
    return LedgerCopy(path, written_at, identity, answers, batches, open_batches, cost_usd, damage)


def _try(problems: list[str], read: Any) -> Any:
    """Return what can be read; a column that an earlier version did not have is no damage."""
    try:
        return read()
    except duckdb.Error as error:
        if not isinstance(error, duckdb.CatalogException | duckdb.BinderException):
            problems.append(first_line(error))
        return None


def read_through(connection: duckdb.DuckDBPyConnection) -> None:
    """Read every column of every table of the current database, which compares every block with its checksum.

    Raises:
        duckdb.Error: a block cannot be read.
    """
    tables = [table.replace('"', '""') for (table,) in connection.execute(sql(__package__, "user_tables")).fetchall()]
    # A hash needs every value; counting them would leave blocks unread. One statement reads the tables side by side.
    reads = [f'SELECT bit_xor(hash(ledger_row)) FROM "{name}" AS ledger_row' for name in tables]  # noqa: S608
    if reads:
        connection.execute(" UNION ALL ".join(reads)).fetchall()
