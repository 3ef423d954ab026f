"""Models that may end before their batches do: said before a batch is sent, which is sent all the same."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import duckdb

from grabient_pipeline.batches.order_forecast import Forecast
from grabient_pipeline.batches.order_progress import PartProgress
from grabient_pipeline.batches.orders import BackfillOrder
from grabient_pipeline.batches.stages import Stage
from grabient_pipeline.batches.windows import future_window


def ends_of(order: BackfillOrder) -> dict[str, dt.datetime]:
    """Return when models of an order end, by `provider/id`; none if they are to be asked after their end."""
    if order.include_retired:
        return {}
    # A model ends at the beginning of the day, in UTC.
    return {
        model.name: dt.datetime.combine(model.ends_on, dt.time(), dt.UTC)
        for model in order.models
        if model.ends_on is not None
    }


def ending_lines(
    connection: duckdb.DuckDBPyConnection,
    order: BackfillOrder,
    stage: Stage,
    progress: Sequence[PartProgress],
    planned: Collection[str] = (),
) -> tuple[str, ...]:
    """Return one line for each model of an order that may end before all of its requests are answered.

    A batch that is sent now may take as long as its provider allows. What an order has not sent yet takes as long as is
    likely by the history of the provider.

    Args:
        connection: from which `progress` was read.
        order: whose models are looked at.
        stage: of the order.
        progress: that of the open orders.
        planned: further models, as `provider/id`, that a batch would be sent to.
    """
    ends, now = ends_of(order), dt.datetime.now(dt.UTC)
    if not ends:
        return ()
    waiting = [
        each
        for each in progress
        if each.part.name in ends and each.part.stage == stage.name and each.counts.waiting and each.ended is None
    ]
    lines: dict[str, str] = {}
    forecast = Forecast(connection, progress, now)
    for each in waiting:
        _, latest = forecast.ends(each)
        if latest is not None and latest > ends[each.part.name]:
            lines[each.part.name] = f"order {each.part.number} will likely not be complete by then"
    sent_to = {*planned, *(each.part.name for each in waiting)}
    for model in order.models:
        if model.name not in sent_to & ends.keys() or order.route(model).access != "batch":
            continue
        hours = future_window(connection, model.provider)
        if ends[model.name] < now + dt.timedelta(hours=hours):
            lines[model.name] = f"a batch sent now may still be under way then ({hours} h)"
    return tuple(f"{name} ends on {ends[name]:%Y-%m-%d}; {reason}" for name, reason in lines.items())
