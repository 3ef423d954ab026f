"""When the models of open orders are likely to end, by our own history.

What fits into the queue at once takes about as long as earlier batches did, and what waits goes out in as many rounds
as it needs.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Sequence

import duckdb

from grabient_pipeline.batches.order_ledger import OrderPart
from grabient_pipeline.batches.order_progress import PartProgress
from grabient_pipeline.batches.piece_sizes import most_in_piece
from grabient_pipeline.batches.room import Room
from grabient_pipeline.batches.windows import read_windows, window_of
from grabient_pipeline.providers.catalogue import load_catalogue
from grabient_pipeline.warehouse import sql


class Forecast:
    """What is known of all open parts, their batches and the history of their providers."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, progress: Sequence[PartProgress], now: dt.datetime
    ) -> None:
        self._now = now
        self._hours = {
            provider: (median, p90)
            for provider, median, p90 in connection.execute(
                "SELECT provider, median_hours, p90_hours FROM batch_durations"
            ).fetchall()
        }
        self._pending = {
            (number, name): (oldest, newest, window)
            for number, name, oldest, newest, window in connection.execute(sql(__package__, "part_batches")).fetchall()
        }
        self._windows = read_windows(connection)
        # What is in flight or waits in an order and in the older ones, which are sent first.
        self._of_model = _sum_up(progress, lambda part: part.name)
        self._of_provider = _sum_up(progress, lambda part: part.provider)

    def ends(self, each: PartProgress) -> tuple[dt.datetime | None, dt.datetime | None]:
        """Return when half and nine of ten such parts would have ended.

        Without history the first is None, and the second goes by the window of the provider. Both are None for ordinary
        calls, while a person is needed, and when there is nothing to wait for.
        """
        part, room, waiting = each.part, each.room, each.counts.waiting if each.ended is None else 0
        if room is None or (each.is_stuck and waiting) or not (waiting or each.counts.in_flight):
            return None, None
        pending = self._pending.get((part.number, part.name))
        if pending is None:
            begin, pending_window = max(self._now, room.waits_until or self._now), 0
        else:
            oldest, newest, pending_window = pending
            # The next round begins when the oldest batch ends.
            begin = oldest if waiting else newest
        rounds = self._rounds(each, room)
        if part.provider not in self._hours:
            future = self._windows.get(part.provider, load_catalogue().provider(part.provider).window_hours)
            # The first round is what is pending, and the others are sent with the window of the moment.
            first = (pending_window or window_of(part.provider, None)) if pending is not None else future
            return None, begin + dt.timedelta(hours=first + (rounds - 1) * future)
        median, p90 = self._hours[part.provider]
        return begin + dt.timedelta(hours=rounds * median), begin + dt.timedelta(hours=rounds * p90)

    def _rounds(self, each: PartProgress, room: Room) -> int:
        part, tokens = each.part, each.request_tokens
        of_provider = self._of_provider[part.number, part.provider]
        rounds = [1]
        for use in room.uses:
            if use.kind == "tokens":
                fitting = math.floor(use.most / tokens)
                rounds.append(math.ceil(self._of_model[part.number, part.name] / max(1, fitting)))
            elif use.kind == "requests":
                rounds.append(math.ceil(of_provider / max(1, use.most)))
            else:
                most = most_in_piece(load_catalogue().provider(part.provider), room, tokens=tokens)
                rounds.append(math.ceil(of_provider / most / max(1, use.most)))
        return max(rounds)


def _sum_up(progress: Sequence[PartProgress], key: Callable[[OrderPart], str]) -> dict[tuple[int, str], int]:
    """Return by order and key the requests that are in flight or wait in that order and the older ones."""
    sums: Counter[str] = Counter()
    result: dict[tuple[int, str], int] = {}
    for each in sorted(progress, key=lambda each: each.part.number):
        name = key(each.part)
        sums[name] += each.counts.in_flight + (each.counts.waiting if each.ended is None else 0)
        result[each.part.number, name] = sums[name]
    return result
