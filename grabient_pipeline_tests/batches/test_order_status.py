"""The status of open orders: counts, what they wait for, room, and the likely end by our own history."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest

from grabient_pipeline.batches.account_limits import write_figures
from grabient_pipeline.batches.order_status import OrderStatus, PartStatus, order_line, part_line, stuck_reasons
from grabient_pipeline.pipeline import Pipeline
from grabient_pipeline.providers.catalogue import load_catalogue

HAIKU = "anthropic/claude-haiku-4-5-20251001"
MINI = "openai/gpt-4o-mini"
HOUR = dt.timedelta(hours=1)


def allow(workbench, **figures: int) -> None:
    write_figures(workbench.pipeline.warehouse, "anthropic", None, **figures)


def only_order(workbench) -> OrderStatus:
    (order,) = workbench.pipeline.status().orders
    return order


@pytest.fixture
def waiting(workbench):
    """An order of 24 requests, of which 20 fill the queue."""
    workbench.arm("slow_batch")
    allow(workbench, requests=20)
    workbench.backfill(HAIKU, analysis_count=8)
    return workbench


def part(**changes: object) -> PartStatus:
    base = PartStatus(HAIKU, "batch", 20, 0, 0, 4, "room", "waits for room: 20 of 20 requests (set) are in use")
    return dataclasses.replace(base, **changes)


class TestCounts:
    def test_without_orders(self, workbench):
        assert workbench.pipeline.status().orders == ()

    def test_of_what_is_sent_and_what_waits(self, waiting):
        order = only_order(waiting)
        (status,) = order.parts
        assert (order.number, order.stage, order.max_cost_usd) == (1, "tagging", 25)
        assert (status.model, status.sent, status.answered, status.waiting) == (HAIKU, 20, 0, 4)
        assert (status.wait, status.is_stuck, status.is_sendable) == ("room", False, False)
        assert status.waits_for.startswith("waits for room: 20 of 20 requests (set)")
        assert {use.kind: (use.used, use.most) for use in status.room}["requests"] == (20, 20)

    def test_of_the_costs(self, waiting):
        order = only_order(waiting)
        assert order.spent_usd == 0 < order.outstanding_usd < order.estimated_usd
        assert order.expected_usd == pytest.approx(order.estimated_usd, rel=0.05)

    def test_what_can_be_sent_waits_for_nothing(self, waiting):
        allow(waiting, requests=100)
        order = only_order(waiting)
        assert order.sendable == 1
        assert (order.parts[0].wait, order.parts[0].wait_words) == (None, "the next poll")

    def test_too_little_room_for_a_piece_is_no_room(self, waiting):
        # A piece has four requests, and is not cut to one while others are under way.
        allow(waiting, requests=21)
        assert only_order(waiting).parts[0].wait == "room"
        assert not waiting.pipeline.send_on().batches
        allow(waiting, requests=22)
        assert only_order(waiting).parts[0].is_sendable
        assert waiting.pipeline.send_on().request_count == 2

    def test_a_closed_order_is_not_shown(self, workbench):
        workbench.backfill(HAIKU, analysis_count=1)
        workbench.settle()
        assert workbench.pipeline.status().orders == ()


class TestWaits:
    def test_for_a_key(self, waiting):
        environment = {name: value for name, value in waiting.environment.items() if name != "ANTHROPIC_API_KEY"}
        allow(waiting, requests=100)
        (order,) = Pipeline(waiting.settings, environment).status().orders
        (status,) = order.parts
        assert (status.wait, status.waits_for, status.is_stuck) == ("key", "ANTHROPIC_API_KEY is not set", True)
        assert stuck_reasons([order]) == {"ANTHROPIC_API_KEY is not set": "4 requests of order 1"}
        assert (status.likely_at, status.latest_at) == (None, None)

    def test_for_a_higher_cap(self, waiting):
        with waiting.pipeline.warehouse.connect() as connection:
            connection.execute("UPDATE orders SET max_cost_usd = 0.000001")
        waiting.disarm()
        for batch in waiting.provider_batches():
            batch.seconds = 0
        waiting.settle()
        status = waiting.pipeline.status()
        assert status.orders[0].parts[0].wait == "cap"
        ((reason, what),) = status.stuck.items()
        assert reason.startswith("the cap of order 1 is reached")
        assert what == "4 requests of order 1"

    def test_for_the_end_of_a_pause(self, waiting):
        allow(waiting, requests=100)
        with waiting.pipeline.warehouse.connect() as connection:
            connection.execute(
                "INSERT INTO refused_batches VALUES ('s', 'anthropic', ?, 'requests', NULL, 20, 4, 600, 'full', now())",
                [HAIKU.partition("/")[2]],
            )
        (status,) = only_order(waiting).parts
        assert (status.wait, status.is_stuck) == ("retry-after", False)
        assert status.wait_words.endswith(" UTC")
        assert status.waits_until > dt.datetime.now(dt.UTC) + dt.timedelta(minutes=9)

    def test_nothing_that_is_complete_waits(self, workbench):
        workbench.arm("slow_batch")
        workbench.backfill(HAIKU, analysis_count=1)
        (status,) = only_order(workbench).parts
        assert (status.wait, status.waits_for, status.wait_words, status.is_stuck) == (None, None, "", False)


class TestLikelyEnd:
    def test_without_history_it_is_the_window_of_each_round(self, waiting):
        order = only_order(waiting)
        window = load_catalogue().provider("anthropic").window_hours
        # 24 requests need two rounds of 20.
        assert order.likely_at is None
        assert order.latest_at - dt.datetime.now(dt.UTC) == pytest.approx(2 * window * HOUR, abs=HOUR / 10)

    def test_by_history_it_is_the_median_of_each_round(self, waiting):
        with waiting.pipeline.warehouse.connect() as connection:
            for hours in (1, 3, 5):
                connection.execute(
                    """
                    INSERT INTO tag_batches BY NAME
                    SELECT * REPLACE (
                        $name AS submission, $name AS batch_id, 'completed' AS status, NULL AS order_number,
                        now() - to_hours($hours) AS submitted_at, now() AS completed_at, now() AS collected_at
                    )
                    FROM tag_batches WHERE status = 'submitted' LIMIT 1
                    """,
                    {"name": f"earlier-{hours}", "hours": hours},
                )
        (status,) = only_order(waiting).parts
        now = dt.datetime.now(dt.UTC)
        assert status.likely_at - now == pytest.approx(2 * 3 * HOUR, abs=HOUR / 10)
        assert status.latest_at - now == pytest.approx(2 * 4.6 * HOUR, abs=HOUR / 10)
        allow(waiting, requests=100)
        (status,) = only_order(waiting).parts
        assert status.likely_at - now == pytest.approx(3 * HOUR, abs=HOUR / 10)
        assert order_line(only_order(waiting)) == "order 1: 20 sent, 4 wait for the next poll"

    def test_that_of_an_order_is_the_latest_of_its_models(self, workbench):
        workbench.arm("slow_batch")
        allow(workbench, requests=8)
        workbench.backfill(HAIKU, MINI, analysis_count=8)
        order = only_order(workbench)
        ends = {status.model: status.latest_at for status in order.parts}
        assert order.latest_at == ends[HAIKU] > ends[MINI] + 24 * HOUR


class TestLines:
    def test_of_a_part(self):
        assert part_line(part()) == (
            f"{HAIKU}: 20 sent, 0 answered, 4 wait: waits for room: 20 of 20 requests (set) are in use"
        )

    def test_of_a_part_with_its_likely_end(self):
        latest = dt.datetime(2026, 5, 4, 12, 30, tzinfo=dt.UTC)
        status = part(waiting=1, wait=None, waits_for=None, given_up=2, latest_at=latest)
        assert part_line(status) == (
            f"{HAIKU}: 20 sent, 0 answered, 2 given up, 1 waits; ends by 04 May 12:30 UTC at the latest"
        )
        assert part_line(dataclasses.replace(status, likely_at=latest - HOUR)).endswith(
            "; likely to end by 04 May 11:30, nine times out of ten by 04 May 12:30 UTC"
        )

    def test_of_an_order(self):
        parts = (
            part(sent=1284, waiting=172),
            part(model=MINI, sent=0, waiting=1, wait="key", waits_for="x is not set"),
        )
        order = OrderStatus(3, "tagging", dt.datetime.now(dt.UTC), 25, 0, 0, 0, 0, parts=parts)
        assert order_line(order) == "order 3: 1,284 sent, 172 wait for room, 1 waits for a key"
