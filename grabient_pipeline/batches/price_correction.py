"""A step after a migration: compute the cost of batches again that were booked at the price of long requests.

Prices were once looked up for a million tokens at once. For a model that charges more for long requests, that gave the
price of its highest tier, which no request here reaches. SQL alone cannot correct this, because the right price is in
the price list: the migration leaves a row in `pending_steps`, and the first process that opens the database does it.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final

import duckdb
import polars as pl

from grabient_pipeline.batches.costs import define_token_cost
from grabient_pipeline.crash_points import crash_point
from grabient_pipeline.formatting import dollars, pluralize
from grabient_pipeline.providers.base import AccessMode
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import Price, booked_price
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
            define_token_cost(connection)
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
    """Return the submission and the right prices of each batch with a wrong price."""
    rows = connection.execute(sql(__package__, "booked_prices")).fetchall()
    right: list[dict[str, Any]] = []
    for submission, provider, model, access, service_tier, day, *booked in rows:
        price = _right_price(day, provider, model, access, service_tier, booked)
        if price is not None:
            right.append({"submission": submission, "writes_unasked": _writes_unasked(provider), **price.columns})
    prices = {field.name: pl.Float64 for field in fields(Price)}
    return pl.DataFrame(right, schema={"submission": pl.String, "writes_unasked": pl.Boolean, **prices})


def _writes_unasked(provider: str) -> bool:
    known = load_catalogue().providers.get(provider)
    return known is not None and known.cached_input.writes_unasked


def _right_price(
    day: dt.date, provider: str, model: str, access: AccessMode, service_tier: str | None, booked: Sequence[float]
) -> Price | None:
    """Return the price of the day if the batch was booked at the price of a million tokens at once, else None.

    Args:
        booked: The booked prices of input and of output.
    """
    booked_at = partial(booked_price, provider, model, access, service_tier, day=day)
    try:
        wrong, right = booked_at(request_tokens=_MILLION_AT_ONCE), booked_at()
    except LookupError:
        # The earlier system used models that the list does not have.
        return None
    of_wrong, of_right = ([price.input_usd_per_million, price.output_usd_per_million] for price in (wrong, right))
    return right if list(booked) == of_wrong != of_right else None
