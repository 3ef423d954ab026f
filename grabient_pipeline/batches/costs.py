"""What responses cost: the one formula, and what service tiers cost in it."""

from __future__ import annotations

import duckdb

from grabient_pipeline.providers.base import AccessMode
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.providers.prices import tier_share
from grabient_pipeline.warehouse import sql


def define_token_cost(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the macro `token_cost` (usage, details, price) on this connection."""
    connection.execute(sql(__package__, "token_cost"))


def show_responses(connection: duckdb.DuckDBPyConnection, submission: str) -> None:
    """Make the view `staged_responses` show the rows of the view `staged` as responses of a batch, with their cost."""
    rows = connection.execute(
        "SELECT provider, access, service_tier FROM tag_batches WHERE submission = $submission",
        {"submission": submission},
    ).fetchall()
    shares, other = relative_shares(*rows[0]) if rows else ({}, 1.0)
    define_token_cost(connection)
    connection.execute(
        sql(__package__, "set_staged_batch"),
        {"submission": submission, "tiers": list(shares), "shares": list(shares.values()), "other_share": other},
    )
    connection.execute(sql(__package__, "staged_responses"))


def relative_shares(provider: str, access: AccessMode, service_tier: str | None) -> tuple[dict[str, float], float]:
    """Return what responses cost as shares of the prices of their batch, by the tier that served them.

    In a batch, the tier that a response names says nothing about its price.

    Args:
        provider: The provider's key.
        access: How the requests were sent.
        service_tier: The tier that the batch is booked at; None is the standard one.

    Returns:
        The shares by name, and the share of a tier that is not among them: it costs the standard price.
    """
    known = load_catalogue().providers.get(provider)
    if access == "batch" or known is None:
        return {}, 1.0
    booked = tier_share(provider, service_tier)
    return {name: share / booked for name, share in known.service_tier_shares().items()}, 1.0 / booked
