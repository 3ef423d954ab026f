"""Orders in the ledger: making, reading and closing them. What a person asks for is in `orders`.

An order is pinned when it is made: its models, how often each is asked, the prompt, how each model is reached, and the
palettes. It has one part per model. What is sent for it is a piece: a batch with its number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple

import duckdb

from grabient_pipeline.errors import SettingsError, UnknownModelError, UnknownOrderError
from grabient_pipeline.providers.base import AccessMode, Route
from grabient_pipeline.providers.catalogue import Model, load_catalogue
from grabient_pipeline.providers.prices import direct_ratio
from grabient_pipeline.warehouse import sql

WhenLate = Literal["direct", "again", "leave"]
COMPLETE = "complete"


class Bound(NamedTuple):
    """The last palette of an order, in the order of import: palettes of the same moment are ordered by seed."""

    created_at: dt.datetime
    seed: str


@dataclass(frozen=True, slots=True)
class OrderPart:
    """One model of an order that is not closed, with what the whole order says. Costs are US dollars.

    `model`: the id at the provider. `place`: the model whose place it has taken, as `provider/model`. `max_cost_usd`:
    the cap of the order. `estimated_requests`, `estimated_cost_usd`: of this part, when the order was made.
    """

    number: int
    stage: str
    provider: str
    model: str
    access: AccessMode
    place: str | None
    analysis_count: int
    prompt_version: str
    max_cost_usd: float
    include_retired: bool
    refresh_stale: bool
    refine_now: bool
    ask_again: bool
    deadline_hours: float | None
    when_late: WhenLate | None
    last_palette_at: dt.datetime
    last_seed: str
    estimated_requests: int
    estimated_cost_usd: float
    created_at: dt.datetime

    @property
    def name(self) -> str:
        """The model as `provider/model`."""
        return f"{self.provider}/{self.model}"

    @property
    def route(self) -> Route:
        """How its requests are sent."""
        return Route(self.provider, self.access)

    @property
    def predecessors(self) -> tuple[str, ...]:
        """The models that have ended and whose answers count for its place, as `provider/model`."""
        return predecessors(self.place, self.name)

    @property
    def bound(self) -> Bound:
        """Its last palette."""
        return Bound(self.last_palette_at, self.last_seed)

    @property
    def request_cost_usd(self) -> float:
        """The estimated cost of one request."""
        return self.estimated_cost_usd / max(1, self.estimated_requests)

    @property
    def late_route(self) -> Route | None:
        """How the requests that a late batch did not answer are sent, if otherwise than the rest."""
        return Route(self.provider, "direct") if self.access == "batch" and self.when_late == "direct" else None

    def is_capped(self, committed: Committed) -> bool:
        """Whether the cap of the order admits not one more request, now that nothing of it is outstanding.

        If late requests become ordinary calls, such a call is meant.
        """
        ratio = 1.0 if self.late_route is None else direct_ratio(load_catalogue().known(self.name))
        dearest = self.request_cost_usd * ratio
        return not committed.outstanding_usd and committed.spent_usd + dearest > self.max_cost_usd


@dataclass(frozen=True, slots=True)
class PlannedPart:
    """What is missing of a model: requests, their estimated cost in US dollars, and the batches that they become.

    `late_cost_usd`: what all of them cost as ordinary calls, if those of late batches become such; otherwise None.
    `place`: the model whose place it has taken, as `provider/model`.
    """

    model: Model
    route: Route
    bound: Bound
    requests: int
    cost_usd: float
    batches: int
    late_cost_usd: float | None = None
    place: str | None = None

    def batch_sizes(self) -> list[tuple[int, float]]:
        """Return the requests and the cost of each batch, about equally large."""
        ends = [self.requests * number // self.batches for number in range(self.batches + 1)]
        sizes = [end - start for start, end in pairwise(ends)]
        return [(size, self.cost_usd * size / self.requests) for size in sizes]


class Committed(NamedTuple):
    """What the batches of an order have cost so far, and what they may still cost, in US dollars."""

    spent_usd: float = 0.0
    outstanding_usd: float = 0.0

    @property
    def total_usd(self) -> float:
        """Both."""
        return self.spent_usd + self.outstanding_usd


def predecessors(place: str | None, name: str) -> tuple[str, ...]:
    """Return the ended models whose answers count for a model that has taken a place; none if it has taken none.

    Args:
        place: the model whose place it is, as `provider/model`.
        name: the model that has it now.
    """
    if place is None:
        return ()
    catalogue = load_catalogue()
    try:
        return catalogue.place_of(place).predecessors(catalogue.ended(), name)
    except UnknownModelError:
        # An older version of the catalogue had it.
        return (place,)


def open_parts(connection: duckdb.DuckDBPyConnection) -> list[OrderPart]:
    """Return the parts that are not closed, in the order in which they are sent: oldest order first."""
    return [OrderPart(*row) for row in connection.execute(sql(__package__, "open_parts")).fetchall()]


def committed_costs(connection: duckdb.DuckDBPyConnection) -> dict[int, Committed]:
    """Return what the open orders have spent and may still spend on what was sent, by number."""
    rows = connection.execute(sql(__package__, "committed_cost")).fetchall()
    return {number: Committed(spent, outstanding) for number, spent, outstanding in rows}


def insert_order(
    connection: duckdb.DuckDBPyConnection, columns: Mapping[str, object], parts: Sequence[PlannedPart]
) -> int:
    """Record an order, inside the caller's transaction, and return its number.

    Args:
        columns: of `orders`, except the number, the estimates and the times.
    """
    ((number,),) = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM orders").fetchall()
    estimates = {
        "estimated_requests": sum(part.requests for part in parts),
        "estimated_cost_usd": sum(part.cost_usd for part in parts),
    }
    connection.execute(sql(__package__, "insert_order"), {"number": number, **columns, **estimates})
    for part in parts:
        connection.execute(
            sql(__package__, "insert_order_part"),
            {
                "order_number": number,
                "provider": part.route.provider,
                "model": part.model.id,
                "access": part.route.access,
                "place": part.place,
                "last_palette_at": part.bound.created_at,
                "last_seed": part.bound.seed,
                "estimated_requests": part.requests,
                "estimated_cost_usd": part.cost_usd,
            },
        )
    return int(number)


def close_parts(connection: duckdb.DuckDBPyConnection, parts: Collection[OrderPart], reason: str = COMPLETE) -> None:
    """Close parts, and every order that has no open part then, inside the caller's transaction."""
    for part in parts:
        connection.execute(
            sql(__package__, "close_part"),
            {"order_number": part.number, "provider": part.provider, "model": part.model, "reason": reason},
        )
    if parts:
        connection.execute(sql(__package__, "close_finished_orders"))


def is_open(connection: duckdb.DuckDBPyConnection, part: OrderPart) -> bool:
    """Whether a part is still open; another process may have closed it."""
    rows = connection.execute(
        "SELECT closed_at FROM order_parts WHERE order_number = ? AND provider = ? AND model = ?",
        [part.number, part.provider, part.model],
    ).fetchall()
    return rows == [(None,)]


def choose_orders(connection: duckdb.DuckDBPyConnection, numbers: Collection[int] | None) -> list[OrderPart]:
    """Return the open parts of these orders, or of all.

    Raises:
        UnknownOrderError: one of the orders is not open.
    """
    parts = open_parts(connection)
    if numbers is None:
        return parts
    known = {part.number for part in parts}
    for number in numbers:
        if number not in known:
            raise UnknownOrderError(
                f"there is no open order {number}; "
                + (f"open are {', '.join(map(str, sorted(known)))}" if known else "no order is open")
            )
    return [part for part in parts if part.number in numbers]


def change_cap(connection: duckdb.DuckDBPyConnection, number: int, max_cost_usd: float) -> None:
    """Set the cost cap of an open order.

    Raises:
        UnknownOrderError: the order is not open.
        SettingsError: the cap is not 0 US dollars or more.
    """
    if not max_cost_usd >= 0:
        raise SettingsError(f"the cost cap is {max_cost_usd}; it must be 0 US dollars or more")
    choose_orders(connection, [number])
    connection.execute("UPDATE orders SET max_cost_usd = ? WHERE number = ?", [max_cost_usd, number])


def cap_line(part: OrderPart, committed: Committed) -> str:
    """Say that the cap of an order is reached, and what to do."""
    return (
        f"the cap of order {part.number} is reached: ${committed.spent_usd:.2f} is spent and "
        f"${committed.outstanding_usd:.2f} is outstanding of ${part.max_cost_usd:.2f}; "
        f"grabient resume --order {part.number} --max-cost USD raises it"
    )
