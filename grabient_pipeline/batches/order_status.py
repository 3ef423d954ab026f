"""The open orders as plain facts, for people and JSON: what is sent, answered and waiting, for what, and how long."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from grabient_pipeline.batches.order_forecast import Forecast
from grabient_pipeline.batches.order_progress import PartProgress, WaitKind, open_order_cost, stage_of
from grabient_pipeline.batches.room import RoomUse
from grabient_pipeline.formatting import pluralize
from grabient_pipeline.warehouse import sql

# What people read after "waits for".
_WAIT_WORDS: Final[Mapping[WaitKind, str]] = {
    "room": "room",
    "retry-after": "the end of a pause after a refusal",
    "limit": "a higher limit",
    "key": "a key",
    "pause": "grabient resume",
    "cap": "a higher cap",
    "unread batches": "adopted batches",
}


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One model of an open order.

    `sent`: the requests in flight. `waits_for`: why nothing more can be sent now, in one line, and `wait` the kind of
    it; None if nothing waits, or what waits can be sent. `waits_until`: the end of a pause. `ended`: why nothing will
    be sent any more. `room`: how much of the queue is used. `likely_at`, `latest_at`: when half and nine of ten such
    parts would have ended; without history `likely_at` is None and `latest_at` goes by the provider's window. Both are
    None for ordinary calls, and while a person is needed.
    """

    model: str
    access: str
    sent: int
    answered: int
    given_up: int
    waiting: int
    wait: WaitKind | None = None
    waits_for: str | None = None
    waits_until: dt.datetime | None = None
    is_stuck: bool = False
    ended: str | None = None
    room: tuple[RoomUse, ...] = ()
    likely_at: dt.datetime | None = None
    latest_at: dt.datetime | None = None

    @property
    def is_sendable(self) -> bool:
        """Whether a piece can be sent now."""
        return bool(self.waiting) and self.wait is None and self.ended is None

    @property
    def provider(self) -> str:
        """The provider's key."""
        return self.model.partition("/")[0]

    @property
    def wait_words(self) -> str:
        """What is waited for, in a few words; empty if nothing is."""
        if self.ended is not None:
            return "nothing: it has ended"
        if self.wait == "retry-after" and self.waits_until is not None:
            return f"{self.waits_until.astimezone(dt.UTC):%H:%M} UTC"
        return _WAIT_WORDS[self.wait] if self.wait else "the next poll" if self.waiting else ""

    @property
    def room_words(self) -> str:
        """How much of the queue is used, with where the limits are from."""
        return ", ".join(map(str, self.room))


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """An open order. Costs are US dollars.

    `estimated_usd`: of all of it, when it was made. `expected_usd`: what was spent, is outstanding and will be spent on
    what waits. `likely_at`, `latest_at`: the latest of its models; `likely_at` is None if a model has no history.
    `with_image`: whether it sends pictures.
    """

    number: int
    stage: str
    created_at: dt.datetime
    max_cost_usd: float
    spent_usd: float
    outstanding_usd: float
    estimated_usd: float
    expected_usd: float
    likely_at: dt.datetime | None = None
    latest_at: dt.datetime | None = None
    parts: tuple[PartStatus, ...] = ()
    with_image: bool = False

    @property
    def kind(self) -> str:
        """What it asks for, in words."""
        return f"{self.stage} with pictures" if self.with_image else self.stage

    @property
    def sent(self) -> int:
        """The requests in flight."""
        return sum(part.sent for part in self.parts)

    @property
    def waiting(self) -> int:
        """The requests that are not sent yet."""
        return sum(part.waiting for part in self.parts)

    @property
    def sendable(self) -> int:
        """How many of its models have a piece that can be sent now."""
        return sum(part.is_sendable for part in self.parts)


def read_order_status(
    connection: duckdb.DuckDBPyConnection, progress: Sequence[PartProgress], now: dt.datetime | None = None
) -> tuple[OrderStatus, ...]:
    """Return the status of the open orders, oldest first.

    Args:
        connection: to the working database or the published one.
        progress: of their open parts, as `read_progress` returns it.
        now: the moment; by default the present.
    """
    if not progress:
        return ()
    estimates: dict[int, float] = dict(connection.execute(sql(__package__, "order_estimates")).fetchall())
    forecast = Forecast(connection, progress, now or dt.datetime.now(dt.UTC))
    by_order: dict[int, list[PartProgress]] = {}
    for each in progress:
        by_order.setdefault(each.part.number, []).append(each)
    return tuple(_order_status(parts, forecast, estimates.get(number, 0.0)) for number, parts in by_order.items())


def order_line(order: OrderStatus) -> str:
    """Say in a few words how far an order is: `order 3: 1,284 sent, 172 wait for room`."""
    waiting: Counter[str] = Counter()
    for part in order.parts:
        waiting[part.wait_words] += part.waiting if part.ended is None else 0
    words = [f"{count:,} {'waits' if count == 1 else 'wait'} for {what}" for what, count in waiting.items() if count]
    return f"order {order.number}: " + ", ".join([f"{order.sent:,} sent", *words])


def part_line(part: PartStatus) -> str:
    """Say in one line how far a model of an order is, and what it waits for."""
    counts = [f"{part.sent:,} sent", f"{part.answered:,} answered"]
    counts += [f"{part.given_up:,} given up"] if part.given_up else []
    counts += [f"{part.waiting:,} {'waits' if part.waiting == 1 else 'wait'}"] if part.waiting else []
    reason = part.ended or part.waits_for
    line = f"{part.model}: {', '.join(counts)}" + (f": {reason}" if reason else "")
    return line + (f"; {end}" if (end := _end_words(part)) else "")


def stuck_reasons(orders: Sequence[OrderStatus]) -> dict[str, str]:
    """Return what keeps orders waiting until a person does something, by reason, with what waits."""
    counts: dict[str, Counter[int]] = {}
    for order in orders:
        for part in order.parts:
            if part.is_stuck and part.waits_for is not None:
                counts.setdefault(part.waits_for, Counter())[order.number] += part.waiting
    return {
        reason: " and ".join(f"{pluralize(count, 'request')} of order {number}" for number, count in waiting.items())
        for reason, waiting in counts.items()
    }


def _end_words(part: PartStatus) -> str:
    if part.latest_at is None:
        return ""
    latest = f"{part.latest_at.astimezone(dt.UTC):%d %b %H:%M} UTC"
    if part.likely_at is None:
        return f"ends by {latest} at the latest"
    return f"likely to end by {part.likely_at.astimezone(dt.UTC):%d %b %H:%M}, nine times out of ten by {latest}"


def _order_status(parts: Sequence[PartProgress], forecast: Forecast, estimated_usd: float) -> OrderStatus:
    first, committed = parts[0].part, parts[0].committed
    statuses = tuple(_part_status(each, forecast) for each in parts)
    ends = [(status.likely_at, status.latest_at) for status in statuses if status.latest_at is not None]
    stage = stage_of(first)
    likely = [likely_at for likely_at, _ in ends if likely_at is not None]
    return OrderStatus(
        first.number,
        first.stage,
        first.created_at,
        first.max_cost_usd,
        committed.spent_usd,
        committed.outstanding_usd,
        estimated_usd,
        open_order_cost(parts) + committed.outstanding_usd,
        max(likely) if likely and len(likely) == len(ends) else None,
        max((latest_at for _, latest_at in ends), default=None),
        statuses,
        with_image=stage is not None and stage.prompt.with_image,
    )


def _part_status(each: PartProgress, forecast: Forecast) -> PartStatus:
    counts, room = each.counts, each.room
    wait, waits_for = (each.wait, each.waits_for) if counts.waiting else (None, None)
    likely_at, latest_at = forecast.ends(each)
    return PartStatus(
        each.part.name,
        each.part.access,
        counts.in_flight,
        counts.answered,
        counts.given_up,
        counts.waiting,
        wait,
        waits_for,
        room.waits_until if room is not None and wait == "retry-after" else None,
        each.is_stuck and bool(counts.waiting) and each.ended is None,
        each.ended,
        room.uses if room is not None else (),
        likely_at,
        latest_at,
    )
