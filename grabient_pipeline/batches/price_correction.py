"""A step after a migration: compute the cost of batches again that were booked at the price of long requests.

Prices were once looked up for a million tokens at once. For a model that charges more for long requests, that gave the
price of its highest tier, which no request here reaches. SQL alone cannot correct this, because the right price is in
the price list: the migration leaves a row in `pending_steps`, and the first process that opens the database does it.
"""

from __future__ import annotations

import datetime as dt
import logging
from dataclasses import dataclass
from typing import Final

import duckdb
import polars as pl

from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.formatting import dollars, pluralize
from grabient_pipeline.providers.prices import BATCH_DISCOUNT, Price, price_on
from grabient_pipeline.warehouse import registered, sql, transaction

_LOG = logging.getLogger(__name__)

_STEP: Final = "correct_prices"

# What the price list was asked for before.
_MILLION_AT_ONCE: Final = (1_000_000, 1_000_000)


@dataclass(frozen=True, slots=True)
class PriceCorrection:
    """A row of `price_corrections`: a model whose batches were booked at a wrong price.

    `booked_usd`, `corrected_usd`: the cost in US dollars of what these batches had brought by then, before and after.
    """

    provider: str
    model: str
    batches: int
    booked_usd: float
    corrected_usd: float
    corrected_at: dt.datetime

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"{self.provider}/{self.model}: {pluralize(self.batches, 'batch', 'batches')} booked at the price of long "
            f"requests; the cost was {dollars(self.booked_usd)} and is now {dollars(self.corrected_usd)}"
        )


def correct_prices(connection: duckdb.DuckDBPyConnection) -> tuple[PriceCorrection, ...]:
    """Correct the batches that were booked at a wrong price, if that is still to be done, and log a line per model.

    Prices, estimates and costs of these batches and of their answers change, in one transaction. The scorecard is
    derived from them and follows when it is next computed. Without the row in `pending_steps` this is one query.
    """
    if not connection.execute("SELECT 1 FROM pending_steps WHERE name = ?", [_STEP]).fetchall():
        return ()
    with transaction(connection):
        ((started_at,),) = connection.execute("SELECT now()").fetchall()
        right_prices = _right_prices(connection)
        if len(right_prices):
            with registered(connection, "right_prices", right_prices):
                connection.execute(sql(__package__, "correct_costs"))
        connection.execute("DELETE FROM pending_steps WHERE name = ?", [_STEP])
        crash_point("prices.correcting")
    corrections = tuple(each for each in read_price_corrections(connection) if each.corrected_at == started_at)
    for correction in corrections:
        _LOG.warning("%s", correction)
    return corrections


def read_price_corrections(connection: duckdb.DuckDBPyConnection) -> tuple[PriceCorrection, ...]:
    """Read all corrections, the oldest first."""
    rows = connection.execute(
        "SELECT provider, model, batches, booked_usd, corrected_usd, corrected_at FROM price_corrections "
        "ORDER BY corrected_at, provider, model"
    ).fetchall()
    return tuple(PriceCorrection(*row) for row in rows)


def _right_prices(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return submission, input_usd_per_million and output_usd_per_million of each batch with a wrong price."""
    rows = connection.execute(sql(__package__, "booked_prices")).fetchall()
    right: list[tuple[str, float, float]] = []
    for submission, provider, model, access, day, *booked in rows:
        share = 1.0 if access == "direct" else BATCH_DISCOUNT
        price = _right_price(day, provider, model, share, Price(*booked))
        if price is not None:
            right.append((submission, price.input_usd_per_million, price.output_usd_per_million))
    schema = {"submission": pl.String, "input_usd_per_million": pl.Float64, "output_usd_per_million": pl.Float64}
    return pl.DataFrame(right, schema=schema, orient="row")


def _right_price(day: dt.date, provider: str, model: str, share: float, booked: Price) -> Price | None:
    """Return the price of the day if the batch was booked at the price of a million tokens at once, else None."""
    try:
        wrong = price_on(day, provider, model, _MILLION_AT_ONCE).times(share)
        right = price_on(day, provider, model).times(share)
    except LookupError:
        # The earlier system used models that the list does not have.
        return None
    return right if booked == wrong != right else None
