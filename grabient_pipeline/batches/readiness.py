"""Readiness: a palette is refined when every analysis that an open order wants of it is settled.

A model that cannot be asked holds a palette only for a time, which is a setting. What a palette is refined from, and at
what price, belongs to the stage and to the reservation.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

import duckdb
import polars as pl

from grabient_pipeline.batches.order_ledger import Committed, committed_costs, open_parts
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.warehouse import registered, sql


@dataclass(frozen=True, slots=True)
class Blocked:
    """What cannot be sent now, for a reason that the database does not know.

    `models`: providers without a key, or models as `provider/model`; paused models need not be among them. `orders`:
    the numbers of the orders that have reached their cap.
    """

    models: Collection[str] = ()
    orders: Collection[int] = ()


NOTHING_BLOCKED: Final = Blocked()
_SOURCES: Final = {"number": pl.Int64, "provider": pl.String, "model": pl.String, "source": pl.String}


def read_blocked(connection: duckdb.DuckDBPyConnection, keys: Collection[str]) -> Blocked:
    """Return what cannot be sent to the providers with these keys."""
    committed = committed_costs(connection)
    capped = {part.number for part in open_parts(connection) if part.is_capped(committed.get(part.number, Committed()))}
    return Blocked([key for key in load_catalogue().providers if key not in keys], sorted(capped))


def count_for_parts(connection: duckdb.DuckDBPyConnection) -> None:
    """Create the temporary table of the analyses that open parts need not ask for, because others have answered."""
    rows = [
        (part.number, part.provider, part.model, source)
        for part in open_parts(connection)
        for source in (part.name, *part.predecessors)
    ]
    with registered(connection, "part_sources", pl.DataFrame(rows, schema=_SOURCES, orient="row")):
        connection.execute(sql(__package__, "counted_for_parts"))


def create_ready_tables(
    connection: duckdb.DuckDBPyConnection, parameters: Mapping[str, Any], max_failures: int, blocked: Blocked
) -> None:
    """Create the temporary tables of the palettes that can be refined, and of those that are not settled.

    Args:
        parameters: those of `refinable_palettes.sql`.
    """
    connection.execute(sql(__package__, "refinable_palettes"), parameters)
    count_for_parts(connection)
    settling = {
        "max_failures": max_failures,
        "blocked_models": list(blocked.models),
        "blocked_orders": list(blocked.orders),
    }
    connection.execute(sql(__package__, "unsettled_palettes"), settling)
