"""The pause of everything that is paid for without a person: set by a restore, lifted by `grabient resume`.

A restored ledger may lack what was sent after its copy was made. What a person submits goes on; refinements after
collecting and the vectors of a paid embedding model wait.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import duckdb

from grabient_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True, slots=True)
class SpendingPause:
    """Since when nothing is paid for without a person, and why."""

    since: dt.datetime
    reason: str

    @property
    def line(self) -> str:
        """What is held back, why, and what to do."""
        return (
            f"nothing is paid for by itself since {self.since:%Y-%m-%d %H:%M} UTC: {self.reason}; "
            "grabient resume lifts it"
        )


def read_pause(connection: duckdb.DuckDBPyConnection) -> SpendingPause | None:
    """Return the pause, from an open connection; None if there is none."""
    ((since, reason),) = connection.execute("SELECT paused_since, paused_reason FROM config").fetchall()
    return None if since is None else SpendingPause(since, reason or "no reason is recorded")


def spending_pause(warehouse: Warehouse) -> SpendingPause | None:
    """Return the pause; None if there is none."""
    with warehouse.connect() as connection:
        return read_pause(connection)


def lift_pause(warehouse: Warehouse) -> bool:
    """Lift the pause; False if there is none."""
    with warehouse.connect() as connection:
        if read_pause(connection) is None:
            return False
        connection.execute("UPDATE config SET paused_since = NULL, paused_reason = NULL")
    return True
